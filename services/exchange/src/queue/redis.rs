//! The queue of a hub of many processes: Redis, alone or as a Cluster.
//!
//! ```text
//! {NAME}:orders:REVISION   stream of a revision's orders; its group `workers` knows who has which, and since when
//! {NAME}:needs             hash: revision to what it takes in memory, for those that have had orders lately
//! {NAME}:places            hash: order id to its entry and revision
//! {NAME}:withdrawn:ORDER   who had an order when it was withdrawn; goes by itself when the lease would have ended
//! {NAME}:reports           stream of reports, with the group `hubs`
//! {NAME}:epochs            hash: tenant to revocation epoch
//! {NAME}:listening:JOB     that somebody listens to a job; goes by itself unless a hub keeps it
//! {NAME}:tokens            stream of what is being written for those who listen; bounded, read without a group
//! {NAME}:workers           hash: worker to what it last said of itself, until a hub reads it
//! ```
//!
//! The braces put all keys of a queue on the same node of a Cluster, so that a script may touch several at once.
//! Every step that reads before it writes is such a script (`redis/scripts`): it happens whole or not at all.
//!
//! The life of an order: `offer` adds an entry and its place. `take` goes through the streams of the revisions that a
//! worker has room for, and gives it the oldest entry whose lease has ended (XAUTOCLAIM), or else the next one that nobody
//! had (XREADGROUP). How often an entry was given out is the
//! delivery number, and how long ago is reckoned by Redis alone, so that no two clocks are compared. `extend` sets that
//! time back to zero if worker and delivery are still those of the entry. `settle` and `withdraw` remove the entry and
//! its place, so the streams hold nothing that is done with.
//!
//! Commands share one connection, which is made anew when it breaks. A wait holds a connection up, so every waiting
//! reader has one of its own, for at most [`SLICE`] at a stretch: then ended leases are looked for again. Should a
//! reader vanish with an entry in its hands, the lease ends like any other. A queue that was emptied makes its groups
//! anew and goes on.

use super::{Depth, Lease, Queue, QueueError, Received, Standing, Stands, Taker, Then, Under};
use async_trait::async_trait;
use domain::{
    digest::Sha256,
    id::{JobId, OrderId},
    names::TenantName,
    order::{Report, WorkOrder},
    worker::Announcement,
};
use std::{
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};
use tokio::time::Instant;

mod announcements;
mod link;
mod reports;
mod script;
mod taking;
mod tokens;

use link::Links;
use script::Scripts;
use taking::Needs;
use tokens::Hearing;

/// The longest that a reader waits before it looks for leases that have ended.
const SLICE: Duration = Duration::from_secs(1);
/// Nobody waits longer at a stretch, so that every moment can be reckoned with.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// As in the embedded queue: offers are refused while more reports than this for each order that may be held wait.
const REPORTS_PER_ORDER: usize = 64;
/// Who has orders, in Redis's words.
const WORKERS: &str = "workers";
/// Who has reports. One name for all hubs: a receipt says all that acknowledging needs.
const HUBS: &str = "hubs";
/// How long a worker may be silent, without an order, before its name is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Where the queue is and how it behaves.
pub struct RedisSettings {
    /// `redis://` or `rediss://` (TLS) with the user; several, separated by commas, are nodes of a Cluster.
    pub url: String,
    /// Takes the place of a password in the URL.
    pub password: Option<String>,
    /// The authorities whose certificates are believed, in PEM; those of the machine if there are none.
    pub authorities: Option<Vec<u8>>,
    /// Tells this hub's keys from those of others on the same server.
    pub name: String,
    /// How long an order stays with a worker that does not extend, and a report with a collector that does
    /// not acknowledge.
    pub lease: Duration,
    /// The most orders, waiting and leased.
    pub most_orders: usize,
    /// How long a hub that is silent counts as listening to a job.
    pub listening: Duration,
    /// About how many pieces of answers in the making are held.
    pub most_pieces: usize,
}

/// See the module's text.
pub struct RedisQueue {
    links: Arc<Links>,
    scripts: Scripts,
    keys: Arc<Keys>,
    lease: Duration,
    most_orders: usize,
    listening: Duration,
    most_pieces: usize,
    hearing: Hearing,
    /// Counts looks for orders, so that revisions take turns in being first.
    turn: AtomicUsize,
    /// What revisions have had orders, and when that was so.
    known: Mutex<Option<(Instant, Needs)>>,
}

struct Keys {
    orders: String,
    needs: String,
    places: String,
    reports: String,
    epochs: String,
    workers: String,
    withdrawn: String,
    listening: String,
    tokens: String,
}

