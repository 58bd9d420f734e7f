//! What workers say while all goes well: that they began, and their answers. What was said of one batch is stored in
//! one transaction, however much it is.

use super::{Sender, Taken};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    answers::{self, NewAnswer},
    batches::{self, Delta},
    dispatching::sharing,
    jobs::{self, Job, JobRow},
    later::Write,
    many, on,
    read::Reading,
    usage,
    webhooks::{self, Asking},
};
use domain::{
    batch::{JobCounts, StoredBatch},
    id::{BatchId, JobId, OrderId, PageId, WorkerId},
    job::{JobState, Out},
    limits::Usage,
    order::AnswerReport,
    webhook::EventKind,
};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) const BATCHES_OF: &str = "SELECT order_id, batch FROM attempts WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
// Which attempts are open is hidden from the planner, or it might go through all that are. With each job it is told whether
// any job of the tenant is put off, as those are that wait for an answer, and whether any webhook endpoint is there to be
// told.
pub(super) const OPEN: &str = "SELECT j.*, a.attempt AS open_attempt, CAST(CASE WHEN EXISTS (SELECT 1 FROM jobs w \
    WHERE w.tenant = $2 AND w.state = 'queued' AND w.priority IN (0, 1, 2) AND w.not_before > $3) THEN 1 ELSE 0 END \
    AS BIGINT) AS some_wait, CAST(CASE WHEN EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.tenant = $2 \
    AND e.disabled_at IS NULL AND e.deleted_at IS NULL) THEN 1 ELSE 0 END AS BIGINT) AS some_listen \
    FROM attempts a JOIN jobs j ON j.order_id = a.order_id AND j.state IN ('dispatched', 'running') \
    WHERE COALESCE(a.closed_at, a.closed_at) IS NULL AND a.order_id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
pub(super) const HEARD: &str = "UPDATE attempts SET started_at = COALESCE(started_at, $2), worker = r.value ->> 'worker', \
    missing_since = NULL FROM json_each($1) AS r WHERE order_id = r.value ->> 'order' \
    AND COALESCE(closed_at, closed_at) IS NULL";
pub(super) const DONE: &str = "UPDATE attempts SET started_at = COALESCE(started_at, $2), worker = r.value ->> 'worker', \
    missing_since = NULL, closed_at = $2, outcome = 'done' FROM json_each($1) AS r \
    WHERE order_id = r.value ->> 'order' AND COALESCE(closed_at, closed_at) IS NULL";

/// One thing that a worker said.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Who said it of which order.
    pub sender: Sender,
    /// What.
    pub said: Said<'a>,
}

/// See [`Progress`].
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// The work at the order has begun.
    Began,
    /// A job of it has its answer.
    Answered(JobId, &'a AnswerReport),
}

/// The batch of each of `orders` that is known.
pub async fn batches_of(
    db: &Db,
    orders: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, BatchId>, RecordsError> {
    let orders = many::ids(orders);
    let rows: Vec<(String, String)> = on!(db, |c| sqlx::query_as(BATCHES_OF).bind(&orders).fetch_all(c))?;
    let read = |(order, batch): (String, String)| {
        let reading = reading(&order);
        Ok((reading.parsed(&order)?, reading.parsed(&batch)?))
    };
    rows.into_iter().map(read).collect()
}

/// Of what something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Of one order, whosever it is.
    Order(OrderId),
    /// Of orders of this batch.
    Batch(BatchId),
}

/// What came of what was said.
#[derive(Debug)]
pub struct Told {
    /// Of each, whether it changed anything.
    pub taken: Vec<Taken>,
    /// Whether something of the batch may wait for answers to all that was asked of a document's pages.
    pub some_combine: bool,
    /// Whether webhook endpoints may be told of it.
    pub some_listen: bool,
}

