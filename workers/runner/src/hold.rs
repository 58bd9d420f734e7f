//! A worker's hold on the order that it works at: kept up, confirmed before every report, given up once.

use domain::{
    grant::Grant,
    id::WorkerId,
    names::TenantName,
    order::{Report, ReportKind, WorkOrder},
};
use exchange::{
    grant::GrantError,
    queue::{Lease, Queue, QueueError, Standing, Then, Under},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long to wait before a report is tried again that the queue did not take.
const PAUSE: Duration = Duration::from_millis(200);

/// Why work at an order stops before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The lease ended.
    Lost,
    /// The hub took the order back.
    Withdrawn,
    /// The tenant's epoch rose.
    Superseded(GrantError),
    /// The worker shuts down.
    Leaving,
}

/// Tells every part of the work that it is over. The first reason is the reason.
#[derive(Default)]
pub(crate) struct Stop {
    reason: OnceLock<StopReason>,
    token: CancellationToken,
}

impl Stop {
    pub(crate) fn set(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            self.token.cancel();
        }
    }

    pub(crate) fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }

    /// Asked between tokens: an atomic load.
    pub(crate) fn is_set(&self) -> bool {
        self.reason.get().is_some()
    }

    /// What `work` gives, or nothing if it was stopped first.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.run_until_cancelled(work).await
    }
}

/// The highest epoch of each tenant that this worker has seen. A queue that lost its epochs, or that somebody
/// turned back, cannot revive a grant that this worker knows to be void.
#[derive(Default)]
pub(crate) struct Epochs(Mutex<HashMap<TenantName, u64>>);

impl Epochs {
    pub(crate) async fn of(&self, queue: &dyn Queue, tenant: &TenantName) -> Result<u64, QueueError> {
        Ok(self.highest(tenant, queue.epoch(tenant).await?))
    }

    /// The highest of what was seen before and what is announced now.
    pub(crate) fn highest(&self, tenant: &TenantName, announced: u64) -> u64 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = seen.entry(tenant.clone()).or_default();
        *highest = announced.max(*highest);
        *highest
    }
}

/// See the module's text.
pub(crate) struct Hold {
    queue: Arc<dyn Queue>,
    epochs: Arc<Epochs>,
    lease: Lease,
    grant: Grant,
    look: Duration,
    pub(crate) stop: Arc<Stop>,
    confirmed: Mutex<Instant>,
    /// Whether the order was removed with the last report about it.
    settled: AtomicBool,
}

