//! What dispatch writes: the orders that go out for pages. Whose turn it is, is in `turns`.

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    audit::rows::{Fact, with_rows},
    batches,
    jobs::{self, Job, JobRow},
    many, on,
    read::{Reading, number},
    run::Run as _,
    turns::{self, DuePage},
};
use domain::{
    digest::Sha256,
    grant::Grant,
    id::{BatchId, DecisionId, JobId},
    job::Out,
    order::{OrderQuestion, Parameters},
    webhook::EventKind,
};
use serde_json::json;
use sqlx::types::Json;
use std::collections::HashMap;
use time::OffsetDateTime;

// All jobs of a batch have its priority.
const DUE_IN_TURN: &str = "SELECT batch, page FROM jobs WHERE tenant = $1 AND state = 'queued' \
    AND priority = (SELECT priority FROM batches WHERE id = $2) AND not_before <= $3 ORDER BY not_before, id LIMIT $4";
const DUE_OF_PAGES: &str = "SELECT * FROM jobs WHERE page IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) \
    AND state = 'queued' AND not_before <= $2 ORDER BY question";
const QUEUED_OF_BATCH: &str = "SELECT * FROM jobs WHERE batch = $1 AND state = 'queued' ORDER BY id";
const NEXT_ATTEMPTS: &str = "UPDATE pages SET attempts = attempts + 1 \
    WHERE id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) RETURNING id, attempts, sha256";
const INSERT_ATTEMPTS: &str = "INSERT INTO attempts (order_id, tenant, batch, page, attempt, dispatched_at) \
    SELECT r.value ->> 'order', $2, $3, r.value ->> 'page', CAST(r.value ->> 'attempt' AS BIGINT), $4 \
    FROM json_each($1) AS r";
const QUESTIONS: &str = "SELECT place, text, parameters FROM questions WHERE batch = $1";

const PUT_OFF: &str = "UPDATE jobs SET not_before = $3 WHERE id IN (SELECT id FROM jobs WHERE batch = $1 \
    AND state = 'queued' AND not_before <= $2 ORDER BY id LIMIT 500)";

const KEEP_GRANTS: &str = "UPDATE attempts SET grant_token = r.value ->> 'token' FROM json_each($1) AS r \
    WHERE order_id = r.value ->> 'order' AND grant_token IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    DUE_IN_TURN,
    DUE_OF_PAGES,
    QUEUED_OF_BATCH,
    NEXT_ATTEMPTS,
    INSERT_ATTEMPTS,
    QUESTIONS,
    PUT_OFF,
    KEEP_GRANTS,
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

/// The most jobs that are looked through for pages that go out together.
const MOST_JOBS: u64 = 4096;

/// How many orders may go out.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Now, of everybody.
    pub orders: u64,
    /// Of one tenant at a time, unless its share says otherwise.
    pub of_tenant: u64,
}

