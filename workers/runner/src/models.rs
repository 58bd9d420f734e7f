//! The engine that is loaded: one at a time, by revision.

use crate::{
    fault,
    materialise::materialise,
    models_folder::ModelsFolder,
    seal::{Seal, Sealed},
};
use domain::{
    digest::Sha256,
    grant::Grant,
    model::{Artifact, artifacts_digest},
    names::ModelName,
    order::Fault,
    worker,
};
use engine::{Engine, LoadOptions};
use exchange::{blobs::Blobs, grant::GrantError, queue::Preference};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// How often a model is loaded whose files change meanwhile. A link to the same blob that another worker makes counts
/// as a change too, so the first one need not mean anything.
const LOADS: usize = 3;

pub(crate) struct Models {
    folder: ModelsFolder,
    blobs: Arc<dyn Blobs>,
    options: LoadOptions,
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    model: ModelName,
    revision: Sha256,
    since: Instant,
    /// The files, which are mapped for as long as the engine lives.
    sealed: Sealed,
    engine: Arc<Engine>,
}

impl Models {
    pub(crate) fn new(folder: ModelsFolder, blobs: Arc<dyn Blobs>, options: LoadOptions) -> Self {
        Self {
            folder,
            blobs,
            options,
            loaded: Mutex::new(None),
        }
    }

    /// The engine of the grant's revision, loaded from files that were hashed, are the manifest's and those that the
    /// grant names, and have not been written to since.
    pub(crate) async fn engine(&self, grant: &Grant) -> Result<Arc<Engine>, Fault> {
        let mut loaded = self.loaded.lock().await;
        let there = loaded
            .as_ref()
            .filter(|there| there.revision == grant.revision_sha256);
        if let Some(there) = there.filter(|there| there.sealed.seals.iter().all(Seal::holds)) {
            agree(&there.sealed, grant)?;
            return Ok(there.engine.clone());
        }
        // Two sets of weights may not fit into memory: the old one goes before the new one comes.
        *loaded = None;
        let new = self.load(grant).await?;
        let engine = new.engine.clone();
        *loaded = Some(new);
        Ok(engine)
    }

    /// What is in memory, and since when; nothing while it changes.
    pub(crate) fn loaded(&self) -> Option<(worker::Loaded, Instant)> {
        let loaded = self.loaded.try_lock().ok()?;
        let there = loaded.as_ref()?;
        let what = worker::Loaded {
            model: there.model.clone(),
            revision_sha256: there.revision,
        };
        Some((what, there.since))
    }

    /// Orders of the model that is loaded come first, until it has been there for `stay` and others had to wait.
    pub(crate) fn preference(&self, stay: Duration) -> Preference {
        match self.loaded() {
            None => Preference::Any,
            Some((loaded, since)) if since.elapsed() < stay => Preference::First(loaded.revision_sha256),
            Some((loaded, _)) => Preference::Last(loaded.revision_sha256),
        }
    }

    async fn load(&self, grant: &Grant) -> Result<Loaded, Fault> {
        let revision = grant.revision_sha256;
        let mut load = 1;
        loop {
            let sealed = materialise(&self.folder, &*self.blobs, revision).await?;
            agree(&sealed, grant)?;
            let (place, options) = (weights_of(&sealed), self.options.clone());
            let loading = tokio::task::spawn_blocking(move || Engine::load(&place, &options));
            let engine = loading.await.map_err(|_| fault::of_panic())?;
            // Asked before the engine's own opinion: what was changed may well be what it stumbles over.
            match sealed.broken() {
                None => {
                    return Ok(Loaded {
                        model: grant.model.clone(),
                        since: Instant::now(),
                        revision,
                        sealed,
                        engine: Arc::new(engine.map_err(|error| fault::of_load(&error))?),
                    });
                }
                Some(file) if load == LOADS => return Err(fault::of_changing_model(&file)),
                Some(file) => tracing::warn!(file = %file.display(), "a file changed while it was loaded"),
            }
            load += 1;
        }
    }
}

/// What the engine loads: a revision's GGUF file, or else its folder.
fn weights_of(there: &Sealed) -> PathBuf {
    let is_gguf = |artifact: &&Artifact| artifact.path.ends_with(".gguf");
    match there.artifacts.iter().find(is_gguf) {
        Some(file) => there.folder.join(&file.path),
        None => there.folder.clone(),
    }
}

/// Refuses to compute with other files than the grant names, or where the terms that it names are not among them: the
/// text of a revision's terms is the one that came with its weights.
fn agree(there: &Sealed, grant: &Grant) -> Result<(), Fault> {
    let mismatch = |field| Err(fault::of_grant(&GrantError::Mismatch { field }));
    if artifacts_digest(&there.artifacts) != grant.artifacts_sha256 {
        return mismatch("artifacts_sha256");
    }
    let is_there = |terms| there.artifacts.iter().any(|artifact| artifact.sha256 == terms);
    match grant.terms_sha256.is_none_or(is_there) {
        true => Ok(()),
        false => mismatch("terms_sha256"),
    }
}