/// Stores what was said, in its order: starts jobs, stores answers, moves the counters, tells of it.
pub async fn progress(
    db: &Db,
    stamp: Stamp<'_>,
    of: Of,
    said: &[Progress<'_>],
) -> Result<Told, RecordsError> {
    // That work began is told to whoever looks, and decides nothing.
    let mut tx = match said.iter().all(|one| matches!(one.said, Said::Began)) {
        true => db.begin_without_flush().await?,
        false => db.begin().await?,
    };
    let batch = match of {
        Of::Order(order) => batches::lock_of(&mut tx, order).await?,
        Of::Batch(batch) => batches::lock(&mut tx, batch).await?,
    };
    // When its time is up nothing is answered any more, whether or not that was written down.
    let Some(batch) = batch.filter(|batch| !batch.is_over(stamp.at)) else {
        return Ok(Told {
            taken: vec![Taken::Fenced; said.len()],
            some_combine: false,
            some_listen: false,
        });
    };
    let mut telling = Telling::begin(&mut tx, stamp, &batch, said).await?;
    let taken: Vec<Taken> = said.iter().map(|one| telling.take(stamp, one)).collect();
    let some_listen = telling.some_listen;
    if taken.contains(&Taken::Stored) {
        telling.store(&mut tx, stamp, &batch).await?;
        tx.commit().await?;
    }
    Ok(Told {
        taken,
        some_combine: batch.jobs.waiting > 0,
        some_listen,
    })
}

/// What has been told so far, on its way into the records.
struct Telling<'a> {
    /// The attempts of orders that are out.
    open: BTreeMap<OrderId, u32>,
    /// Who spoke last of those that are.
    heard: BTreeMap<OrderId, WorkerId>,
    /// Jobs that are out for them, as they are stored, and what is true of them by now.
    jobs: BTreeMap<JobId, (Job, JobState)>,
    answers: Vec<NewAnswer<'a>>,
    /// Whether there may be jobs that wait for the answers.
    some_wait: bool,
    /// Whether there may be webhook endpoints that are told of them.
    some_listen: bool,
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    job: JobRow,
    open_attempt: i64,
    some_wait: i64,
    some_listen: i64,
}

