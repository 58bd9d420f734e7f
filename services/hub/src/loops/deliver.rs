//! Deliver: events go out to webhook endpoints, signed, as often as it takes.
//!
//! Every delivery is sent by itself; a slow receiver holds up only what goes to it, for no endpoint has more than its
//! share of the sends under way. A delivery is claimed before it is sent and settled after: should the process die in
//! between, it is sent again under the same `webhook-id`, and the receiver can tell.

mod send;
mod signer;

use super::{Outcome, Step, drive};
use crate::{
    outgoing::Outgoing, randomness::Randomness, signals::Signals, webhook_settings::WebhookSettings,
};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    id::{IdMaker, WebhookEndpointId},
};
use records::{Db, webhooks::sending};
use signer::Signer;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// How many endpoints are looked at in one step.
const PORTION: u32 = 100;
/// How long sends under way may take to end at shutdown. What has not ended is sent again at the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// What deliver works with.
#[derive(Clone)]
pub struct DeliverParts {
    /// The records.
    pub db: Db,
    /// Sends, behind the guard.
    pub outgoing: Outgoing,
    /// What the URLs in events begin with.
    pub base_url: String,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// Spreads retries.
    pub randomness: Randomness,
    /// The limits.
    pub settings: Arc<WebhookSettings>,
    /// Wakes deliver.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Deliver {
    parts: Arc<DeliverParts>,
    sends: JoinSet<()>,
    under_way: HashMap<Id, WebhookEndpointId>,
    last: Option<WebhookEndpointId>,
}

impl Deliver {
    /// A deliver with nothing under way.
    pub fn new(parts: DeliverParts) -> Self {
        Self {
            parts: Arc::new(parts),
            sends: JoinSet::new(),
            under_way: HashMap::new(),
            last: None,
        }
    }

    /// Makes due again what an earlier process was sending. Only for the start of a process that is the only one.
    pub async fn at_start(&self) -> anyhow::Result<()> {
        Ok(sending::release_claims(&self.parts.db, self.parts.clock.now()).await?)
    }

    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let (signals, idle) = (self.parts.signals.clone(), self.parts.settings.idle());
        drive(&mut self, idle, &signals.deliver, shutdown).await;
        if tokio::time::timeout(DRAIN, self.settle()).await.is_err() {
            tracing::info!(
                sends = self.sends.len(),
                "webhooks under way are sent again at the next start"
            );
        }
    }

    /// Begins to send what is due and has room, and does not wait for it: see [`Deliver::settle`].
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        while let Some(ended) = self.sends.try_join_next_with_id() {
            self.forget(ended.map(|(id, ())| id));
        }
        let settings = &self.parts.settings;
        if self.sends.len() >= settings.sends_at_once {
            return Ok(Outcome::Idle);
        }
        let (db, now) = (self.parts.db.clone(), self.parts.clock.now());
        let endpoints = sending::due_endpoints(&db, now, self.last, PORTION).await?;
        let whole_round = endpoints.len() < PORTION as usize;
        self.last = endpoints.last().copied().filter(|_| !whole_round);
        let mut begun = 0;
        for endpoint in endpoints {
            begun += self.begin(endpoint).await?;
        }
        Ok(if begun > 0 || !whole_round {
            Outcome::Worked
        } else {
            Outcome::Idle
        })
    }

    /// Waits until nothing is under way.
    pub async fn settle(&mut self) {
        while let Some(ended) = self.sends.join_next_with_id().await {
            self.forget(ended.map(|(id, ())| id));
        }
    }

    /// Begins to send what is due to `endpoint`, as far as there is room. Gives how many.
    async fn begin(&mut self, endpoint: WebhookEndpointId) -> anyhow::Result<usize> {
        let settings = &self.parts.settings;
        let share = self
            .under_way
            .values()
            .filter(|&&other| other == endpoint)
            .count();
        let room = settings
            .sends_at_once
            .saturating_sub(self.sends.len())
            .min(settings.sends_at_once_per_endpoint.saturating_sub(share));
        if room == 0 {
            return Ok(0);
        }
        let now = self.parts.clock.now();
        let claimed = sending::claim(&self.parts.db, now, now + settings.claim(), endpoint, room).await?;
        let Some(portion) = claimed else { return Ok(0) };
        let count = portion.deliveries.len();
        let signer = Arc::new(Signer::of(portion.choices, portion.keys)?);
        for delivery in portion.deliveries {
            let (parts, signer) = (self.parts.clone(), signer.clone());
            let sending = async move {
                send::deliver(&parts, endpoint, &signer, delivery).await;
                parts.signals.deliver.notify_one();
            };
            self.under_way.insert(self.sends.spawn(sending).id(), endpoint);
        }
        Ok(count)
    }

    fn forget(&mut self, ended: Result<Id, tokio::task::JoinError>) {
        let id = ended.unwrap_or_else(|panicked| {
            tracing::error!("sending a webhook panicked; it is sent again when its claim ends");
            panicked.id()
        });
        self.under_way.remove(&id);
    }
}

#[async_trait]
impl Step for &mut Deliver {
    const NAME: &'static str = "deliver";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Deliver::step(self).await
    }
}

#[cfg(test)]
mod receiver;
#[cfg(test)]
mod tests;
