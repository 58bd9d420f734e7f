//! The queue of a hub whose workers live in the same process.
//!
//! Everything is in memory and goes with the process; the hub rebuilds it from the database. Leases and hidden
//! reports end by the clock that was handed in. Nothing runs in the background: every call first puts back what has
//! come due ([`Held::come_due`]), and a waiting [`Queue::take`] or [`Queue::collect`] wakes when something arrives
//! or is about to come due.

use super::{
    Depth, Lease, Listener, Queue, QueueError, Received, Standing, Stands, Taker, Then, Tokens, Under,
    Written,
    tokens::{Listeners, Listening},
};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    id::{JobId, OrderId, WorkerId},
    names::TenantName,
    order::{Report, WorkOrder},
    worker::Announcement,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

mod held;

use held::Held;

/// How the embedded queue behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// How long an order stays with a worker that does not extend, and a report with a collector that does
    /// not acknowledge.
    pub lease: Duration,
    /// The most orders, waiting and leased.
    pub most_orders: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            most_orders: 256,
        }
    }
}

/// Offers are refused while more reports than this for each order that may be held are not acknowledged: a
/// hub that does not collect gets no more work done, and the memory of the process stays bounded.
const REPORTS_PER_ORDER: usize = 64;

/// Nobody waits longer at a stretch, so that every moment can be reckoned with.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// See the module's text.
pub struct EmbeddedQueue {
    clock: SharedClock,
    settings: EmbeddedSettings,
    held: Mutex<Held>,
    orders_arrive: Notify,
    reports_arrive: Notify,
    listeners: Arc<Listeners>,
}

impl EmbeddedQueue {
    /// An empty queue.
    pub fn new(clock: SharedClock, settings: EmbeddedSettings) -> Self {
        let held = Mutex::new(Held::default());
        Self {
            clock,
            settings,
            held,
            orders_arrive: Notify::new(),
            reports_arrive: Notify::new(),
            listeners: Arc::default(),
        }
    }

    /// What is held, with everything put back that has come due, and the present moment.
    fn now(&self) -> (MutexGuard<'_, Held>, OffsetDateTime) {
        let now = self.clock.now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.come_due(now) {
            self.orders_arrive.notify_waiters();
            self.reports_arrive.notify_waiters();
        }
        (held, now)
    }

    /// Tries until it succeeds or `wait` is over; between tries, sleeps until something arrives or comes due.
    async fn try_for<T>(
        &self,
        wait: Duration,
        arrival: &Notify,
        attempt: impl Fn(&mut Held, OffsetDateTime) -> Option<T> + Send,
    ) -> Option<T> {
        let deadline = Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            let arrived = arrival.notified();
            tokio::pin!(arrived);
            // Listening before looking: what arrives in between is not missed.
            arrived.as_mut().enable();
            let due = {
                let (mut held, now) = self.now();
                if let Some(found) = attempt(&mut held, now) {
                    return Some(found);
                }
                held.next_due()
                    .map(|due| Instant::now() + (due - now).max(time::Duration::MILLISECOND).unsigned_abs())
            };
            if Instant::now() >= deadline {
                return None;
            }
            // Whether it arrived or time went by, the next look tells.
            let _ = timeout_at(due.map_or(deadline, |due| due.min(deadline)), arrived).await;
        }
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn offer(&self, order: WorkOrder) -> Result<(), QueueError> {
        let (mut held, _) = self.now();
        if held.holds(order.id) {
            return Ok(());
        }
        let limit = self.settings.most_orders;
        let Depth {
            waiting,
            leased,
            reports,
        } = held.depth();
        if waiting + leased >= limit as u64 || reports >= (limit * REPORTS_PER_ORDER) as u64 {
            return Err(QueueError::Full { limit });
        }
        held.offer(order);
        self.orders_arrive.notify_waiters();
        Ok(())
    }

    async fn take(&self, taker: &Taker, wait: Duration) -> Result<Option<Lease>, QueueError> {
        let lasts = self.settings.lease;
        Ok(self
            .try_for(wait, &self.orders_arrive, |held, now| {
                held.take(taker, now, lasts)
            })
            .await)
    }

    async fn extend(&self, lease: &Lease) -> Result<Standing, QueueError> {
        let (mut held, now) = self.now();
        Ok(held.extend(lease, now))
    }

    async fn settle(&self, lease: &Lease) -> Result<Standing, QueueError> {
        Ok(self.now().0.settle(lease))
    }

    async fn withdraw(&self, order: OrderId) -> Result<(), QueueError> {
        self.now().0.withdraw(order);
        Ok(())
    }

    async fn held(&self, orders: &[OrderId]) -> Result<Vec<OrderId>, QueueError> {
        let (held, _) = self.now();
        Ok(orders
            .iter()
            .copied()
            .filter(|&order| held.holds(order))
            .collect())
    }

    async fn report(&self, reports: &[Report]) -> Result<(), QueueError> {
        let mut held = self.now().0;
        reports.iter().for_each(|report| held.report(report.clone()));
        drop(held);
        self.reports_arrive.notify_waiters();
        Ok(())
    }

    async fn report_under(
        &self,
        lease: &Lease,
        under: Under<'_>,
        reports: &[Report],
    ) -> Result<Stands, QueueError> {
        let (mut held, now) = self.now();
        let (standing, epoch) = (held.extend(lease, now), held.epoch(under.tenant));
        if standing == Standing::Held && epoch <= under.epoch {
            reports.iter().for_each(|report| held.report(report.clone()));
            if under.then == Then::Ends {
                held.settle(lease);
            }
        }
        drop(held);
        self.reports_arrive.notify_waiters();
        Ok(Stands { standing, epoch })
    }

    async fn collect(&self, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        let hidden = self.settings.lease;
        let some =
            |held: &mut Held, now| Some(held.collect(most, now, hidden)).filter(|found| !found.is_empty());
        Ok(self
            .try_for(wait, &self.reports_arrive, some)
            .await
            .unwrap_or_default())
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), QueueError> {
        let (mut held, _) = self.now();
        receipts.iter().for_each(|receipt| held.acknowledge(receipt));
        Ok(())
    }

    async fn epoch(&self, tenant: &TenantName) -> Result<u64, QueueError> {
        Ok(self.now().0.epoch(tenant))
    }

    async fn announce_epoch(&self, tenant: &TenantName, epoch: u64) -> Result<(), QueueError> {
        self.now().0.announce_epoch(tenant, epoch);
        Ok(())
    }

    async fn announce(&self, announcement: Announcement) -> Result<(), QueueError> {
        self.now().0.announce(announcement);
        Ok(())
    }

    async fn announced(&self) -> Result<Vec<Announcement>, QueueError> {
        Ok(self.now().0.announced())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.now().0.depth())
    }
}

#[async_trait]
impl Tokens for EmbeddedQueue {
    async fn listen(&self, job: JobId) -> Result<Listener, QueueError> {
        Ok(self.listeners.add(job))
    }

    async fn listening(&self, job: JobId) -> Result<Option<Listening>, QueueError> {
        Ok(self.listeners.listening(job))
    }

    async fn write(&self, written: Written) -> Result<(), QueueError> {
        self.listeners.tell(written);
        Ok(())
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
