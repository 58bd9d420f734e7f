//! Tidy: uploads into the blobs that somebody began and never finished are given up, and keys of requests forgotten whose
//! time is over, so that they take no space.

use super::{Outcome, Step, drive};
use async_trait::async_trait;
use domain::clock::SharedClock;
use exchange::blobs::Blobs;
use records::{Db, claims};
use std::sync::Arc;
use time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often it is looked: what is left behind is rare and hurts nobody for a while.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// What tidy works with.
#[derive(Clone)]
pub struct TidyParts {
    /// Where keys of requests are.
    pub db: Db,
    /// Where uploads go.
    pub blobs: Arc<dyn Blobs>,
    /// Tells the time.
    pub clock: SharedClock,
    /// How old an upload is that nobody finishes any more.
    pub after: Duration,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Tidy(TidyParts);

impl Tidy {
    /// A tidy over `parts`.
    pub fn new(parts: TidyParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        drive(self, PAUSE, &Notify::new(), shutdown).await;
    }
}

#[async_trait]
impl Step for Tidy {
    const NAME: &'static str = "tidy";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        let now = self.0.clock.now();
        claims::forget(&self.0.db, now).await?;
        let before = now - self.0.after;
        let given_up = self.0.blobs.give_up_unfinished(before).await?;
        if given_up > 0 {
            tracing::info!(uploads = given_up, "uploads that nobody finished were given up");
        }
        Ok(Outcome::Idle)
    }
}
