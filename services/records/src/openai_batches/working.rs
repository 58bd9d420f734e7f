//! What is done at a batch by whoever holds it. Every change is made only if the hold still stands.

use super::row::{OpenaiBatch, Row};
use crate::{
    At, Db, RecordsError, Stamp, Tx, on,
    openai_files::{self, File},
    read::number,
    run::Run as _,
};
use domain::{
    openai_batch::{Ending, LineFault, Tally},
    webhook::EventKind,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use time::OffsetDateTime;

const TAKE: &str = "UPDATE openai_batches SET held_until = $2 WHERE held_until <= $1 AND id = (SELECT id \
    FROM openai_batches WHERE held_until <= $1 AND completed_at IS NULL AND failed_at IS NULL \
    AND expired_at IS NULL AND cancelled_at IS NULL ORDER BY held_until LIMIT 1) RETURNING *";
const HOLD: &str = "UPDATE openai_batches SET held_until = $3 WHERE id = $1 AND held_until = $2";
const FAIL: &str =
    "UPDATE openai_batches SET failed_at = $3, faults = $4, total = $5 WHERE id = $1 AND held_until = $2";
const BEGIN: &str = "UPDATE openai_batches SET in_progress_at = $3, model = $4, total = $5, held_until = $3 \
    WHERE id = $1 AND held_until = $2";
const FINALIZE: &str =
    "UPDATE openai_batches SET finalizing_at = $3, held_until = $3 WHERE id = $1 AND held_until = $2";
const FINISH: &str = "UPDATE openai_batches SET completed_at = $3, expired_at = $4, cancelled_at = $5, output_file = $6, \
    error_file = $7, answered = $8, unanswered = $9 WHERE id = $1 AND held_until = $2";

pub(super) const STATEMENTS: &[&str] = &[TAKE, HOLD, FAIL, BEGIN, FINALIZE, FINISH];

/// Whether the hold still stood. If not, nothing was changed.
pub type Stood = bool;

/// Takes the batch that waits the longest, until `until`.
pub async fn take(
    db: &Db,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<OpenaiBatch>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(TAKE)
        .bind(At(now))
        .bind(At(until))
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Holds a batch until another moment: later to go on, or now to let it be taken.
pub async fn hold(db: &Db, batch: &mut OpenaiBatch, until: OffsetDateTime) -> Result<Stood, RecordsError> {
    let held = on!(db, |c| sqlx::query(HOLD)
        .bind(batch.id.to_string())
        .bind(At(batch.held_until))
        .bind(At(until))
        .run(c))?;
    if held == 1 {
        batch.held_until = until;
    }
    Ok(held == 1)
}

/// Its file is not one of requests.
pub async fn fail(
    db: &Db,
    stamp: Stamp<'_>,
    batch: &OpenaiBatch,
    faults: &[LineFault],
    total: u64,
) -> Result<Stood, RecordsError> {
    let mut tx = db.begin().await?;
    let failed = on!(tx: &mut tx, |c| sqlx::query(FAIL)
        .bind(batch.id.to_string())
        .bind(At(batch.held_until))
        .bind(At(stamp.at))
        .bind(Json(faults))
        .bind(number(total))
        .run(c))?;
    if failed == 1 {
        let detail = json!({ "faults": faults.len() });
        ended(&mut tx, stamp, batch, Ending::Failed, detail).await?;
        tx.commit().await?;
    }
    Ok(failed == 1)
}

/// Writes down that a batch is over, and has its tenant's webhook endpoints told.
async fn ended(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &OpenaiBatch,
    ending: Ending,
    detail: Value,
) -> Result<(), RecordsError> {
    let (tenant, id) = (&batch.caller.tenant, batch.id.to_string());
    let kind = match ending {
        Ending::Completed => "openai_batch.completed",
        Ending::Failed => "openai_batch.failed",
        Ending::Expired => "openai_batch.expired",
        Ending::Cancelled => "openai_batch.cancelled",
    };
    stamp.audit(tx, tenant, kind, id, None, detail);
    let batch = batch.id;
    stamp
        .tell(tx, tenant, EventKind::OpenaiBatch { batch, ending })
        .await
}

/// Its file is good: so many requests for that model. It may be taken at once.
pub async fn begin(
    db: &Db,
    batch: &OpenaiBatch,
    now: OffsetDateTime,
    (model, total): (&str, u64),
) -> Result<Stood, RecordsError> {
    let begun = on!(db, |c| sqlx::query(BEGIN)
        .bind(batch.id.to_string())
        .bind(At(batch.held_until))
        .bind(At(now))
        .bind(model)
        .bind(number(total))
        .run(c))?;
    Ok(begun == 1)
}

/// All its requests have their verdicts: its files can be written, at once.
pub async fn finalize(db: &Db, batch: &OpenaiBatch, now: OffsetDateTime) -> Result<Stood, RecordsError> {
    let finalized = on!(db, |c| sqlx::query(FINALIZE)
        .bind(batch.id.to_string())
        .bind(At(batch.held_until))
        .bind(At(now))
        .run(c))?;
    Ok(finalized == 1)
}

/// How a batch ended, and the files of it that are not empty.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// How.
    pub ending: Ending,
    /// How many requests have an answer.
    pub tally: Tally,
    /// Requests with answers.
    pub output: Option<&'a File>,
    /// Requests without.
    pub errors: Option<&'a File>,
}

/// Ends a batch.
pub async fn finish(
    db: &Db,
    stamp: Stamp<'_>,
    batch: &OpenaiBatch,
    end: Finished<'_>,
) -> Result<Stood, RecordsError> {
    let mut tx = db.begin().await?;
    for file in [end.output, end.errors].into_iter().flatten() {
        openai_files::insert(&mut tx, stamp, &batch.caller.tenant, file).await?;
    }
    let at = |ending: Ending| (end.ending == ending).then_some(At(stamp.at));
    let finished = on!(tx: &mut tx, |c| sqlx::query(FINISH)
        .bind(batch.id.to_string())
        .bind(At(batch.held_until))
        .bind(at(Ending::Completed))
        .bind(at(Ending::Expired))
        .bind(at(Ending::Cancelled))
        .bind(end.output.map(|file| file.id.to_string()))
        .bind(end.errors.map(|file| file.id.to_string()))
        .bind(number(end.tally.answered))
        .bind(number(end.tally.unanswered))
        .run(c))?;
    if finished == 1 {
        let detail = json!({ "answered": end.tally.answered, "unanswered": end.tally.unanswered });
        ended(&mut tx, stamp, batch, end.ending, detail).await?;
        tx.commit().await?;
    }
    Ok(finished == 1)
}
