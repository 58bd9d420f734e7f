//! Collect: reports of workers become answers and verdicts.
//!
//! What was said of one batch is stored in one transaction, and only then acknowledged: a process that dies between the
//! two gets the reports again, finds the jobs settled, and drops them as fenced.
//!
//! Where more reports have come than are collected at once, others of the process collect too ([`Collect::relieve`]). As with several
//! processes, what was said of an order in two portions may then be stored the other way round: jobs and attempts take
//! either order, and what comes too late is fenced.

use super::{Outcome, Step, drive, tell_fault};
use crate::{signals::Signals, work_settings::WorkSettings};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    id::{IdMaker, OrderId},
    job::Out,
    order::{Fault, Report, ReportKind},
};
use exchange::{
    grant::GrantError,
    queue::{Queue, Received},
};
use futures_util::future::join_all;
use records::{
    Db, RecordsError, Stamp,
    attempts::{self, Of, Progress, Retry, Sender, Taken},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// How many batches' reports are stored at once, by all of a process that collect: each takes a connection to the database,
/// and callers need some too.
const BATCHES_AT_ONCE: usize = 4;

/// What collect works with.
#[derive(Clone)]
pub struct CollectParts {
    /// The records.
    pub db: Db,
    /// Where reports come from.
    pub queue: Arc<dyn Queue>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// The limits.
    pub settings: Arc<WorkSettings>,
    /// Wakes dispatch, and those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
#[derive(Clone)]
pub struct Collect {
    parts: CollectParts,
    /// Whoever holds a permit stores reports of a batch. Clones share them.
    batches: Arc<Semaphore>,
}

/// Reports that are done with.
#[derive(Default)]
struct Done {
    receipts: Vec<String>,
    /// Whether combine may find something by them.
    some_combine: bool,
    /// Whether deliver may.
    some_listen: bool,
}

impl Done {
    fn add(&mut self, more: Done) {
        self.receipts.extend(more.receipts);
        self.some_combine |= more.some_combine;
        self.some_listen |= more.some_listen;
    }
}

/// A report, and what it says.
type Said<'a> = (&'a Received, Progress<'a>);

impl Collect {
    /// A collect over `parts`.
    pub fn new(parts: CollectParts) -> Self {
        let batches = Arc::new(Semaphore::new(BATCHES_AT_ONCE));
        Self { parts, batches }
    }

    /// How many clones of it relieve one.
    pub const RELIEVED_BY: usize = 2;

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.parts.settings.idle();
        // The queue itself wakes it: nobody needs to nudge.
        drive(self, idle, &Notify::new(), shutdown).await;
    }

    /// Collects too, until `shutdown`, while reports come faster than one stores them, and rests otherwise: what is stored
    /// together costs less. It never looks by itself: what is less than a portion is the other's own, and two that write it
    /// would only be in each other's way.
    pub async fn relieve(mut self, shutdown: CancellationToken) {
        let signals = self.parts.signals.clone();
        while let Some(()) = shutdown.run_until_cancelled(signals.collect.notified()).await {
            if let Err(fault) = self.collect(Duration::ZERO).await {
                tell_fault(Self::NAME, &fault);
            }
        }
    }

    /// Stores the reports that have come; waits for the first one for up to one idle pause.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        self.collect(self.parts.settings.idle()).await
    }

    /// As [`Collect::step`], waiting for the first report for up to `wait`.
    pub async fn collect(&mut self, wait: Duration) -> anyhow::Result<Outcome> {
        let most = self.parts.settings.most_reports;
        let received = self.parts.queue.collect(most, wait).await?;
        if received.is_empty() {
            return Ok(Outcome::Idle);
        }
        // A full portion may have more behind it.
        if received.len() >= most {
            self.parts.signals.collect.notify_one();
        }
        let (mut done, mut fault) = (Done::default(), None);
        // What goes well is stored together; anything else is stored in its place between, so that each order's reports
        // take effect as they came.
        let plain = |one: &Received| progress_of(&one.report).is_some();
        for stretch in received.chunk_by(|one, next| plain(one) && plain(next)) {
            match self.store(stretch, &mut done).await {
                Ok(()) => {}
                // They come again; the others are not held up.
                Err(error) => fault = Some(error),
            }
        }
        self.parts.queue.acknowledge(&done.receipts).await?;
        let signals = &self.parts.signals;
        signals.dispatch.notify_one();
        if done.some_combine {
            signals.combine.notify_one();
        }
        if done.some_listen {
            signals.deliver.notify_one();
        }
        fault.map_or(Ok(Outcome::Worked), |error| Err(error.into()))
    }

    /// Stores reports that are all plain, or one that is not. Adds those that are done with.
    async fn store(&self, stretch: &[Received], done: &mut Done) -> Result<(), RecordsError> {
        let plain = stretch
            .iter()
            .filter_map(|one| Some((one, progress_of(&one.report)?)));
        let together = self.together(plain.collect(), done).await?;
        let together: Vec<_> = together
            .iter()
            .map(|(of, ones)| self.store_in_turn(*of, ones))
            .collect();
        let mut fault = None;
        for (some, result) in join_all(together).await {
            done.add(some);
            fault = result.err().or(fault);
        }
        for one in stretch.iter().filter(|one| progress_of(&one.report).is_none()) {
            let taken = self.store_end(&one.report).await?;
            done.add(Done {
                receipts: vec![self.done_with(one, taken)],
                some_combine: true,
                some_listen: true,
            });
        }
        fault.map_or(Ok(()), Err)
    }

    /// What is stored in one transaction each. Adds what nobody knows the batch of.
    async fn together<'a>(
        &self,
        plain: Vec<Said<'a>>,
        done: &mut Done,
    ) -> Result<BTreeMap<Of, Vec<Said<'a>>>, RecordsError> {
        let mut together = BTreeMap::new();
        let orders: BTreeSet<OrderId> = plain.iter().map(|(one, _)| one.report.order).collect();
        if let (Some(order), 1) = (orders.first(), orders.len()) {
            // Its batch is found where it is locked.
            together.insert(Of::Order(*order), plain);
            return Ok(together);
        }
        let batches = attempts::batches_of(&self.parts.db, orders).await?;
        for (one, progress) in plain {
            match batches.get(&one.report.order) {
                Some(batch) => {
                    let of = Of::Batch(*batch);
                    together.entry(of).or_default().push((one, progress));
                }
                None => done.receipts.push(self.done_with(one, Taken::Fenced)),
            }
        }
        Ok(together)
    }

    /// Stores what was said of a batch, when it is its turn.
    async fn store_in_turn(&self, of: Of, ones: &[Said<'_>]) -> (Done, Result<(), RecordsError>) {
        // Nobody closes it, so there is a permit sooner or later.
        let _permit = self.batches.acquire().await;
        self.store_together(of, ones).await
    }

    /// Stores what was said in one transaction. If that cannot be, for a reason that does not pass by itself, each is tried
    /// alone, so that one does not hold up the others. Gives those that are done with.
    async fn store_together(&self, of: Of, ones: &[Said<'_>]) -> (Done, Result<(), RecordsError>) {
        let said: Vec<Progress<'_>> = ones.iter().map(|(_, progress)| *progress).collect();
        match attempts::progress(&self.parts.db, self.stamp(), of, &said).await {
            Ok(told) => {
                let taken = ones.iter().zip(told.taken);
                let done = Done {
                    receipts: taken
                        .map(|((one, _), taken)| self.done_with(one, taken))
                        .collect(),
                    some_combine: told.some_combine,
                    some_listen: told.some_listen,
                };
                (done, Ok(()))
            }
            Err(error) if ones.len() == 1 || error.may_pass() => (Done::default(), Err(error)),
            Err(_) => {
                let (mut done, mut stored) = (Done::default(), Ok(()));
                for one in ones.chunks(1) {
                    let (some, result) = Box::pin(self.store_together(of, one)).await;
                    done.add(some);
                    stored = result.and(stored);
                }
                (done, stored)
            }
        }
    }

    fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.parts.ids, self.parts.clock.now())
    }

    /// Tells whoever listens that a report was taken. Gives its receipt.
    fn done_with(&self, one: &Received, taken: Taken) -> String {
        if let (Taken::Stored, Some(job)) = (taken, one.report.kind.job()) {
            self.parts.signals.settled(job);
        }
        self.count(&one.report, taken);
        one.receipt.clone()
    }

    /// Stores that a job, or an order, came to nothing for now.
    async fn store_end(&self, report: &Report) -> Result<Taken, RecordsError> {
        let (parts, stamp, sender) = (&self.parts, self.stamp(), sender_of(report));
        let rule = parts.settings.retry_rule();
        match &report.kind {
            ReportKind::Failed { job, fault } if voided(fault) => {
                // The pause keeps a queue that has epochs of another hub from sending it round without end.
                let next = stamp.at + rule.first_pause;
                attempts::give_back(&parts.db, stamp, sender, *job, next).await
            }
            ReportKind::Failed { job, fault } => {
                let retry = Retry {
                    rule: &rule,
                    random: rand::random(),
                };
                attempts::fault(&parts.db, stamp, sender, *job, fault, retry).await
            }
            ReportKind::HandedBack => attempts::hand_back(&parts.db, stamp, sender).await,
            ReportKind::Started | ReportKind::Answered { .. } => Ok(Taken::Fenced),
        }
    }

    fn count(&self, report: &Report, taken: Taken) {
        let kind = match &report.kind {
            ReportKind::Started => "started",
            ReportKind::Answered { .. } => "answered",
            ReportKind::Failed { .. } => "failed",
            ReportKind::HandedBack => "handed_back",
        };
        let fenced = if taken == Taken::Fenced { "yes" } else { "no" };
        metrics::counter!("glmhub_reports_total", "kind" => kind, "fenced" => fenced).increment(1);
        let trace = report.trace.as_ref().map(tracing::field::display);
        tracing::debug!(order = %report.order, attempt = report.attempt, kind, fenced, trace, "report collected");
    }
}

