//! Seal: entries of the audit log become leaves of its tree, under a signed checkpoint.
//!
//! An entry that is not sealed yet could still be altered unseen: the interval is how long that lasts.

use super::{Outcome, Step, drive};
use crate::audit_settings::AuditSettings;
use async_trait::async_trait;
use domain::{clock::SharedClock, digest::Sha256};
use exchange::{checkpoint, signing::SigningKey};
use records::{Db, audit::sealing};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What sealing works with.
#[derive(Clone)]
pub struct SealParts {
    /// The records.
    pub db: Db,
    /// Signs checkpoints.
    pub key: Arc<SigningKey>,
    /// Tells the time.
    pub clock: SharedClock,
    /// The log's name, and how often.
    pub settings: Arc<AuditSettings>,
}

/// See the module's text. Several may run at once, in one process or many: the records let one seal at a time.
pub struct Seal(SealParts);

impl Seal {
    /// A sealer over `parts`.
    pub fn new(parts: SealParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let interval = self.0.settings.interval();
        drive(self, interval, &Notify::new(), shutdown).await;
    }

    /// Seals what waits, up to the most in one transaction.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let SealParts {
            db,
            key,
            clock,
            settings,
        } = &self.0;
        let sign = |size: u64, root: &Sha256| {
            checkpoint::sign(key, &settings.origin, size, root).map_err(|error| error.to_string())
        };
        let sealed = sealing::seal(db, clock.now(), settings.most_entries, sign).await?;
        metrics::counter!("glmhub_audit_entries_sealed_total").increment(sealed.into());
        // Less than a portion: the next entries are gathered for an interval, under one checkpoint.
        Ok(match sealed == settings.most_entries {
            true => Outcome::Worked,
            false => Outcome::Idle,
        })
    }
}

#[async_trait]
impl Step for Seal {
    const NAME: &'static str = "seal";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Seal::step(self).await
    }
}
