//! How reports come to a hub.

use super::{HUBS, QueueError, Received, RedisQueue, link::Waiting};
use domain::order::Report;
use std::time::Duration;

/// A report as a collector gets it: its entry and its JSON.
type Told = (String, String);

impl RedisQueue {
    pub(super) async fn told(&self, most: usize) -> Result<Vec<Told>, QueueError> {
        let mut collect = self.scripts.collect.prepare_invoke();
        collect.key(&self.keys.reports);
        collect.arg(HUBS).arg(self.lease_millis()).arg(most);
        self.links.invoke(&collect).await
    }

    pub(super) async fn telling(&self, most: usize, wait: Duration) -> Result<Vec<Told>, QueueError> {
        let read = Waiting {
            streams: std::slice::from_ref(&self.keys.reports),
            group: HUBS,
            reader: HUBS,
            most,
        };
        let entries = self.links.wait_for(read, wait).await?;
        Ok(entries.into_iter().map(|entry| (entry.id, entry.body)).collect())
    }

    /// What was told, as reports. What is none is removed.
    pub(super) async fn received(&self, told: Vec<Told>) -> Result<Vec<Received>, QueueError> {
        let (mut received, mut damaged) = (Vec::with_capacity(told.len()), Vec::new());
        for (receipt, report) in told {
            match serde_json::from_str::<Report>(&report) {
                Ok(report) => received.push(Received { report, receipt }),
                Err(_) => damaged.push(receipt),
            }
        }
        if !damaged.is_empty() {
            self.remove(&self.keys.reports, HUBS, &damaged).await?;
        }
        Ok(received)
    }
}