impl Keys {
    fn of(name: &str) -> Self {
        let key = |what: &str| format!("{{{name}}}:{what}");
        Self {
            orders: key("orders"),
            needs: key("needs"),
            places: key("places"),
            reports: key("reports"),
            epochs: key("epochs"),
            workers: key("workers"),
            withdrawn: key("withdrawn"),
            listening: key("listening"),
            tokens: key("tokens"),
        }
    }

    /// The stream of a revision.
    fn orders(&self, revision: &Sha256) -> String {
        format!("{}:{revision}", self.orders)
    }

    fn withdrawn(&self, order: OrderId) -> String {
        format!("{}:{order}", self.withdrawn)
    }

    fn listening(&self, job: JobId) -> String {
        format!("{}:{job}", self.listening)
    }
}

impl RedisQueue {
    /// Connects. Fails if nobody answers, or not as Redis.
    pub async fn connect(settings: RedisSettings) -> Result<Self, QueueError> {
        Ok(Self {
            links: Arc::new(Links::connect(&settings).await?),
            scripts: Scripts::default(),
            keys: Arc::new(Keys::of(&settings.name)),
            lease: settings.lease,
            most_orders: settings.most_orders,
            listening: settings.listening,
            most_pieces: settings.most_pieces,
            hearing: Hearing::new(),
            turn: AtomicUsize::new(0),
            known: Mutex::default(),
        })
    }

    fn lease_millis(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// The streams of all revisions that have had orders lately.
    async fn streams(&self) -> Result<Vec<String>, QueueError> {
        let mut keys = redis::cmd("HKEYS");
        keys.arg(&self.keys.needs);
        let revisions: Vec<String> = self.links.query(&keys).await?;
        let parsed = revisions.iter().filter_map(|revision| revision.parse().ok());
        Ok(parsed.map(|revision| self.keys.orders(&revision)).collect())
    }

    async fn remove(&self, stream: &str, group: &str, entries: &[String]) -> Result<(), QueueError> {
        let mut remove = self.scripts.remove.prepare_invoke();
        remove.key(stream).arg(group);
        entries.iter().for_each(|entry| {
            remove.arg(entry);
        });
        self.links.invoke(&remove).await
    }

    /// Runs a script about one lease, which tells whether it stood.
    async fn about(&self, script: &redis::Script, lease: &Lease) -> Result<Standing, QueueError> {
        let standing: String = self.links.invoke(&self.prepared(script, lease)).await?;
        Ok(standing_of(&standing))
    }

    /// A script about one lease.
    fn prepared<'s>(&self, script: &'s redis::Script, lease: &Lease) -> redis::ScriptInvocation<'s> {
        let mut about = script.prepare_invoke();
        about.key(self.keys.orders(&lease.order.revision_sha256));
        about.key(&self.keys.places);
        about.key(self.keys.withdrawn(lease.order.id));
        about.arg(WORKERS).arg(self.lease_millis());
        about.arg(lease.order.id.to_string());
        about.arg(lease.worker.to_string()).arg(lease.delivery);
        about
    }
}

