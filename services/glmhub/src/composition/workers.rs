//! Workers of one process.

use super::upkeep::keep_up;
use crate::config::WorkerSettings;
use domain::{
    clock::SharedClock,
    id::{IdMaker, WorkerId},
};
use exchange::{blobs::Blobs, queue::Queue, signing::VerifyingKeys};
use pages::Limits;
use runner::{Computing, ModelsFolder, Worker, WorkerParts};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What workers are made of.
pub struct Workers {
    pub queue: Arc<dyn Queue>,
    pub blobs: Arc<dyn Blobs>,
    pub keys: VerifyingKeys,
    pub clock: SharedClock,
    pub ids: IdMaker,
    /// Where revisions are laid out.
    pub models: ModelsFolder,
    /// How large a page may be.
    pub limits: Limits,
    pub settings: WorkerSettings,
    /// The model, except where it is measured what is around it.
    pub computing: Computing,
}

impl Workers {
    /// Starts as many as the settings say, in `set`, until `ends`.
    pub fn start(&self, set: &mut JoinSet<()>, ends: &CancellationToken) -> anyhow::Result<()> {
        for _ in 0..self.settings.count {
            let worker = Arc::new(self.one()?);
            keep_up(set, "worker", ends, move |ends| {
                let worker = worker.clone();
                async move { worker.run(ends).await }
            });
        }
        Ok(())
    }

    /// A worker that has loaded nothing yet.
    fn one(&self) -> anyhow::Result<Worker> {
        let settings = self.settings.runner(self.computing).map_err(anyhow::Error::msg)?;
        Ok(Worker::new(WorkerParts {
            id: self.ids.make::<WorkerId>(),
            about: self.settings.about().map_err(anyhow::Error::msg)?,
            queue: self.queue.clone(),
            blobs: self.blobs.clone(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            models: self.models.clone(),
            limits: self.limits,
            settings,
        }))
    }
}
