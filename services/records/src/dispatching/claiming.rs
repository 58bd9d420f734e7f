//! Orders for pages whose turn it is: claimed, granted and stored in one transaction.

use super::{Asked, Claimed, ClaimedPage, DueBatch, Room, Signed, sharing};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    audit::rows::Rows,
    batches::{self, Delta},
    jobs::{self, Job, JobRow},
    later::Write,
    many, on,
    read::{Reading, number},
    turns::{self, DuePage, LockedTurn},
};
use domain::{
    batch::StoredBatch,
    digest::Sha256,
    id::{OrderId, PageId},
    job::{JobState, Out},
    order::OrderQuestion,
};
use serde::Serialize;
use serde_json::json;
use sqlx::types::Json;
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;

// All jobs of a batch have its priority.
const DUE_IN_TURN: &str = "SELECT batch, page FROM jobs WHERE tenant = $1 AND state = 'queued' \
    AND priority = (SELECT priority FROM batches WHERE id = $2) AND not_before <= $3 ORDER BY not_before, id LIMIT $4";
// The state is hidden from the planner, or it might go through all jobs that wait for those of the pages.
const DUE_OF_PAGES: &str = "SELECT j.*, p.attempts AS page_attempts, p.sha256 AS page_sha256, p.same_as AS page_same_as \
    FROM json_each($1) AS r JOIN pages p ON p.id = r.value ->> 'id' JOIN jobs j ON j.page = p.id \
    WHERE j.state || '' = 'queued' AND j.not_before <= $2 ORDER BY j.question";
const INSERT_ATTEMPTS: &str = "INSERT INTO attempts (order_id, tenant, batch, page, attempt, dispatched_at, grant_token) \
    SELECT r.value ->> 'order', $2, $3, r.value ->> 'page', CAST(r.value ->> 'attempt' AS BIGINT), $4, \
    r.value ->> 'token' FROM json_each($1) AS r";
const COUNT_ATTEMPTS: &str = "UPDATE pages SET attempts = CAST(r.value ->> 'attempt' AS BIGINT) FROM json_each($1) AS r \
    WHERE pages.id = r.value ->> 'page'";

pub(crate) const STATEMENTS: &[&str] = &[DUE_IN_TURN, DUE_OF_PAGES, INSERT_ATTEMPTS, COUNT_ATTEMPTS];

/// The most jobs that are looked through for pages that go out together.
const MOST_JOBS: u64 = 4096;

/// The most questions that go out together because their pages have the same bytes.
const MOST_TOGETHER: usize = 256;

/// Jobs, and what becomes of each.
type Moves = Vec<(Job, JobState)>;

/// The jobs of a page that are due.
pub(crate) struct DueJobs {
    pub page: PageId,
    pub page_sha256: Sha256,
    /// Whether no page of the batch before it has its bytes.
    pub is_first: bool,
    /// How many attempts there were at the page.
    pub attempts: u32,
    pub jobs: Vec<Job>,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    #[sqlx(flatten)]
    job: JobRow,
    page_attempts: i64,
    page_sha256: String,
    page_same_as: Option<String>,
}