/// Claims the jobs that are due of the page `first`, and of those of its batch that come right after it: from now on
/// an order is out for each page, and the tenant has had its turn. They are those that would have gone out if one had
/// been claimed after the other: as many as there is room for, until it is another tenant's turn or another batch's.
/// Gives none if none is due any more, or as many orders of the tenant are out as may be.
pub async fn claim(
    db: &Db,
    stamp: Stamp<'_>,
    first: &DuePage,
    room: Room,
) -> Result<Vec<ClaimedPage>, RecordsError> {
    let mut tx = db.begin().await?;
    batches::lock(&mut tx, first.batch).await?;
    let asked: Vec<(i64, String, Json<Parameters>)> = on!(tx: &mut tx, |c| sqlx::query_as(QUESTIONS)
        .bind(first.batch.to_string())
        .fetch_all(c))?;
    let most_jobs = room
        .orders
        .saturating_mul(asked.len().max(1) as u64)
        .min(MOST_JOBS);
    let mut due = due_pages(&mut tx, stamp, first, most_jobs).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let Some(mut turn) = turns::lock(&mut tx, &first.tenant, room.of_tenant, stamp.at).await? else {
        return Ok(Vec::new());
    };
    let orders = usize::try_from(room.orders).unwrap_or(usize::MAX);
    let served = due
        .iter()
        .take(orders)
        .take_while(|(_, jobs)| turn.serve(jobs.len()))
        .count();
    due.truncate(served);
    turns::store(&mut tx, &first.tenant, &turn).await?;
    let claimed = send(&mut tx, stamp, first, due, &asked).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Pages in the order in which they go out, each with its jobs that are due.
async fn due_pages(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    first: &DuePage,
    most_jobs: u64,
) -> Result<Vec<(String, Vec<Job>)>, RecordsError> {
    let batch = first.batch.to_string();
    let rows: Vec<(String, String)> = on!(tx: &mut *tx, |c| sqlx::query_as(DUE_IN_TURN)
        .bind(first.tenant.as_str())
        .bind(&batch)
        .bind(At(stamp.at))
        .bind(number(most_jobs))
        .fetch_all(c))?;
    let mut pages: Vec<String> = Vec::new();
    for (_, page) in rows.into_iter().take_while(|(of, _)| *of == batch) {
        if !pages.contains(&page) {
            pages.push(page);
        }
    }
    let wanted = many::ids(&pages);
    let rows = on!(tx: tx, |c| sqlx::query_as::<_, JobRow>(DUE_OF_PAGES)
        .bind(&wanted)
        .bind(At(stamp.at))
        .fetch_all(c))?;
    let mut of_page: HashMap<String, Vec<Job>> = HashMap::new();
    for row in rows {
        let job = row.read()?;
        of_page.entry(job.page.to_string()).or_default().push(job);
    }
    let with_jobs = |page: String| of_page.remove(&page).map(|jobs| (page, jobs));
    Ok(pages.into_iter().filter_map(with_jobs).collect())
}

/// Writes an order for each of the pages, with a new attempt at it.
async fn send(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    first: &DuePage,
    due: Vec<(String, Vec<Job>)>,
    asked: &[(i64, String, Json<Parameters>)],
) -> Result<Vec<ClaimedPage>, RecordsError> {
    let pages = many::ids(due.iter().map(|(page, _)| page));
    let attempts: Vec<(String, i64, String)> =
        on!(tx: &mut *tx, |c| sqlx::query_as(NEXT_ATTEMPTS).bind(&pages).fetch_all(c))?;
    let attempts: HashMap<String, (i64, String)> = attempts
        .into_iter()
        .map(|(page, attempt, sha256)| (page, (attempt, sha256)))
        .collect();
    let (mut rows, mut changes, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    for (page, jobs) in due {
        let reading = Reading {
            table: "pages",
            id: &page,
        };
        let (attempt, sha256) = reading.required(attempts.get(&page), "a row")?;
        let out = Out {
            order: stamp.ids.make(),
            attempt: reading.whole(*attempt)?,
        };
        rows.push(json!({ "order": out.order, "page": page, "attempt": attempt }));
        let mut questions = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Ok(state) = job.state.clone().dispatch(out) else {
                continue;
            };
            questions.push(question(reading, asked, &job)?);
            changes.push((job, state));
        }
        claimed.push(ClaimedPage {
            out,
            page_sha256: reading.parsed(sha256)?,
            questions,
        });
    }
    let rows = many::rows(rows);
    on!(tx: &mut *tx, |c| sqlx::query(INSERT_ATTEMPTS)
        .bind(&rows)
        .bind(first.tenant.as_str())
        .bind(first.batch.to_string())
        .bind(At(stamp.at))
        .run(c))?;
    jobs::change_all(tx, first.batch, &changes).await?;
    Ok(claimed)
}

fn question(
    reading: Reading<'_>,
    asked: &[(i64, String, Json<Parameters>)],
    job: &Job,
) -> Result<OrderQuestion, RecordsError> {
    let place = number(job.question);
    let question = asked.iter().find(|(asked, ..)| *asked == place);
    let (_, text, Json(parameters)) = reading.required(question, "its jobs' questions")?;
    Ok(OrderQuestion {
        job: job.id,
        text: text.clone(),
        parameters: parameters.clone(),
    })
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

/// Keeps the signed grants of orders of one batch that are about to be offered.
pub async fn keep_grants(db: &Db, stamp: Stamp<'_>, grants: &[(Grant, String)]) -> Result<(), RecordsError> {
    let Some((any, _)) = grants.first() else {
        return Ok(());
    };
    let mut tx = db.begin().await?;
    let tokens = grants
        .iter()
        .map(|(grant, token)| json!({ "order": grant.order, "token": token }));
    let tokens = many::rows(tokens);
    on!(tx: &mut tx, |c| sqlx::query(KEEP_GRANTS).bind(&tokens).run(c))?;
    let detail = |(grant, token): &(Grant, String)| {
        let detail = json!({
            "jobs": grant.jobs, "attempt": grant.attempt, "epoch": grant.epoch,
            "grant_sha256": Sha256::of(token.as_bytes()),
        });
        (grant.order.to_string(), detail)
    };
    let details = with_rows(&mut tx, Fact::Grant, grants.iter().map(detail).collect()).await?;
    stamp
        .audit_all(&mut tx, &any.tenant, "grant.minted", Some(any.decision), details)
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
