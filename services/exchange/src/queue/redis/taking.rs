//! How workers get orders: from the streams of the revisions that they have room for.

use super::{
    LONGEST_WAIT, Lease, QueueError, RedisQueue, SLICE, WORKERS,
    link::{Entry, Waiting},
};
use crate::queue::taker::Taker;
use domain::{digest::Sha256, hardware::Need, names::TenantName, order::WorkOrder};
use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a worker pauses that has room for none of the revisions that have had orders.
const NOTHING_TO_TAKE: Duration = Duration::from_millis(100);

/// Where the tenant of an order is among what follows its body: an entry is `body`, `order` and `tenant`, each with its value.
const OF_TENANT: usize = 3;

/// For how long a worker that finds orders goes by what it knows of revisions.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Revisions that have had orders, and what each takes.
pub(super) type Needs = Arc<[(Sha256, Option<Need>)]>;

/// An order as a worker gets it.
struct Given {
    stream: String,
    entry: String,
    order: String,
    delivery: u64,
    /// Whose order it is, if whoever offered it said so.
    tenant: Option<TenantName>,
    /// The epoch that was announced for that tenant, where it was asked for with the order.
    epoch: Option<u64>,
}

impl RedisQueue {
    pub(super) async fn take_for(&self, taker: &Taker, wait: Duration) -> Result<Option<Lease>, QueueError> {
        let deadline = Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            let known = self.needs(KNOWN_FOR).await?;
            let mut given = self.free(taker, &self.streams_for(taker, &known)).await?;
            if given.is_none() {
                // The first order of a revision may have come since.
                let needs = self.needs(Duration::ZERO).await?;
                let streams = self.streams_for(taker, &needs);
                let left = deadline.saturating_duration_since(Instant::now());
                if needs != known {
                    given = self.free(taker, &streams).await?;
                } else if !left.is_zero() {
                    given = self.arriving(taker, &streams, left.min(SLICE)).await?;
                }
            }
            match given {
                Some(given) => {
                    if let Some(lease) = self.leased(taker, given).await? {
                        return Ok(Some(lease));
                    }
                }
                None if Instant::now() >= deadline => return Ok(None),
                None => {}
            }
        }
    }

    /// The streams of the revisions that `taker` has room for, in the order in which it wants them. Those that it wants
    /// alike begin with another one each time, so that none waits for ever.
    fn streams_for(&self, taker: &Taker, needs: &[(Sha256, Option<Need>)]) -> Vec<String> {
        let held = needs
            .iter()
            .filter(|(revision, need)| taker.can_hold(*need) && taker.rank(revision).is_some());
        let mut wanted: Vec<Sha256> = held.map(|(revision, _)| *revision).collect();
        if !wanted.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let first = turn % wanted.len();
            wanted.rotate_left(first);
        }
        wanted.sort_by_key(|revision| taker.rank(revision));
        wanted.iter().map(|revision| self.keys.orders(revision)).collect()
    }

    /// The revisions that have had orders, as they were not longer ago than `old`.
    async fn needs(&self, old: Duration) -> Result<Needs, QueueError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, needs)) = known.filter(|(at, _)| at.elapsed() < old) {
            return Ok(needs);
        }
        let mut get = redis::cmd("HGETALL");
        get.arg(&self.keys.needs);
        let needs: Vec<(String, String)> = self.links.query(&get).await?;
        let read = |(revision, need): &(String, String)| {
            let need = serde_json::from_str::<Option<Need>>(need).unwrap_or_default();
            Some((revision.parse().ok()?, need))
        };
        let needs: Needs = needs.iter().filter_map(read).collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), needs.clone()));
        Ok(needs)
    }

    /// An order that is free now: the oldest of the first of `streams` that has any.
    async fn free(&self, taker: &Taker, streams: &[String]) -> Result<Option<Given>, QueueError> {
        if streams.is_empty() {
            return Ok(None);
        }
        let mut take = self.scripts.take.prepare_invoke();
        take.key(&self.keys.places).key(streams);
        take.arg(WORKERS)
            .arg(taker.worker.to_string())
            .arg(self.lease_millis())
            .arg(&self.keys.epochs);
        let free: Option<(String, String, String, u64, String, u64)> = self.links.invoke(&take).await?;
        Ok(free.map(|(stream, entry, order, delivery, tenant, epoch)| {
            let tenant: Option<TenantName> = tenant.parse().ok();
            Given {
                stream,
                entry,
                order,
                delivery,
                epoch: tenant.is_some().then_some(epoch),
                tenant,
            }
        }))
    }

    /// The next order that arrives, or nothing after `wait`.
    async fn arriving(
        &self,
        taker: &Taker,
        streams: &[String],
        wait: Duration,
    ) -> Result<Option<Given>, QueueError> {
        if streams.is_empty() {
            sleep(wait.min(NOTHING_TO_TAKE)).await;
            return Ok(None);
        }
        let reader = taker.worker.to_string();
        let read = Waiting {
            streams,
            group: WORKERS,
            reader: &reader,
            most: 1,
        };
        let mut entries = self.links.wait_for(read, wait).await?.into_iter();
        let first = entries.next();
        // As many came at once as streams had some.
        for more in entries {
            self.give_back(&reader, &more).await?;
        }
        Ok(first.map(|entry| Given {
            stream: entry.stream,
            entry: entry.id,
            order: entry.body,
            delivery: 1,
            tenant: entry.more.get(OF_TENANT).and_then(|tenant| tenant.parse().ok()),
            epoch: None,
        }))
    }

    /// Ends the lease of an entry that was taken and is not wanted: it is free at once.
    async fn give_back(&self, reader: &str, entry: &Entry) -> Result<(), QueueError> {
        let mut claim = redis::cmd("XCLAIM");
        claim.arg(&entry.stream).arg(WORKERS).arg(reader).arg(0);
        claim
            .arg(&entry.id)
            .arg("IDLE")
            .arg(self.lease_millis())
            .arg("JUSTID");
        self.links.query(&claim).await
    }

    /// What a worker was given, as a lease. An entry that is no order is removed: the hub finds it missing.
    async fn leased(&self, taker: &Taker, given: Given) -> Result<Option<Lease>, QueueError> {
        let tenant = given.tenant;
        match serde_json::from_str::<WorkOrder>(&given.order) {
            Ok(order) => Ok(Some(Lease {
                order: WorkOrder { tenant, ..order },
                worker: taker.worker,
                delivery: given.delivery,
                lasts: self.lease,
                epoch: given.epoch,
            })),
            Err(_) => {
                self.remove(&given.stream, WORKERS, &[given.entry]).await?;
                Ok(None)
            }
        }
    }
}