/// What a script says of a lease.
fn standing_of(word: &str) -> Standing {
    match word {
        "held" => Standing::Held,
        "withdrawn" => Standing::Withdrawn,
        _ => Standing::Lost,
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn offer(&self, order: WorkOrder) -> Result<(), QueueError> {
        let revision = &order.revision_sha256;
        let mut offer = self.scripts.offer.prepare_invoke();
        offer
            .key(self.keys.orders(revision))
            .key(&self.keys.places)
            .key(&self.keys.reports)
            .key(&self.keys.needs);
        offer.arg(WORKERS).arg(order.id.to_string()).arg(json(&order)?);
        offer
            .arg(self.most_orders)
            .arg(self.most_orders.saturating_mul(REPORTS_PER_ORDER));
        offer.arg(revision.to_string()).arg(json(&order.need)?);
        if let Some(tenant) = &order.tenant {
            offer.arg(tenant.as_str());
        }
        let taken: bool = self.links.invoke(&offer).await?;
        if taken {
            Ok(())
        } else {
            Err(QueueError::Full {
                limit: self.most_orders,
            })
        }
    }

    async fn take(&self, taker: &Taker, wait: Duration) -> Result<Option<Lease>, QueueError> {
        self.take_for(taker, wait).await
    }

    async fn extend(&self, lease: &Lease) -> Result<Standing, QueueError> {
        self.about(&self.scripts.extend, lease).await
    }

    async fn settle(&self, lease: &Lease) -> Result<Standing, QueueError> {
        self.about(&self.scripts.settle, lease).await
    }

    async fn withdraw(&self, order: OrderId) -> Result<(), QueueError> {
        let mut get = redis::cmd("HGET");
        get.arg(&self.keys.places).arg(order.to_string());
        let place: Option<String> = self.links.query(&get).await?;
        // An order never comes back, so what is not there stays so.
        let Some(revision) = place.as_deref().and_then(revision_of) else {
            return Ok(());
        };
        let mut withdraw = self.scripts.withdraw.prepare_invoke();
        withdraw.key(self.keys.orders(&revision)).key(&self.keys.places);
        withdraw.key(self.keys.withdrawn(order));
        withdraw
            .arg(WORKERS)
            .arg(self.lease_millis())
            .arg(order.to_string());
        self.links.invoke(&withdraw).await
    }

    async fn held(&self, orders: &[OrderId]) -> Result<Vec<OrderId>, QueueError> {
        let mut held = self.scripts.held.prepare_invoke();
        held.key(&self.keys.places).key(&self.keys.needs);
        held.key(self.streams().await?);
        held.arg(WORKERS)
            .arg(self.lease_millis().max(FORGOTTEN_AFTER.as_millis() as u64));
        orders.iter().for_each(|order| {
            held.arg(order.to_string());
        });
        let places: Vec<bool> = self.links.invoke(&held).await?;
        let held = orders.iter().zip(places).filter(|(_, held)| *held);
        Ok(held.map(|(order, _)| *order).collect())
    }

    async fn report(&self, reports: &[Report]) -> Result<(), QueueError> {
        let mut adds = redis::pipe();
        for report in reports {
            let add = adds.cmd("XADD").arg(&self.keys.reports).arg("*");
            add.arg("body").arg(json(report)?).ignore();
        }
        self.links.query_all(&adds).await
    }

    async fn report_under(
        &self,
        lease: &Lease,
        under: Under<'_>,
        reports: &[Report],
    ) -> Result<Stands, QueueError> {
        let mut report = self.prepared(&self.scripts.report, lease);
        report.arg(&self.keys.reports).arg(&self.keys.epochs);
        report.arg(under.tenant.as_str()).arg(under.epoch);
        report.arg(under.then == Then::Ends);
        for one in reports {
            report.arg(json(one)?);
        }
        let (standing, epoch): (String, u64) = self.links.invoke(&report).await?;
        let standing = standing_of(&standing);
        Ok(Stands { standing, epoch })
    }

    async fn collect(&self, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        let deadline = Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            let mut told = self.told(most).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if told.is_empty() && !left.is_zero() {
                told = self.telling(most, left.min(SLICE)).await?;
            }
            let received = self.received(told).await?;
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(received);
            }
        }
    }

    async fn acknowledge(&self, receipts: &[String]) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        self.remove(&self.keys.reports, HUBS, receipts).await
    }

    async fn epoch(&self, tenant: &TenantName) -> Result<u64, QueueError> {
        let mut get = redis::cmd("HGET");
        get.arg(&self.keys.epochs).arg(tenant.as_str());
        let epoch: Option<u64> = self.links.query(&get).await?;
        Ok(epoch.unwrap_or(0))
    }

    async fn announce_epoch(&self, tenant: &TenantName, epoch: u64) -> Result<(), QueueError> {
        let mut announce = self.scripts.announce.prepare_invoke();
        announce.key(&self.keys.epochs).arg(tenant.as_str()).arg(epoch);
        self.links.invoke(&announce).await
    }

    async fn announce(&self, announcement: Announcement) -> Result<(), QueueError> {
        self.keep_announcement(&announcement).await
    }

    async fn announced(&self) -> Result<Vec<Announcement>, QueueError> {
        self.read_announcements().await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let mut depth = self.scripts.depth.prepare_invoke();
        depth.key(&self.keys.reports).key(self.streams().await?);
        depth.arg(WORKERS).arg(self.lease_millis());
        let (waiting, leased, reports): (u64, u64, u64) = self.links.invoke(&depth).await?;
        Ok(Depth {
            waiting,
            leased,
            reports,
        })
    }
}

/// The revision in what is kept as an order's place.
fn revision_of(place: &str) -> Option<Sha256> {
    place.split_once(' ')?.1.parse().ok()
}

/// Plain structs of ours always have a JSON form.
fn json(value: &impl serde::Serialize) -> Result<String, QueueError> {
    serde_json::to_string(value).map_err(|error| QueueError::Unreachable(error.to_string()))
}

#[cfg(test)]
mod failover_tests;
#[cfg(test)]
mod permission_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tokens_tests;
