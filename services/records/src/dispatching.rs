//! What dispatch writes: the order that goes out for a page. Whose turn it is, is in `turns`.

use crate::{
    At, Db, RecordsError, Stamp,
    audit::rows::{Fact, with_row},
    batches,
    jobs::{self, JobRow},
    on,
    read::{Reading, number},
    run::Run as _,
    turns::{self, DuePage},
};
use domain::{
    digest::Sha256,
    grant::Grant,
    id::{BatchId, DecisionId, JobId, OrderId},
    job::Out,
    order::{OrderQuestion, Parameters},
    webhook::EventKind,
};
use serde_json::json;
use sqlx::types::Json;

const DUE_OF_PAGE: &str = "SELECT * FROM jobs WHERE page = $1 AND state = 'queued' AND not_before <= $2 \
    ORDER BY question";
const QUEUED_OF_BATCH: &str = "SELECT * FROM jobs WHERE batch = $1 AND state = 'queued' ORDER BY id";
const NEXT_ATTEMPT: &str =
    "UPDATE pages SET attempts = attempts + 1 WHERE id = $1 RETURNING attempts, sha256";
const INSERT_ATTEMPT: &str = "INSERT INTO attempts (order_id, tenant, batch, page, attempt, dispatched_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const QUESTIONS: &str = "SELECT place, text, parameters FROM questions WHERE batch = $1";

const KEEP_GRANT: &str = "UPDATE attempts SET grant_token = $2 WHERE order_id = $1 AND grant_token IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    DUE_OF_PAGE,
    QUEUED_OF_BATCH,
    NEXT_ATTEMPT,
    INSERT_ATTEMPT,
    QUESTIONS,
    KEEP_GRANT,
];

/// An order that is out as far as the records know; it still has to be signed and offered.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedPage {
    /// The order and its attempt number.
    pub out: Out,
    /// The page's bytes.
    pub page_sha256: Sha256,
    /// Its questions, each with its job.
    pub questions: Vec<OrderQuestion>,
}

/// Claims the jobs of a page that are due: from now on `order` is out for them, and the tenant has had its turn.
/// `None`: none is due any more, or as many orders of the tenant are out as may be: `most`, unless its share says
/// otherwise.
pub async fn claim(
    db: &Db,
    stamp: Stamp<'_>,
    page: &DuePage,
    order: OrderId,
    most: u64,
) -> Result<Option<ClaimedPage>, RecordsError> {
    let mut tx = db.begin().await?;
    batches::lock(&mut tx, page.batch).await?;
    let page_id = page.page.to_string();
    let due = on!(tx: &mut tx, |c| sqlx::query_as::<_, JobRow>(DUE_OF_PAGE)
        .bind(&page_id)
        .bind(At(stamp.at))
        .fetch_all(c))?;
    if due.is_empty() {
        return Ok(None);
    }
    let Some(turn) = turns::lock(&mut tx, &page.tenant, most).await? else {
        return Ok(None);
    };
    let (attempt, sha256): (i64, String) =
        on!(tx: &mut tx, |c| sqlx::query_as(NEXT_ATTEMPT).bind(&page_id).fetch_one(c))?;
    let reading = Reading {
        table: "pages",
        id: &page_id,
    };
    let out = Out {
        order,
        attempt: reading.whole(attempt)?,
    };
    on!(tx: &mut tx, |c| sqlx::query(INSERT_ATTEMPT)
        .bind(order.to_string())
        .bind(page.tenant.as_str())
        .bind(page.batch.to_string())
        .bind(&page_id)
        .bind(attempt)
        .bind(At(stamp.at))
        .run(c))?;
    let asked: Vec<(i64, String, Json<Parameters>)> = on!(tx: &mut tx, |c| sqlx::query_as(QUESTIONS)
        .bind(page.batch.to_string())
        .fetch_all(c))?;
    let mut questions = Vec::with_capacity(due.len());
    for row in due {
        let job = row.read()?;
        let Ok(state) = job.state.clone().dispatch(out) else {
            continue;
        };
        jobs::change(&mut tx, &job, &state, job.tries).await?;
        let place = number(job.question);
        let question = asked.iter().find(|(asked, ..)| *asked == place);
        let (_, text, Json(parameters)) = reading.required(question, "its jobs' questions")?;
        questions.push(OrderQuestion {
            job: job.id,
            text: text.clone(),
            parameters: parameters.clone(),
        });
    }
    turns::serve(&mut tx, &page.tenant, &turn, questions.len()).await?;
    tx.commit().await?;
    Ok(Some(ClaimedPage {
        out,
        page_sha256: reading.parsed(&sha256)?,
        questions,
    }))
}

/// Keeps the signed grant of an order that is about to be offered.
pub async fn keep_grant(db: &Db, stamp: Stamp<'_>, grant: &Grant, token: &str) -> Result<(), RecordsError> {
    let order = grant.order.to_string();
    let mut tx = db.begin().await?;
    on!(tx: &mut tx, |c| sqlx::query(KEEP_GRANT).bind(&order).bind(token).run(c))?;
    let detail = json!({
        "jobs": grant.jobs, "attempt": grant.attempt, "epoch": grant.epoch,
        "grant_sha256": Sha256::of(token.as_bytes()),
    });
    let detail = with_row(&mut tx, detail, Fact::Grant, &order).await?;
    stamp
        .audit(
            &mut tx,
            &grant.tenant,
            "grant.minted",
            order,
            Some(grant.decision),
            detail,
        )
        .await?;
    tx.commit().await?;
    Ok(())
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
        stamp
            .audit(
                &mut tx,
                &job.tenant,
                "job.refused",
                job.id.to_string(),
                Some(decision),
                detail,
            )
            .await?;
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
