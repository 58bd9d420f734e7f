//! Work orders go out to workers, reports come back.
//!
//! The queue is never the record: the hub can rebuild it from the database at any moment, so an
//! implementation may lose everything that it holds. It must not, however, invent or alter an order,
//! and while it holds an order it hands it to one worker at a time:
//!
//! - [`Queue::offer`] puts an order in. Offering an id that is there already changes nothing.
//! - [`Queue::take`] hands a waiting order to a worker under a **lease**: one whose revision the worker has room for, of a
//!   revision that it prefers if there is one, and of one revision the oldest. What a worker has no room for holds up
//!   nothing behind it.
//!   A lease that is not extended in time ends, and the order waits again for another worker.
//! - [`Queue::extend`] prolongs a lease and tells whether it still stands: it may have ended, or the hub
//!   may have withdrawn the order (cancelled, or its licence revoked).
//! - [`Queue::settle`] removes an order that is done with.
//! - Reports are collected at least once: one that was not [acknowledged](Queue::acknowledge) comes again
//!   when it has been hidden for as long as a lease lasts.
//! - A tenant's **revocation epoch** is announced by the hub and read by workers, who have no database.
//!   It never falls while the queue lives; a queue that lost it says 0 until the hub announces again, so a
//!   worker also remembers the highest that it has seen.
//! - What is being written can be heard by those who follow a job: [`Tokens`].
//! - A worker [announces](Queue::announce) itself again and again; each announcement is [read](Queue::announced) by one
//!   hub, and of several of one worker only the last.

pub mod embedded;
pub mod redis;
mod taker;
pub mod tokens;

#[cfg(test)]
mod contract;

use async_trait::async_trait;
use domain::{
    id::{OrderId, WorkerId},
    names::TenantName,
    order::{Report, WorkOrder},
    worker::Announcement,
};
use std::time::Duration;

pub use taker::{Preference, Taker};
pub use tokens::{Listener, Listening, Tokens, Written};

/// A worker's hold on an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The order that is held.
    pub order: WorkOrder,
    /// Who holds it.
    pub worker: WorkerId,
    /// Tells this hold from an earlier one of the same order.
    pub delivery: u64,
    /// How long the hold lasts from its last extension. Extend it well before.
    pub lasts: Duration,
    /// The epoch that was announced for the order's tenant when it was taken, if the order says whose it is and the queue
    /// looked; [`Queue::epoch`] tells otherwise.
    pub epoch: Option<u64>,
}

/// Whether a lease still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The worker goes on.
    Held,
    /// The lease ended and somebody else may have the order: the worker stops and reports nothing.
    Lost,
    /// The hub has withdrawn the order: the worker stops at once and reports nothing.
    Withdrawn,
}

/// The tenant whose order it is, the epoch of the order's grant, and what becomes of its lease.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// Whose order it is.
    pub tenant: &'a TenantName,
    /// The epoch that the grant is of.
    pub epoch: u64,
    /// What becomes of the lease.
    pub then: Then,
}

/// What becomes of a lease when something was told under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is prolonged, as by [`Queue::extend`].
    GoesOn,
    /// Nothing else is to be told: the order is removed in the same step, as by [`Queue::settle`].
    Ends,
}

/// How a lease and its grant stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// The lease.
    pub standing: Standing,
    /// The highest epoch that was announced for the tenant.
    pub epoch: u64,
}

/// A report with what is needed to acknowledge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The report.
    pub report: Report,
    /// Names this receipt to [`Queue::acknowledge`].
    pub receipt: String,
}

/// How much the queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Orders that wait for a worker.
    pub waiting: u64,
    /// Orders under a lease.
    pub leased: u64,
    /// Reports that were not acknowledged yet.
    pub reports: u64,
}

/// The queue did not do it; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It holds as much as it may.
    #[error("the queue is full ({limit} orders)")]
    Full {
        /// The configured limit.
        limit: usize,
    },
    /// It cannot be reached.
    #[error("the queue does not answer: {0}")]
    Unreachable(String),
}

/// See the module's text.
#[async_trait]
pub trait Queue: Tokens {
    /// Puts an order in; an order whose id is there already is left as it is.
    async fn offer(&self, order: WorkOrder) -> Result<(), QueueError>;
    /// Hands out a waiting order that `taker` has room for, waiting up to `wait` for one.
    async fn take(&self, taker: &Taker, wait: Duration) -> Result<Option<Lease>, QueueError>;
    /// Prolongs a lease by the configured time from now.
    async fn extend(&self, lease: &Lease) -> Result<Standing, QueueError>;
    /// Removes the order of a lease that still stands; otherwise changes nothing. Tells whether it stood.
    async fn settle(&self, lease: &Lease) -> Result<Standing, QueueError>;
    /// Removes an order, waiting or leased; its worker learns of it at its next [`Queue::extend`].
    async fn withdraw(&self, order: OrderId) -> Result<(), QueueError>;
    /// Which of `orders` the queue still holds, waiting or under a lease.
    async fn held(&self, orders: &[OrderId]) -> Result<Vec<OrderId>, QueueError>;
    /// Tells the hub something, in this order. If it fails, some of it may have been told.
    async fn report(&self, reports: &[Report]) -> Result<(), QueueError>;
    /// Prolongs a lease, or ends it, and tells the hub something as [`Queue::report`] does, if the lease still stands and no
    /// epoch of the tenant above `under` was announced; otherwise the hub is told nothing, and what stands goes on.
    async fn report_under(
        &self,
        lease: &Lease,
        under: Under<'_>,
        reports: &[Report],
    ) -> Result<Stands, QueueError>;
    /// Up to `most` reports, waiting up to `wait` for the first.
    async fn collect(&self, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError>;
    /// Forgets reports for good.
    async fn acknowledge(&self, receipts: &[String]) -> Result<(), QueueError>;
    /// The highest revocation epoch that was announced for `tenant`; 0 if none was.
    async fn epoch(&self, tenant: &TenantName) -> Result<u64, QueueError>;
    /// Tells the workers that grants of `tenant` from before `epoch` are void. A lower epoch than one
    /// announced before changes nothing.
    async fn announce_epoch(&self, tenant: &TenantName, epoch: u64) -> Result<(), QueueError>;
    /// Tells the hub that this worker is there, in the place of what it said before.
    async fn announce(&self, announcement: Announcement) -> Result<(), QueueError>;
    /// What workers have said of themselves and nobody has read yet.
    async fn announced(&self) -> Result<Vec<Announcement>, QueueError>;
    /// How much the queue holds now.
    async fn depth(&self) -> Result<Depth, QueueError>;
}