impl<'a> Telling<'a> {
    async fn begin(
        tx: &mut Tx,
        stamp: Stamp<'_>,
        batch: &StoredBatch,
        said: &[Progress<'_>],
    ) -> Result<Self, RecordsError> {
        let orders: BTreeSet<OrderId> = said.iter().map(|one| one.sender.out.order).collect();
        let orders = many::ids(orders);
        let rows = on!(tx: tx, |c| sqlx::query_as::<_, OpenRow>(OPEN)
            .bind(&orders)
            .bind(batch.tenant.as_str())
            .bind(At(stamp.at))
            .fetch_all(c))?;
        let mut telling = Self {
            open: BTreeMap::new(),
            heard: BTreeMap::new(),
            jobs: BTreeMap::new(),
            answers: Vec::new(),
            some_wait: rows.iter().any(|row| row.some_wait != 0),
            some_listen: rows.iter().any(|row| row.some_listen != 0),
        };
        for row in rows {
            let job = row.job.read()?;
            if let Some(out) = job.state.out() {
                let order = out.order.to_string();
                telling
                    .open
                    .insert(out.order, reading(&order).whole(row.open_attempt)?);
            }
            telling.jobs.insert(job.id, (job.clone(), job.state));
        }
        Ok(telling)
    }

    fn take(&mut self, stamp: Stamp<'_>, one: &Progress<'a>) -> Taken {
        let Sender { out, worker } = one.sender;
        if self.open.get(&out.order) != Some(&out.attempt) {
            return Taken::Fenced;
        }
        self.heard.insert(out.order, worker);
        match one.said {
            Said::Began => self.begin_jobs(out),
            Said::Answered(job, report) => {
                let Some((_, state)) = self.jobs.get_mut(&job) else {
                    return Taken::Fenced;
                };
                let Ok(answered) = state.clone().answer(out, stamp.at) else {
                    return Taken::Fenced;
                };
                *state = answered;
                self.answers.push(NewAnswer {
                    job,
                    out,
                    worker,
                    report,
                    shared_from: None,
                });
            }
        }
        Taken::Stored
    }

    fn begin_jobs(&mut self, out: Out) {
        for (_, state) in self.jobs.values_mut() {
            if let (JobState::Dispatched(_), Ok(running)) = (&*state, state.clone().start(out)) {
                *state = running;
            }
        }
    }

    /// The orders of answers that leave no job of theirs out.
    fn done(&self) -> BTreeSet<OrderId> {
        let answered = self.answers.iter().map(|answer| answer.out.order);
        let open = self.jobs.values().filter_map(|(_, state)| state.out());
        let open: BTreeSet<OrderId> = open.map(|out| out.order).collect();
        answered.filter(|order| !open.contains(order)).collect()
    }

    async fn store(mut self, tx: &mut Tx, stamp: Stamp<'_>, batch: &StoredBatch) -> Result<(), RecordsError> {
        let done = self.done();
        let (done, heard): (Senders, Senders) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition(|(order, _)| done.contains(order));
        let jobs = std::mem::take(&mut self.jobs).into_values();
        let changed: Vec<(Job, JobState)> = jobs.filter(|(job, to)| job.state != *to).collect();
        match self.answers.is_empty() {
            true => jobs::change_all(tx, batch.id, &changed, Delta::default()).await?,
            false => {
                if self.some_wait {
                    sharing::let_go(tx, stamp.at, batch.id, &answered_pages(&changed)).await?;
                }
                let asking = match self.some_listen {
                    true => webhooks::asking(tx, &batch.tenant).await?,
                    false => Asking::default(),
                };
                answered_with(tx, stamp, batch, &changed, &self.answers, &asking).await?;
            }
        }
        write_senders(tx, stamp, HEARD, heard);
        write_senders(tx, stamp, DONE, done);
        Ok(())
    }
}

/// Orders, and who spoke of each.
type Senders = Vec<(OrderId, WorkerId)>;

/// Moves jobs of `batch`, which is as it was locked, stores the answers of those that are answered by that, and tells those
/// who are `asking` of them; and of the batch, if the last verdict falls with them. Closing the orders that have no other job
/// is left to do, and letting go those that waited for the answers ([`sharing::let_go`]).
pub(crate) async fn answered_with(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    changed: &[(Job, JobState)],
    answers: &[NewAnswer<'_>],
    asking: &Asking,
) -> Result<(), RecordsError> {
    let decision = batch.license.decision;
    let rows = answers::insert(tx, answers, decision, stamp.at)?;
    let details = answers.iter().map(|answer| {
        let detail = json!({ "batch": batch.id, "attempt": answer.out.attempt, "worker": answer.worker });
        (answer.job.to_string(), detail)
    });
    let details = rows.vouched_for_by(details.collect())?;
    stamp.audit_all(tx, &batch.tenant, "job.answered", Some(decision), details);
    let event = |answer: &NewAnswer<'_>| EventKind::JobAnswered {
        job: answer.job,
        batch: batch.id,
    };
    let mut events: Vec<EventKind> = answers.iter().map(event).collect();
    usage::add(tx, batch.id, stamp.at, used(answers));
    let moved = |jobs: JobCounts, (job, to): &(Job, JobState)| jobs.moved(job.state.phase(), to.phase());
    let jobs = changed.iter().fold(batch.jobs, moved);
    let mut delta = Delta::default();
    if batch.state.complete(&batch.documents, &jobs, stamp.at).is_ok() {
        delta = delta.completed(At(stamp.at));
        batches::audit_completed(tx, stamp, batch, &jobs);
        events.push(EventKind::BatchCompleted { batch: batch.id });
    }
    jobs::change_all(tx, batch.id, changed, delta).await?;
    stamp.tell_those(tx, &batch.tenant, asking, events).await
}

/// What the answers took, whether or not they were computed for another job too.
fn used(answers: &[NewAnswer<'_>]) -> Usage {
    let mut used = Usage {
        answers: answers.len() as u64,
        ..Usage::default()
    };
    for answer in answers {
        used.input_tokens += u64::from(answer.report.input_tokens);
        used.output_tokens += u64::from(answer.report.output_tokens);
    }
    used
}

/// The pages of jobs that are answered.
fn answered_pages(changed: &[(Job, JobState)]) -> BTreeSet<PageId> {
    let answered = changed
        .iter()
        .filter(|(_, to)| matches!(to, JobState::Answered { .. }));
    answered.map(|(job, _)| job.page).collect()
}

/// Notes by `sql`, which is [`HEARD`] or [`DONE`], who spoke of orders that are open.
fn write_senders(tx: &mut Tx, stamp: Stamp<'_>, sql: &'static str, senders: Senders) {
    if senders.is_empty() {
        return;
    }
    #[derive(Serialize)]
    struct Row {
        order: OrderId,
        worker: WorkerId,
    }
    let rows = many::rows(senders.into_iter().map(|(order, worker)| Row { order, worker }));
    tx.later(Write::of(sql).bind(rows).bind(At(stamp.at)));
}

fn reading(order: &str) -> Reading<'_> {
    Reading {
        table: "attempts",
        id: order,
    }
}
