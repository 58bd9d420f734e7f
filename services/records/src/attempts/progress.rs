//! What workers say while all goes well: that they began, and their answers. What was said of one batch is stored in
//! one transaction, however much it is.

use super::{Sender, Taken};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    answers::{self, NewAnswer},
    batches::{self, complete_if_done},
    dispatching::sharing,
    jobs::{self, Job},
    many, on,
    read::Reading,
    run::Run as _,
    usage,
};
use domain::{
    batch::StoredBatch,
    id::{BatchId, JobId, OrderId, PageId},
    job::{JobState, Out},
    limits::Usage,
    order::AnswerReport,
    webhook::EventKind,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) const BATCHES_OF: &str = "SELECT order_id, batch FROM attempts WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
pub(super) const HEARD: &str = "UPDATE attempts SET started_at = COALESCE(started_at, $2), worker = r.value ->> 'worker', \
    missing_since = NULL FROM json_each($1) AS r WHERE order_id = r.value ->> 'order' \
    AND attempt = CAST(r.value ->> 'attempt' AS BIGINT) AND closed_at IS NULL RETURNING order_id, attempt";
pub(super) const CLOSE_DONE: &str = "UPDATE attempts SET closed_at = $2, outcome = 'done' WHERE closed_at IS NULL \
    AND order_id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";

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

/// Stores what was said of orders of `batch`, in its order: starts jobs, stores answers, moves the counters, tells of it.
/// Gives of each whether it changed anything.
pub async fn progress(
    db: &Db,
    stamp: Stamp<'_>,
    batch: BatchId,
    said: &[Progress<'_>],
) -> Result<Vec<Taken>, RecordsError> {
    // That work began is told to whoever looks, and decides nothing.
    let mut tx = match said.iter().all(|one| matches!(one.said, Said::Began)) {
        true => db.begin_without_flush().await?,
        false => db.begin().await?,
    };
    let batch = batches::lock(&mut tx, batch).await?;
    // When its time is up nothing is answered any more, whether or not that was written down.
    let Some(batch) = batch.filter(|batch| !batch.is_over(stamp.at)) else {
        return Ok(vec![Taken::Fenced; said.len()]);
    };
    let mut told = Told::begin(&mut tx, stamp, said).await?;
    let taken: Vec<Taken> = said.iter().map(|one| told.take(stamp, one)).collect();
    if taken.contains(&Taken::Stored) {
        told.store(&mut tx, stamp, &batch).await?;
        tx.commit().await?;
    }
    Ok(taken)
}

/// What has been told so far, on its way into the records.
struct Told<'a> {
    /// Orders and attempts that are out.
    open: BTreeSet<(OrderId, u32)>,
    /// Jobs that are out for them, as they are stored, and what is true of them by now.
    jobs: BTreeMap<JobId, (Job, JobState)>,
    answers: Vec<NewAnswer<'a>>,
}

impl<'a> Told<'a> {
    async fn begin(tx: &mut Tx, stamp: Stamp<'_>, said: &[Progress<'_>]) -> Result<Self, RecordsError> {
        let open = hear(tx, stamp, said).await?;
        let orders: Vec<OrderId> = open.iter().map(|(order, _)| *order).collect();
        let out = jobs::out_of_orders(tx, &orders).await?;
        Ok(Self {
            open,
            jobs: out
                .into_iter()
                .map(|job| (job.id, (job.clone(), job.state)))
                .collect(),
            answers: Vec::new(),
        })
    }

    fn take(&mut self, stamp: Stamp<'_>, one: &Progress<'a>) -> Taken {
        let Sender { out, worker } = one.sender;
        if !self.open.contains(&(out.order, out.attempt)) {
            return Taken::Fenced;
        }
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
        let jobs = std::mem::take(&mut self.jobs).into_values();
        let changed: Vec<(Job, JobState)> = jobs.filter(|(job, to)| job.state != *to).collect();
        jobs::change_all(tx, batch.id, &changed).await?;
        if self.answers.is_empty() {
            return Ok(());
        }
        let answered = changed
            .iter()
            .filter(|(_, to)| matches!(to, JobState::Answered { .. }));
        let pages: BTreeSet<PageId> = answered.map(|(job, _)| job.page).collect();
        sharing::let_go(tx, stamp.at, batch.id, &pages).await?;
        answered_with(tx, stamp, batch, &self.answers, done).await
    }
}

/// Stores answers of jobs of `batch` that are moved already, tells of them, and closes the orders that are `done`.
pub(crate) async fn answered_with(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    answers: &[NewAnswer<'_>],
    done: BTreeSet<OrderId>,
) -> Result<(), RecordsError> {
    let decision = batch.license.decision;
    let rows = answers::insert(tx, answers, decision, stamp.at).await?;
    let details = answers.iter().map(|answer| {
        let detail = json!({ "batch": batch.id, "attempt": answer.out.attempt, "worker": answer.worker });
        (answer.job.to_string(), detail)
    });
    let details = rows.vouched_for_by(details.collect())?;
    stamp
        .audit_all(tx, &batch.tenant, "job.answered", Some(decision), details)
        .await?;
    let event = |answer: &NewAnswer<'_>| EventKind::JobAnswered {
        job: answer.job,
        batch: batch.id,
    };
    let events = answers.iter().map(event).collect();
    stamp.tell_all(tx, &batch.tenant, events).await?;
    close_done(tx, stamp, done).await?;
    usage::add(tx, batch.id, stamp.at, used(answers)).await?;
    complete_if_done(tx, stamp, batch.id).await
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

/// Notes that the senders live. Gives those of their orders and attempts that are open.
async fn hear(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    said: &[Progress<'_>],
) -> Result<BTreeSet<(OrderId, u32)>, RecordsError> {
    let mut senders: BTreeMap<(OrderId, u32), Value> = BTreeMap::new();
    for Progress { sender, .. } in said {
        let Out { order, attempt } = sender.out;
        let row = json!({ "order": order, "attempt": attempt, "worker": sender.worker });
        senders.insert((order, attempt), row);
    }
    let rows = many::rows(senders.into_values());
    let heard: Vec<(String, i64)> = on!(tx: tx, |c| sqlx::query_as(HEARD)
        .bind(&rows)
        .bind(At(stamp.at))
        .fetch_all(c))?;
    let read = |(order, attempt): (String, i64)| {
        let reading = reading(&order);
        Ok((reading.parsed(&order)?, reading.whole(attempt)?))
    };
    heard.into_iter().map(read).collect()
}

async fn close_done(tx: &mut Tx, stamp: Stamp<'_>, orders: BTreeSet<OrderId>) -> Result<(), RecordsError> {
    let orders = many::ids(orders);
    on!(tx: tx, |c| sqlx::query(CLOSE_DONE).bind(&orders).bind(At(stamp.at)).run(c))?;
    Ok(())
}

fn reading(order: &str) -> Reading<'_> {
    Reading {
        table: "attempts",
        id: order,
    }
}