fn sender_of(report: &Report) -> Sender {
    Sender {
        out: Out {
            order: report.order,
            attempt: report.attempt,
        },
        worker: report.worker,
    }
}

/// What a report says, if all goes well.
fn progress_of(report: &Report) -> Option<Progress<'_>> {
    let said = match &report.kind {
        ReportKind::Started => attempts::Said::Began,
        ReportKind::Answered { job, answer } => attempts::Said::Answered(*job, answer),
        ReportKind::Failed { .. } | ReportKind::HandedBack => return None,
    };
    Some(Progress {
        sender: sender_of(report),
        said,
    })
}

/// Whether the grant was at fault, and not the job: nothing is counted against it, and it goes out under a new grant.
///
/// A revocation voids every grant of a tenant, those too whose work would still be allowed; dispatch asks the gate anew.
/// A grant that ended, or begins only later, says that it waited too long or that a worker's clock is wrong, and however
/// often such a worker takes a job, another one can answer it.
fn voided(fault: &Fault) -> bool {
    let (granted, current, seconds) = (0, 0, 0);
    [
        GrantError::Superseded { granted, current },
        GrantError::NotYet { seconds },
        GrantError::Expired { seconds },
    ]
    .iter()
    .any(|error| fault.code == error.code())
}

#[async_trait]
impl Step for Collect {
    const NAME: &'static str = "collect";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Collect::step(self).await
    }
}
