//! A batch as a request describes it, and what of it is checked before the gate is asked.

use super::{batches::bad_questions, end, schemas};
use crate::{problem::Problem, work_settings::WorkSettings};
use domain::{
    batch::Metadata,
    combining::Scope,
    names::ModelName,
    order::Parameters,
    purpose::Purpose,
    question::{Question, questions},
    turn::Priority,
};
use serde::Deserialize;
use time::OffsetDateTime;

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBatch {
    model: ModelName,
    purpose: Purpose,
    questions: Vec<NewQuestion>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    priority: Priority,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewQuestion {
    text: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    scope: Scope,
}

/// A batch that keeps its limits.
pub(super) struct CheckedBatch {
    pub(super) model: ModelName,
    pub(super) purpose: Purpose,
    pub(super) questions: Vec<Question>,
    pub(super) metadata: Metadata,
    pub(super) priority: Priority,
    pub(super) expires_at: Option<OffsetDateTime>,
}

impl NewBatch {
    /// Problems: 400 `question_invalid`, `metadata_invalid` and those of [`schemas::check`] and [`end::read`].
    pub(super) async fn checked(
        self,
        settings: &WorkSettings,
        now: OffsetDateTime,
    ) -> Result<CheckedBatch, Problem> {
        let questions = read_questions(self.questions, settings)?;
        schemas::check(&questions, settings).await?;
        check_metadata(&self.metadata, settings)?;
        Ok(CheckedBatch {
            model: self.model,
            purpose: self.purpose,
            questions,
            metadata: self.metadata,
            priority: self.priority,
            expires_at: end::read(self.expires_at.as_deref(), now, settings)?,
        })
    }
}

fn read_questions(new: Vec<NewQuestion>, settings: &WorkSettings) -> Result<Vec<Question>, Problem> {
    let scopes: Vec<Scope> = new.iter().map(|question| question.scope).collect();
    let given = new
        .into_iter()
        .map(|question| (question.text, question.parameters))
        .collect();
    let questions = questions(given, settings.question_limits()).map_err(|bad| bad_questions(&bad))?;
    let about = |(question, scope): (Question, Scope)| question.about(scope);
    Ok(questions.into_iter().zip(scopes).map(about).collect())
}

fn check_metadata(metadata: &Metadata, settings: &WorkSettings) -> Result<(), Problem> {
    let (most, characters) = (settings.most_metadata_entries, settings.most_metadata_characters);
    let long = |text: &String| text.chars().count() > characters || text.contains('\0');
    if metadata.len() > most
        || metadata
            .iter()
            .any(|(key, value)| key.is_empty() || long(key) || long(value))
    {
        let detail =
            format!("metadata has at most {most} entries, keys and values at most {characters} characters");
        return Err(Problem::bad_request("metadata_invalid", detail).with("field", "metadata"));
    }
    Ok(())
}
