//! How workers get orders: from the streams of the revisions that they have room for.

use super::{
    LONGEST_WAIT, Lease, QueueError, RedisQueue, SLICE, WORKERS,
    link::{Entry, Waiting},
};
use crate::queue::taker::Taker;
use domain::{digest::Sha256, hardware::Need, order::WorkOrder};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, sleep};

/// How long a worker pauses that has room for none of the revisions that have had orders.
const NOTHING_TO_TAKE: Duration = Duration::from_millis(100);

/// An order as a worker gets it.
struct Given {
    stream: String,
    entry: String,
    order: String,
    delivery: u64,
}

impl RedisQueue {
    pub(super) async fn take_for(&self, taker: &Taker, wait: Duration) -> Result<Option<Lease>, QueueError> {
        let deadline = Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            let streams = self.streams_for(taker).await?;
            let mut given = self.free(taker, &streams).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if given.is_none() && !left.is_zero() {
                given = self.arriving(taker, &streams, left.min(SLICE)).await?;
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
    async fn streams_for(&self, taker: &Taker) -> Result<Vec<String>, QueueError> {
        let mut get = redis::cmd("HGETALL");
        get.arg(&self.keys.needs);
        let needs: Vec<(String, String)> = self.links.query(&get).await?;
        let mut wanted: Vec<Sha256> = needs
            .iter()
            .filter(|(_, need)| {
                taker.can_hold(serde_json::from_str::<Option<Need>>(need).unwrap_or_default())
            })
            .filter_map(|(revision, _)| revision.parse().ok())
            .filter(|revision| taker.rank(revision).is_some())
            .collect();
        if !wanted.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let first = turn % wanted.len();
            wanted.rotate_left(first);
        }
        wanted.sort_by_key(|revision| taker.rank(revision));
        Ok(wanted.iter().map(|revision| self.keys.orders(revision)).collect())
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
            .arg(self.lease_millis());
        let free: Option<(String, String, String, u64)> = self.links.invoke(&take).await?;
        Ok(free.map(|(stream, entry, order, delivery)| Given {
            stream,
            entry,
            order,
            delivery,
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
        match serde_json::from_str::<WorkOrder>(&given.order) {
            Ok(order) => Ok(Some(Lease {
                order,
                worker: taker.worker,
                delivery: given.delivery,
                lasts: self.lease,
            })),
            Err(_) => {
                self.remove(&given.stream, WORKERS, &[given.entry]).await?;
                Ok(None)
            }
        }
    }
}
