//! Collect: reports of workers become answers and verdicts.
//!
//! Each report is stored in one transaction, and only then acknowledged: a process that dies between the two gets the
//! report again, finds the job settled, and drops it as fenced.

use super::{Outcome, Step, drive};
use crate::{signals::Signals, work_settings::WorkSettings};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    id::{IdMaker, JobId},
    job::Out,
    order::{Fault, Report, ReportKind},
};
use exchange::{grant::GrantError, queue::Queue};
use records::{
    Db, RecordsError, Stamp,
    attempts::{self, Retry, Sender, Taken},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

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
pub struct Collect(CollectParts);

impl Collect {
    /// A collect over `parts`.
    pub fn new(parts: CollectParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.0.settings.idle();
        // The queue itself wakes it: nobody needs to nudge.
        drive(self, idle, &Notify::new(), shutdown).await;
    }

    /// Stores the reports that have come; waits for the first one for up to one idle pause.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        self.collect(self.0.settings.idle()).await
    }

    /// As [`Collect::step`], waiting for the first report for up to `wait`.
    pub async fn collect(&mut self, wait: Duration) -> anyhow::Result<Outcome> {
        let received = self.0.queue.collect(self.0.settings.most_reports, wait).await?;
        if received.is_empty() {
            return Ok(Outcome::Idle);
        }
        let mut receipts = Vec::with_capacity(received.len());
        let mut fault = None;
        for one in received {
            match self.store(&one.report).await {
                Ok(taken) => {
                    self.count(&one.report, taken);
                    receipts.push(one.receipt);
                }
                // It comes again; the others are not held up.
                Err(error) => fault = Some(error),
            }
        }
        self.0.queue.acknowledge(&receipts).await?;
        self.0.signals.dispatch.notify_one();
        self.0.signals.deliver.notify_one();
        fault.map_or(Ok(Outcome::Worked), |error| Err(error.into()))
    }

    async fn store(&self, report: &Report) -> Result<Taken, RecordsError> {
        let parts = &self.0;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let out = Out {
            order: report.order,
            attempt: report.attempt,
        };
        let sender = Sender {
            out,
            worker: report.worker,
        };
        match &report.kind {
            ReportKind::Started => attempts::start(&parts.db, stamp, sender).await,
            ReportKind::Answered { job, answer } => {
                let taken = attempts::answer(&parts.db, stamp, sender, *job, answer).await?;
                self.tell(taken, *job);
                Ok(taken)
            }
            ReportKind::Failed { job, fault } if voided(fault) => {
                // The pause keeps a queue that has epochs of another hub from sending it round without end.
                let next = stamp.at + parts.settings.retry_rule().first_pause;
                attempts::give_back(&parts.db, stamp, sender, *job, next).await
            }
            ReportKind::Failed { job, fault } => {
                let rule = parts.settings.retry_rule();
                let retry = Retry {
                    rule: &rule,
                    random: rand::random(),
                };
                let taken = attempts::fault(&parts.db, stamp, sender, *job, fault, retry).await?;
                self.tell(taken, *job);
                Ok(taken)
            }
            ReportKind::HandedBack => attempts::hand_back(&parts.db, stamp, sender).await,
        }
    }

    fn tell(&self, taken: Taken, job: JobId) {
        if taken == Taken::Stored {
            self.0.signals.settled(job);
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
        tracing::debug!(order = %report.order, attempt = report.attempt, kind, fenced, "report collected");
    }
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
