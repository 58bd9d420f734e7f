//! A batch in OpenAI's form.

use crate::problem::Problem;
use domain::{
    id::{FileId, OpenaiBatchId},
    openai_batch::{LineFault, Tally},
};
use records::{
    Db,
    openai_batches::{self, Notes, OpenaiBatch},
};
use serde::Serialize;
use time::OffsetDateTime;

#[derive(Serialize)]
pub(super) struct BatchView {
    id: OpenaiBatchId,
    object: &'static str,
    endpoint: String,
    model: Option<String>,
    errors: Option<Faults>,
    input_file_id: FileId,
    completion_window: String,
    status: &'static str,
    output_file_id: Option<FileId>,
    error_file_id: Option<FileId>,
    created_at: i64,
    in_progress_at: Option<i64>,
    expires_at: i64,
    finalizing_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelling_at: Option<i64>,
    cancelled_at: Option<i64>,
    request_counts: Counts,
    metadata: Option<Notes>,
}

#[derive(Serialize)]
struct Faults {
    object: &'static str,
    data: Vec<LineFault>,
}

#[derive(Serialize)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

impl BatchView {
    /// The batch with the counts of its requests.
    pub(super) async fn of(db: &Db, batch: &OpenaiBatch) -> Result<Self, Problem> {
        let (moments, tally) = (&batch.moments, tally(db, batch).await?);
        let at = |at: Option<OffsetDateTime>| at.map(OffsetDateTime::unix_timestamp);
        let faults = (!batch.faults.is_empty()).then(|| Faults {
            object: "list",
            data: batch.faults.clone(),
        });
        Ok(Self {
            id: batch.id,
            object: "batch",
            endpoint: batch.endpoint.clone(),
            model: batch.model.clone(),
            errors: faults,
            input_file_id: batch.input_file,
            completion_window: batch.completion_window.clone(),
            status: moments.status().as_str(),
            output_file_id: batch.output_file,
            error_file_id: batch.error_file,
            created_at: batch.created_at.unix_timestamp(),
            in_progress_at: at(moments.in_progress),
            expires_at: batch.expires_at.unix_timestamp(),
            finalizing_at: at(moments.finalizing),
            completed_at: at(moments.completed),
            failed_at: at(moments.failed),
            expired_at: at(moments.expired),
            cancelling_at: at(moments.cancelling),
            cancelled_at: at(moments.cancelled),
            request_counts: Counts {
                total: batch.total,
                completed: tally.answered,
                failed: tally.unanswered,
            },
            metadata: batch.metadata.clone(),
        })
    }

    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}

/// How many requests have an answer, and how many will have none.
async fn tally(db: &Db, batch: &OpenaiBatch) -> Result<Tally, Problem> {
    if let Some(tally) = batch.tally {
        return Ok(tally);
    }
    let progress = openai_batches::progress(db, batch.id).await?;
    Ok(Tally {
        answered: progress.answered,
        unanswered: progress.unanswered,
    })
}
