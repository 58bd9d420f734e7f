//! The engine that is loaded: one at a time, by revision.

use crate::{fault, materialise::materialise};
use domain::{digest::Sha256, order::Fault};
use engine::{Engine, LoadOptions};
use exchange::blobs::Blobs;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

pub(crate) struct Models {
    folder: PathBuf,
    blobs: Arc<dyn Blobs>,
    options: LoadOptions,
    loaded: Mutex<Option<(Sha256, Arc<Engine>)>>,
}

impl Models {
    pub(crate) fn new(folder: PathBuf, blobs: Arc<dyn Blobs>, options: LoadOptions) -> Self {
        Self {
            folder,
            blobs,
            options,
            loaded: Mutex::new(None),
        }
    }

    /// The engine of `revision`, loaded from files that were checked against its manifest.
    pub(crate) async fn engine(&self, revision: Sha256) -> Result<Arc<Engine>, Fault> {
        let mut loaded = self.loaded.lock().await;
        if let Some((_, engine)) = loaded.as_ref().filter(|(of, _)| *of == revision) {
            return Ok(engine.clone());
        }
        // Two sets of weights may not fit into memory: the old one goes before the new one comes.
        *loaded = None;
        let folder = materialise(&self.folder, &*self.blobs, revision).await?;
        let options = self.options.clone();
        let loading = tokio::task::spawn_blocking(move || Engine::load(&folder, &options));
        let engine = match loading.await {
            Ok(engine) => Arc::new(engine.map_err(|error| fault::of_load(&error))?),
            Err(_) => return Err(fault::of_panic()),
        };
        *loaded = Some((revision, engine.clone()));
        Ok(engine)
    }
}
