//! What dispatch writes: the orders that go out for pages. Whose turn it is, is in `turns`.

mod claiming;
pub(crate) mod sharing;

pub use claiming::{AtOnce, claim};
pub(crate) use claiming::{DueJobs, claim_new};

use crate::{
    At, Db, RecordsError, Stamp, batches,
    jobs::{self, JobRow},
    on,
    read::number,
    run::Run as _,
    turns::DuePage,
};
use domain::{
    batch::StoredBatch,
    digest::Sha256,
    grant::Grant,
    id::{BatchId, DecisionId, JobId, PageId},
    job::Out,
    order::{OrderQuestion, Parameters},
    question::Question,
    webhook::EventKind,
};
use serde_json::json;
use sqlx::types::Json;
use time::OffsetDateTime;

const QUESTIONS: &str =
    "SELECT place, text, parameters, scope FROM questions WHERE batch = $1 ORDER BY place";
const QUEUED_OF_BATCH: &str = "SELECT * FROM jobs WHERE batch = $1 AND state = 'queued' ORDER BY id";
const PUT_OFF: &str = "UPDATE jobs SET not_before = $3 WHERE id IN (SELECT id FROM jobs WHERE batch = $1 \
    AND state = 'queued' AND not_before <= $2 ORDER BY id LIMIT 500)";

pub(crate) const STATEMENTS: &[&str] = &[QUESTIONS, QUEUED_OF_BATCH, PUT_OFF];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[claiming::STATEMENTS, sharing::STATEMENTS];

/// An order that is out as far as the records know; it still has to be offered.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedPage {
    /// The order and its attempt number.
    pub out: Out,
    /// The page; the first, if several have its bytes.
    pub page: PageId,
    /// The page's bytes.
    pub page_sha256: Sha256,
    /// The questions, each with its job.
    pub questions: Vec<OrderQuestion>,
}

/// The grant of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// What it says.
    pub grant: Grant,
    /// It as a signed token.
    pub token: String,
}

/// What a claim has come to.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Orders that are out as far as the records know, with their grants.
    pub orders: Vec<(ClaimedPage, Signed)>,
    /// Jobs that have their answers now: it was computed for another job.
    pub shared: Vec<JobId>,
}

/// A batch whose page is due, as it was when it was found so.
#[derive(Debug, Clone, PartialEq)]
pub struct DueBatch {
    /// The batch.
    pub batch: StoredBatch,
    asked: Asked,
}

impl DueBatch {
    /// A batch that is about to be stored with one page, and what is asked of that.
    pub(crate) fn of_one_page(batch: StoredBatch, questions: &[Question]) -> Self {
        let asked = |(place, question): (usize, &Question)| {
            let (text, scope) = (question.text().to_owned(), question.scope().as_str().to_owned());
            (number(place), text, Json(question.parameters().clone()), scope)
        };
        Self {
            batch: StoredBatch { pages: 1, ..batch },
            asked: questions.iter().enumerate().map(asked).collect(),
        }
    }
}

/// The questions of a batch, each at its place, with its scope. They never change.
type Asked = Vec<(i64, String, Json<Parameters>, String)>;

/// How many orders may go out.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Now, of everybody.
    pub orders: u64,
    /// Of one tenant at a time, unless its share says otherwise.
    pub of_tenant: u64,
}

/// The batch of a page.
pub async fn batch_of(db: &Db, due: &DuePage) -> Result<Option<DueBatch>, RecordsError> {
    let id = due.batch.to_string();
    let asked = async { Ok(on!(db, |c| sqlx::query_as(QUESTIONS).bind(&id).fetch_all(c))?) };
    let (batch, asked): (_, Asked) = tokio::try_join!(batches::get(db, &due.tenant, due.batch), asked)?;
    Ok(batch.map(|batch| DueBatch { batch, asked }))
}

/// Puts off jobs of a batch that are due: they wait `until` then. A portion at a time, so that others get their turn.
pub async fn put_off(
    db: &Db,
    batch: BatchId,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<u64, RecordsError> {
    Ok(on!(db, |c| sqlx::query(PUT_OFF)
        .bind(batch.to_string())
        .bind(At(now))
        .bind(At(until))
        .run(c))?)
}

/// The gate no longer allows a batch, and no acceptance would help: all of its jobs that wait are refused. Gives which.
pub async fn refuse(
    db: &Db,
    stamp: Stamp<'_>,
    batch: BatchId,
    decision: DecisionId,
    code: &str,
) -> Result<Vec<JobId>, RecordsError> {
    let mut tx = db.begin().await?;
    batches::lock(&mut tx, batch).await?;
    let rows = on!(tx: &mut tx, |c| sqlx::query_as::<_, JobRow>(QUEUED_OF_BATCH)
        .bind(batch.to_string())
        .fetch_all(c))?;
    let mut refused = Vec::with_capacity(rows.len());
    for row in rows {
        let job = row.read()?;
        let Ok(state) = job.state.clone().refuse(decision, stamp.at) else {
            continue;
        };
        jobs::change(&mut tx, &job, &state, job.tries).await?;
        let detail = json!({ "batch": batch, "code": code });
        stamp.audit(
            &mut tx,
            &job.tenant,
            "job.refused",
            job.id.to_string(),
            Some(decision),
            detail,
        );
        stamp
            .tell(
                &mut tx,
                &job.tenant,
                EventKind::JobFailed {
                    job: job.id,
                    batch,
                    code: code.to_owned(),
                },
            )
            .await?;
        refused.push(job.id);
    }
    batches::complete_if_done(&mut tx, stamp, batch).await?;
    tx.commit().await?;
    Ok(refused)
}
