//! Orders for pages whose turn it is: claimed, granted and stored in one transaction.

use super::{ClaimedPage, Room, Signed};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    audit::rows::{Fact, Rows},
    batches,
    jobs::{self, Job, JobRow},
    many, on,
    read::{Reading, number},
    turns::{self, DuePage},
};
use domain::{
    digest::Sha256,
    job::{JobState, Out},
    order::{OrderQuestion, Parameters},
};
use serde_json::json;
use sqlx::types::Json;
use std::collections::{HashMap, HashSet};

// All jobs of a batch have its priority.
const DUE_IN_TURN: &str = "SELECT batch, page FROM jobs WHERE tenant = $1 AND state = 'queued' \
    AND priority = (SELECT priority FROM batches WHERE id = $2) AND not_before <= $3 ORDER BY not_before, id LIMIT $4";
// The state is hidden from the planner, or it might go through all jobs that wait for those of the pages.
const DUE_OF_PAGES: &str = "SELECT * FROM jobs WHERE page IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) \
    AND state || '' = 'queued' AND not_before <= $2 ORDER BY question";
const NEXT_ATTEMPTS: &str = "UPDATE pages SET attempts = attempts + 1 \
    WHERE id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) RETURNING id, attempts, sha256";
const INSERT_ATTEMPTS: &str = "INSERT INTO attempts (order_id, tenant, batch, page, attempt, dispatched_at, grant_token) \
    SELECT r.value ->> 'order', $2, $3, r.value ->> 'page', CAST(r.value ->> 'attempt' AS BIGINT), $4, \
    r.value ->> 'token' FROM json_each($1) AS r RETURNING order_id AS fact, grant_token";
const QUESTIONS: &str = "SELECT place, text, parameters FROM questions WHERE batch = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    DUE_IN_TURN,
    DUE_OF_PAGES,
    NEXT_ATTEMPTS,
    INSERT_ATTEMPTS,
    QUESTIONS,
];

/// The most jobs that are looked through for pages that go out together.
const MOST_JOBS: u64 = 4096;

/// The questions of a batch, each at its place.
type Asked = [(i64, String, Json<Parameters>)];

/// Claims the jobs that are due of the page `first`, and of those of its batch that come right after it: from now on
/// an order is out for each page, under the grant that `sign` makes for it, and the tenant has had its turn. They are
/// those that would have gone out if one had been claimed after the other: as many as there is room for, until it is
/// another tenant's turn or another batch's. Gives none if none is due any more, or as many orders of the tenant are out
/// as may be. What it did is durable after [`Db::flush`], before which no order may go out: so the batch is not locked
/// while the disk is waited for.
pub async fn claim(
    db: &Db,
    stamp: Stamp<'_>,
    first: &DuePage,
    room: Room,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Vec<(ClaimedPage, Signed)>, RecordsError> {
    let mut tx = db.begin_without_flush().await?;
    batches::lock(&mut tx, first.batch).await?;
    let asked: Vec<(i64, String, Json<Parameters>)> = on!(tx: &mut tx, |c| sqlx::query_as(QUESTIONS)
        .bind(first.batch.to_string())
        .fetch_all(c))?;
    let Some(mut turn) = turns::lock(&mut tx, &first.tenant, room.of_tenant, stamp.at).await? else {
        return Ok(Vec::new());
    };
    let orders = room.orders.min(turn.left());
    let most_jobs = orders.saturating_mul(asked.len().max(1) as u64).min(MOST_JOBS);
    let mut due = due_pages(&mut tx, stamp, first, most_jobs).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let orders = usize::try_from(orders).unwrap_or(usize::MAX);
    let served = due
        .iter()
        .take(orders)
        .take_while(|(_, jobs)| turn.serve(jobs.len()))
        .count();
    due.truncate(served);
    turns::store(&mut tx, &first.tenant, &turn).await?;
    let (claimed, changes) = begin_attempts(&mut tx, stamp, due, &asked).await?;
    let sign = |page: ClaimedPage| {
        let signed = sign(&page).map_err(RecordsError::Signature)?;
        Ok((page, signed))
    };
    let claimed = claimed
        .into_iter()
        .map(sign)
        .collect::<Result<Vec<_>, RecordsError>>()?;
    store_attempts(&mut tx, stamp, first, &claimed).await?;
    jobs::change_all(&mut tx, first.batch, &changes).await?;
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
    let mut known = HashSet::new();
    for (_, page) in rows.into_iter().take_while(|(of, _)| *of == batch) {
        if known.insert(page.clone()) {
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

/// Counts a new attempt at each of the pages. Gives their orders, and what becomes of their jobs.
async fn begin_attempts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    due: Vec<(String, Vec<Job>)>,
    asked: &Asked,
) -> Result<(Vec<ClaimedPage>, Vec<(Job, JobState)>), RecordsError> {
    let pages = many::ids(due.iter().map(|(page, _)| page));
    let attempts: Vec<(String, i64, String)> =
        on!(tx: &mut *tx, |c| sqlx::query_as(NEXT_ATTEMPTS).bind(&pages).fetch_all(c))?;
    let attempts: HashMap<String, (i64, String)> = attempts
        .into_iter()
        .map(|(page, attempt, sha256)| (page, (attempt, sha256)))
        .collect();
    let (mut changes, mut claimed) = (Vec::new(), Vec::new());
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
            page: reading.parsed(&page)?,
            page_sha256: reading.parsed(sha256)?,
            questions,
        });
    }
    Ok((claimed, changes))
}

fn question(reading: Reading<'_>, asked: &Asked, job: &Job) -> Result<OrderQuestion, RecordsError> {
    let place = number(job.question);
    let question = asked.iter().find(|(asked, ..)| *asked == place);
    let (_, text, Json(parameters)) = reading.required(question, "its jobs' questions")?;
    Ok(OrderQuestion {
        job: job.id,
        text: text.clone(),
        parameters: job.role.parameters(parameters),
    })
}

/// Writes the attempts with their grants, and that these were minted.
async fn store_attempts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    first: &DuePage,
    claimed: &[(ClaimedPage, Signed)],
) -> Result<(), RecordsError> {
    let row = |(page, signed): &(ClaimedPage, Signed)| {
        json!({
            "order": page.out.order, "page": page.page, "attempt": page.out.attempt, "token": signed.token,
        })
    };
    let rows = many::rows(claimed.iter().map(row));
    let batch = first.batch.to_string();
    let written: Result<Rows, RecordsError> = on!(tx: &mut *tx, |c| async {
        let insert = sqlx::query(INSERT_ATTEMPTS).bind(&rows).bind(first.tenant.as_str());
        let insert = insert.bind(&batch).bind(At(stamp.at));
        Rows::of(Fact::Grant, &insert.fetch_all(c).await?)
    });
    let Some((_, Signed { grant, .. })) = claimed.first() else {
        return Ok(());
    };
    let detail = |(_, Signed { grant, token }): &(ClaimedPage, Signed)| {
        let detail = json!({
            "jobs": grant.jobs, "attempt": grant.attempt, "epoch": grant.epoch,
            "grant_sha256": Sha256::of(token.as_bytes()),
        });
        (grant.order.to_string(), detail)
    };
    let details = written?.vouched_for_by(claimed.iter().map(detail).collect())?;
    stamp
        .audit_all(tx, &first.tenant, "grant.minted", Some(grant.decision), details)
        .await
}
