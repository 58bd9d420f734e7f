//! What became of a row of a batch: its answer, why there is none, and what can be done about it.

use super::words;
use askama::Template;
use domain::{
    batch::StoredBatch,
    document::DocumentState,
    job::{EXPIRED, JobPhase, JobState},
    language::Language,
    order::FinishReason,
    rows::{Verdict as RowVerdict, runs},
};
use records::rows::{JobRowOf, Row, RowOf};

/// See the module's text.
#[derive(Template)]
#[template(path = "verdict.html")]
pub struct Verdict {
    t: Language,
    csrf: String,
    /// Where the forms go; none where nothing can be done, or not by this visitor.
    acts: String,
    state: &'static str,
    tone: &'static str,
    answer: Option<String>,
    /// Whether the answer was cut off at its limit.
    cut_off: bool,
    /// Code and message of why there is no answer.
    reason: Option<(String, String)>,
    /// The pages that the answer is from, where it is about a document.
    pages: String,
    can_cancel: bool,
    can_requeue: bool,
}

impl Verdict {
    /// That of a row, for a visitor that may act on it or not.
    pub fn of(batch: &StoredBatch, row: &Row, csrf: &str, may_act: bool, t: Language) -> Self {
        match &row.of {
            RowOf::Job(job) => Self::of_job(batch, job, csrf, may_act, t),
            RowOf::Document(document) => Self::of_document(&document.state, t),
        }
    }

    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            csrf: "0".into(),
            acts: "/admin/batches/bat_00000000000000000000000000/jobs/job_00000000000000000000000000".into(),
            answer: Some("Total <b>1,234.50</b>\n合计".into()),
            cut_off: true,
            reason: Some(("engine_failed".into(), "the engine & its weights".into())),
            pages: "1-3".into(),
            can_cancel: true,
            can_requeue: true,
            ..Self::plain(t.of("failed", "失败"), "bad", t)
        }
    }

    fn plain(state: &'static str, tone: &'static str, t: Language) -> Self {
        Self {
            t,
            csrf: String::new(),
            acts: String::new(),
            state,
            tone,
            answer: None,
            cut_off: false,
            reason: None,
            pages: String::new(),
            can_cancel: false,
            can_requeue: false,
        }
    }

    fn of_job(batch: &StoredBatch, row: &JobRowOf, csrf: &str, may_act: bool, t: Language) -> Self {
        let phase = row.job.state.phase();
        let report = row.answer.as_ref().map(|answer| &answer.report);
        let sources = row.sources.iter().flatten();
        let answered = sources.filter(|source| source.verdict == JobPhase::Answered);
        Self {
            csrf: csrf.to_owned(),
            acts: format!("/admin/batches/{}/jobs/{}", batch.id, row.job.id),
            answer: report.map(|report| report.text.clone()),
            cut_off: report.is_some_and(|report| report.finish_reason == FinishReason::Length),
            reason: reason(&row.job.state),
            pages: runs(answered.map(|source| source.page)),
            can_cancel: may_act && !phase.is_settled(),
            can_requeue: may_act && matches!(phase, JobPhase::Failed | JobPhase::Refused),
            ..Self::plain(words::job(phase, t), tone(phase), t)
        }
    }

    fn of_document(state: &DocumentState, t: Language) -> Self {
        let tone = match state {
            DocumentState::Failed { .. } | DocumentState::Cancelled { .. } => "bad",
            _ => "",
        };
        let reason = match state {
            DocumentState::Failed { code, message, .. } => Some((code.clone(), message.clone())),
            _ => None,
        };
        let verdict = RowVerdict::of_document(state);
        Self {
            reason,
            ..Self::plain(words::row(verdict, t), tone, t)
        }
    }
}

fn tone(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Answered => "good",
        JobPhase::Held => "warn",
        JobPhase::Failed | JobPhase::Cancelled | JobPhase::Refused | JobPhase::Expired => "bad",
        JobPhase::Waiting | JobPhase::Queued | JobPhase::Dispatched | JobPhase::Running => "",
    }
}

/// Why a job has no answer: a code and what it says.
fn reason(state: &JobState) -> Option<(String, String)> {
    match state {
        JobState::Failed { code, message, .. } => Some((code.clone(), message.clone())),
        JobState::Held(hold) => Some((hold.code.clone(), hold.decision.to_string())),
        JobState::Refused { decision, .. } => Some(("refused".into(), decision.to_string())),
        JobState::Expired { .. } => Some((EXPIRED.into(), String::new())),
        _ => None,
    }
}