impl Hold {
    /// A hold that looks every `look` whether the work is still wanted.
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        epochs: Arc<Epochs>,
        lease: Lease,
        grant: Grant,
        look: Duration,
    ) -> Self {
        let confirmed = Mutex::new(Instant::now());
        Self {
            queue,
            epochs,
            lease,
            grant,
            look,
            stop: Arc::default(),
            confirmed,
            settled: AtomicBool::new(false),
        }
    }

    pub(crate) fn order(&self) -> &WorkOrder {
        &self.lease.order
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Keeps the lease up for as long as it is awaited, and looks whether the work is still wanted far more often
    /// than the lease needs: a revocation stops it within seconds, however long the lease lasts.
    pub(crate) async fn keep(&self) -> Infallible {
        let mut extended = Instant::now();
        loop {
            sleep(self.look.min(self.lease.lasts / 3)).await;
            if extended.elapsed() >= self.lease.lasts / 3 {
                extended = Instant::now();
                self.confirm().await;
            } else {
                self.look().await;
            }
        }
    }

    /// Extends the lease and looks at the epoch; tells whether the work goes on.
    pub(crate) async fn confirm(&self) -> bool {
        let (extended, epoch) = tokio::join!(self.queue.extend(&self.lease), self.epoch());
        match extended {
            Ok(standing) => self.heed(standing),
            Err(error) => self.unanswered(&error, "the lease could not be extended"),
        }
        self.heed_epoch(epoch);
        !self.stop.is_set()
    }

    /// Stops the work if the tenant's epoch rose or the order was taken back.
    async fn look(&self) {
        self.heed_epoch(self.epoch().await);
        // A queue that does not answer is noticed when the lease has to be extended.
        if let Ok(standing) = self.queue.extend(&self.lease).await {
            self.heed(standing);
        }
    }

    fn heed(&self, standing: Standing) {
        match standing {
            Standing::Held => *self.last_confirmed() = Instant::now(),
            Standing::Lost => self.stop.set(StopReason::Lost),
            Standing::Withdrawn => self.stop.set(StopReason::Withdrawn),
        }
    }

    async fn epoch(&self) -> Result<u64, QueueError> {
        self.epochs.of(&*self.queue, &self.grant.tenant).await
    }

    /// Stops the work if the tenant's epoch rose.
    fn heed_epoch(&self, epoch: Result<u64, QueueError>) {
        // If the epoch cannot be read, the extension will soon fail too and end the work.
        if let Ok(current) = epoch
            && current > self.grant.epoch
        {
            let granted = self.grant.epoch;
            self.stop.set(StopReason::Superseded(GrantError::Superseded {
                granted,
                current,
            }));
        }
    }

    /// Reports, if the work goes on; tells whether it was reported. Tries for as long as the lease lasts. The order is settled
    /// with reports after which its work [ends](Then::Ends).
    pub(crate) async fn report(&self, kinds: &[ReportKind], then: Then) -> bool {
        let reports = self.signed(kinds);
        let (tenant, epoch) = (&self.grant.tenant, self.grant.epoch);
        self.heed_epoch(Ok(self.epochs.highest(tenant, 0)));
        while !self.stop.is_set() {
            let under = Under { tenant, epoch, then };
            match self.queue.report_under(&self.lease, under, &reports).await {
                Ok(stands) => {
                    let told = stands.standing == Standing::Held && stands.epoch <= epoch;
                    if told && then == Then::Ends {
                        self.settled.store(true, Ordering::Relaxed);
                    }
                    self.heed(stands.standing);
                    self.heed_epoch(Ok(self.epochs.highest(tenant, stands.epoch)));
                    return told;
                }
                Err(error) => self.unanswered(&error, "a report was not taken; trying again"),
            }
            self.stop.unless(sleep(PAUSE)).await;
        }
        false
    }

    /// A queue that has not answered for as long as a lease lasts has given the order to another.
    fn unanswered(&self, error: &QueueError, what: &'static str) {
        tracing::warn!(%error, "{what}");
        if self.last_confirmed().elapsed() >= self.lease.lasts {
            self.stop.set(StopReason::Lost);
        }
    }

    /// Why the work stopped. What comes to light when the order was settled is none of it: its lease has ended with it.
    pub(crate) fn stopped_by(&self) -> Option<&StopReason> {
        self.stop
            .reason()
            .filter(|_| !self.settled.load(Ordering::Relaxed))
    }

    /// Reports the last things about an order whose work has stopped, and settles it, if it is still held. If
    /// that fails the order stays, and another worker will have it when the lease has ended.
    pub(crate) async fn end(&self, last: &[ReportKind]) -> Result<Standing, QueueError> {
        if self.settled.load(Ordering::Relaxed) {
            return Ok(Standing::Held);
        }
        if !last.is_empty() {
            let standing = self.queue.extend(&self.lease).await?;
            if standing != Standing::Held {
                return Ok(standing);
            }
            self.queue.report(&self.signed(last)).await?;
        }
        self.queue.settle(&self.lease).await
    }

    fn signed(&self, kinds: &[ReportKind]) -> Vec<Report> {
        reports(self.order(), self.lease.worker, kinds)
    }

    fn last_confirmed(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    /// Whatever still works at the order works for nobody.
    fn drop(&mut self) {
        self.stop.set(StopReason::Lost);
    }
}

/// `kinds` as reports of `worker` about `order`.
pub(crate) fn reports(order: &WorkOrder, worker: WorkerId, kinds: &[ReportKind]) -> Vec<Report> {
    let report = |kind: &ReportKind| Report {
        order: order.id,
        attempt: order.attempt,
        worker,
        kind: kind.clone(),
        trace: order.trace.clone(),
    };
    kinds.iter().map(report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Bench;
    use exchange::queue::Taker;
    use std::future;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A hold of an hour that looks every millisecond, and the queue of its order.
    async fn held_for_an_hour() -> (Bench, Arc<dyn Queue>, Hold) {
        let bench = Bench::with_lease(HOUR).await;
        let questions = vec![bench.question("Who signed?", 2)];
        let grant = bench.grant(&questions);
        let (queue, worker) = (bench.queue.clone(), bench.ids.make());
        queue.offer(bench.granted(&grant, questions)).await.unwrap();
        let lease = queue
            .take(&Taker::of_anything(worker), Duration::ZERO)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(lease.lasts, HOUR);
        let look = Duration::from_millis(1);
        let hold = Hold::new(queue.clone(), Arc::default(), lease, grant, look);
        (bench, queue, hold)
    }

    async fn stopped(hold: &Hold) -> StopReason {
        tokio::select! {
            nothing = hold.stop.unless(future::pending::<()>()) => assert!(nothing.is_none()),
            never = hold.keep() => match never {},
        }
        hold.stop.reason().unwrap().clone()
    }

    #[tokio::test]
    async fn a_revocation_is_seen_long_before_the_lease_has_to_be_extended() {
        let (_bench, queue, hold) = held_for_an_hour().await;
        queue.announce_epoch(&hold.grant.tenant, 1).await.unwrap();
        let superseded = GrantError::Superseded {
            granted: 0,
            current: 1,
        };
        assert_eq!(stopped(&hold).await, StopReason::Superseded(superseded));
    }

    #[tokio::test]
    async fn an_order_that_is_taken_back_stops_long_before_the_lease_has_to_be_extended() {
        let (_bench, queue, hold) = held_for_an_hour().await;
        queue.withdraw(hold.order().id).await.unwrap();
        assert_eq!(stopped(&hold).await, StopReason::Withdrawn);
    }
    #[tokio::test]
    async fn that_a_lease_has_ended_with_the_last_report_is_no_reason_to_stop() {
        let (_bench, queue, hold) = held_for_an_hour().await;
        let order = hold.order().id;
        assert!(hold.report(&[ReportKind::Started], Then::GoesOn).await);
        assert_eq!(queue.held(&[order]).await.unwrap(), [order]);
        assert!(hold.report(&[ReportKind::HandedBack], Then::Ends).await);
        assert_eq!(queue.held(&[order]).await.unwrap(), []);
        assert_eq!(stopped(&hold).await, StopReason::Lost);
        assert_eq!(hold.stopped_by(), None);
        assert_eq!(hold.end(&[ReportKind::HandedBack]).await.unwrap(), Standing::Held);
        assert_eq!(queue.depth().await.unwrap().reports, 2);
    }

    #[tokio::test]
    async fn a_last_report_under_a_grant_that_was_revoked_is_not_told_and_ends_nothing() {
        let (_bench, queue, hold) = held_for_an_hour().await;
        queue.announce_epoch(&hold.grant.tenant, 1).await.unwrap();
        assert!(!hold.report(&[ReportKind::HandedBack], Then::Ends).await);
        assert!(matches!(hold.stopped_by(), Some(StopReason::Superseded(_))));
        let depth = queue.depth().await.unwrap();
        assert_eq!((depth.leased, depth.reports), (1, 0));
    }
}