/// Claims the jobs that are due of the page `first`, and of those of its batch that come right after it: from now on
/// an order is out for each page, under the grant that `sign` makes for it, and the tenant has had its turn. They are
/// those that would have gone out if one had been claimed after the other: as many as there is room for, until it is
/// another tenant's turn or another batch's. Pages with the same bytes share an order, and what is the same computation
/// as that of another job is not claimed ([`sharing`]): within the batch, and with those of the tenant's other batches that
/// were answered `since` then. Gives nothing if nothing is due any more, or as many orders of the
/// tenant are out as may be. What it did is durable when it returns.
pub async fn claim(
    db: &Db,
    stamp: Stamp<'_>,
    first: &DuePage,
    of: &DueBatch,
    room: Room,
    since: Option<OffsetDateTime>,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Claimed, RecordsError> {
    let DueBatch { batch, asked } = of;
    // A batch of more pages is not locked while the disk is waited for: others have answers of it to store.
    let is_alone = batch.pages == 1;
    let mut tx = match is_alone {
        true => db.begin().await?,
        false => db.begin_without_flush().await?,
    };
    batches::lock_unread(&mut tx, batch.id);
    let Some(mut turn) = turns::lock(&mut tx, &first.tenant, room.of_tenant, stamp.at).await? else {
        return Ok(Claimed::default());
    };
    let orders = room.orders.min(turn.left());
    let pages = match is_alone {
        true => vec![first.page.to_string()],
        false => {
            let most_jobs = orders.saturating_mul(asked.len().max(1) as u64).min(MOST_JOBS);
            pages_in_turn(&mut tx, stamp, first, most_jobs).await?
        }
    };
    let due = due_jobs(&mut tx, stamp, &pages).await?;
    if due.is_empty() {
        return Ok(Claimed::default());
    }
    let (mut due, shared) = sharing::share(&mut tx, stamp, batch, due, asked, since, &sign).await?;
    if !shared.is_empty() {
        // They count as all do, or a tenant with many of them would keep the others waiting.
        turn.serve(shared.len());
        tx.flush_at_commit().await?;
    }
    let orders = usize::try_from(orders).unwrap_or(usize::MAX);
    let served = due
        .iter()
        .take(orders)
        .take_while(|page| turn.serve(page.jobs.len()))
        .count();
    due.truncate(served);
    let orders = let_out(&mut tx, stamp, of, &turn, due, Delta::default(), sign).await?;
    tx.commit().await?;
    // Answers that were shared have made the commit wait for the disk already.
    if !is_alone && shared.is_empty() && !orders.is_empty() {
        // Should it fail, nobody gets the orders, and they are found missing.
        db.flush().await?;
    }
    Ok(Claimed { orders, shared })
}

/// What jobs that somebody waits for need to go out with the transaction that stores them.
pub struct AtOnce<S> {
    /// How many orders may be out, the new one included.
    pub room: Room,
    /// Makes the grant of an order.
    pub sign: S,
}

/// As [`claim`], of the jobs of a page that `tx` has just stored, in the turn that it has locked for them, with the counters
/// of their batch moved by `delta` too. They are computed, whatever other batches have.
pub(crate) async fn claim_new(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    of: &DueBatch,
    mut turn: LockedTurn,
    due: DueJobs,
    delta: Delta,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Claimed, RecordsError> {
    turn.serve(due.jobs.len());
    let orders = let_out(tx, stamp, of, &turn, vec![due], delta, sign).await?;
    let shared = Vec::new();
    Ok(Claimed { orders, shared })
}

/// Stores the orders for jobs that were served in a locked turn, with the turn and with what becomes of the jobs; `delta` moves
/// the counters of their batch too.
async fn let_out(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    DueBatch { batch, asked }: &DueBatch,
    turn: &LockedTurn,
    due: Vec<DueJobs>,
    delta: Delta,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<Vec<(ClaimedPage, Signed)>, RecordsError> {
    let (orders, changes) = begin_orders(tx, stamp, batch, due, asked, sign)?;
    turns::store(tx, turn);
    jobs::change_all(tx, batch.id, &changes, delta).await?;
    Ok(orders)
}

/// Orders for the jobs of pages, with their grants; and what becomes of the jobs by them, which is left to do.
pub(super) fn begin_orders(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    due: Vec<DueJobs>,
    asked: &Asked,
    sign: impl Fn(&ClaimedPage) -> Result<Signed, String>,
) -> Result<(Vec<(ClaimedPage, Signed)>, Moves), RecordsError> {
    let (claimed, changes) = begin_attempts(tx, stamp, due, asked)?;
    let sign = |page: ClaimedPage| {
        let signed = sign(&page).map_err(RecordsError::Signature)?;
        Ok((page, signed))
    };
    let claimed = claimed
        .into_iter()
        .map(sign)
        .collect::<Result<Vec<_>, RecordsError>>()?;
    store_attempts(tx, stamp, batch, &claimed)?;
    Ok((claimed, changes))
}

/// Pages of a batch with jobs that are due, in the order in which they go out.
async fn pages_in_turn(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    first: &DuePage,
    most_jobs: u64,
) -> Result<Vec<String>, RecordsError> {
    let batch = first.batch.to_string();
    let rows: Vec<(String, String)> = on!(tx: tx, |c| sqlx::query_as(DUE_IN_TURN)
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
    Ok(pages)
}

/// Those of `pages` that have jobs that are due, in their order.
async fn due_jobs(tx: &mut Tx, stamp: Stamp<'_>, pages: &[String]) -> Result<Vec<DueJobs>, RecordsError> {
    let wanted = many::ids(pages);
    let rows = on!(tx: tx, |c| sqlx::query_as::<_, DueRow>(DUE_OF_PAGES)
        .bind(&wanted)
        .bind(At(stamp.at))
        .fetch_all(c))?;
    let mut of_page: HashMap<String, DueJobs> = HashMap::new();
    for row in rows {
        let job = row.job.read()?;
        let page = job.page.to_string();
        let reading = Reading {
            table: "pages",
            id: &page,
        };
        let attempts = reading.whole(row.page_attempts)?;
        let page_sha256 = reading.parsed(&row.page_sha256)?;
        let of_page = of_page.entry(page).or_insert_with(|| DueJobs {
            page: job.page,
            page_sha256,
            is_first: row.page_same_as.is_none(),
            attempts,
            jobs: Vec::new(),
        });
        of_page.jobs.push(job);
    }
    Ok(pages.iter().filter_map(|page| of_page.remove(page)).collect())
}

/// Pages with the same bytes, as many as go out together.
struct Alike {
    /// The number of the attempt that begins, which rises for each of the pages.
    attempt: u32,
    page_sha256: Sha256,
    pages: Vec<PageId>,
    jobs: Vec<Job>,
}

/// Counts a new attempt at each of the pages. Gives their orders, and what becomes of their jobs.
fn begin_attempts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    due: Vec<DueJobs>,
    asked: &Asked,
) -> Result<(Vec<ClaimedPage>, Moves), RecordsError> {
    let together = together(due);
    count_attempts(tx, &together);
    let (mut changes, mut claimed) = (Vec::new(), Vec::new());
    for alike in together {
        let Some(page) = alike.pages.first() else {
            continue;
        };
        let text = page.to_string();
        let reading = Reading {
            table: "pages",
            id: &text,
        };
        let out = Out {
            order: stamp.ids.make(),
            attempt: alike.attempt,
        };
        let mut questions = Vec::with_capacity(alike.jobs.len());
        for job in alike.jobs {
            let Ok(state) = job.state.clone().dispatch(out) else {
                continue;
            };
            questions.push(question(reading, asked, &job)?);
            changes.push((job, state));
        }
        claimed.push(ClaimedPage {
            out,
            page: *page,
            page_sha256: alike.page_sha256,
            questions,
        });
    }
    Ok((claimed, changes))
}

/// Puts pages with the same bytes together, in the order of the first of each.
fn together(due: Vec<DueJobs>) -> Vec<Alike> {
    let (mut all, mut latest): (Vec<Alike>, HashMap<Sha256, usize>) = (Vec::new(), HashMap::new());
    for page in due {
        let attempt = page.attempts.saturating_add(1);
        let alike = latest
            .get(&page.page_sha256)
            .and_then(|place| all.get_mut(*place));
        match alike.filter(|alike| alike.jobs.len() + page.jobs.len() <= MOST_TOGETHER) {
            Some(alike) => {
                alike.attempt = alike.attempt.max(attempt);
                alike.pages.push(page.page);
                alike.jobs.extend(page.jobs);
            }
            None => {
                latest.insert(page.page_sha256, all.len());
                all.push(Alike {
                    attempt,
                    page_sha256: page.page_sha256,
                    pages: vec![page.page],
                    jobs: page.jobs,
                });
            }
        }
    }
    all
}

/// Pages that go out together have one number of attempts from now on.
fn count_attempts(tx: &mut Tx, together: &[Alike]) {
    #[derive(Serialize)]
    struct Row {
        page: PageId,
        attempt: u32,
    }
    let counted = together.iter().flat_map(|alike| {
        let attempt = alike.attempt;
        alike.pages.iter().map(move |&page| Row { page, attempt })
    });
    if !together.is_empty() {
        tx.later(Write::of(COUNT_ATTEMPTS).bind(many::rows(counted)));
    }
}

fn question(reading: Reading<'_>, asked: &Asked, job: &Job) -> Result<OrderQuestion, RecordsError> {
    let place = number(job.question);
    let question = asked.iter().find(|(asked, ..)| *asked == place);
    let (_, text, Json(parameters), _) = reading.required(question, "its jobs' questions")?;
    Ok(OrderQuestion {
        job: job.id,
        text: text.clone(),
        parameters: job.role.parameters(parameters),
    })
}

/// Writes the attempts with their grants, and that these were minted.
fn store_attempts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    of: &StoredBatch,
    claimed: &[(ClaimedPage, Signed)],
) -> Result<(), RecordsError> {
    #[derive(Serialize)]
    struct Row<'a> {
        order: OrderId,
        page: PageId,
        attempt: u32,
        token: &'a str,
    }
    let Some((_, Signed { grant, .. })) = claimed.first() else {
        return Ok(());
    };
    let rows = claimed.iter().map(|(page, signed)| Row {
        order: page.out.order,
        page: page.page,
        attempt: page.out.attempt,
        token: &signed.token,
    });
    let write = Write::of(INSERT_ATTEMPTS)
        .bind(many::rows(rows))
        .bind(of.tenant.as_str())
        .bind(of.id.to_string())
        .bind(At(stamp.at));
    tx.later(write);
    let written = Rows::of_grants(
        claimed
            .iter()
            .map(|(page, signed)| (page.out.order, &*signed.token)),
    );
    let detail = |(_, Signed { grant, token }): &(ClaimedPage, Signed)| {
        let detail = json!({
            "jobs": grant.jobs, "attempt": grant.attempt, "epoch": grant.epoch,
            "grant_sha256": Sha256::of(token.as_bytes()),
        });
        (grant.order.to_string(), detail)
    };
    let details = written.vouched_for_by(claimed.iter().map(detail).collect())?;
    stamp.audit_all(tx, &of.tenant, "grant.minted", Some(grant.decision), details);
    Ok(())
}
