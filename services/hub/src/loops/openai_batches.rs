//! Batches of requests in OpenAI's form: their files are checked, become jobs, and their answers become files.
//! What is done at a batch is in [`crate::openai::bulk`]; this calls it.

use super::{Outcome, Step, drive};
use crate::openai::bulk::{self, BulkParts};
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// See the module's text. Several may run at once, in one process or many: each holds the batch that it works at.
pub struct OpenaiBatches(BulkParts);

impl OpenaiBatches {
    /// A loop over `parts`.
    pub fn new(parts: BulkParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.0.settings.idle();
        drive(self, idle, &Notify::new(), shutdown).await;
    }
}

#[async_trait]
impl Step for OpenaiBatches {
    const NAME: &'static str = "openai_batches";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        match bulk::step(&self.0).await? {
            true => Ok(Outcome::Worked),
            false => Ok(Outcome::Idle),
        }
    }
}
