//! The engine that is loaded and at work: one at a time, by revision.

use crate::{
    fault,
    materialise::materialise,
    memory::Allowance,
    models_folder::ModelsFolder,
    seal::{Seal, Sealed},
};
use domain::{
    digest::Sha256, grant::Grant, hardware::Need, model::Artifact, names::ModelName, order::Fault, worker,
};
use engine::{Engine, EngineHandle, EngineThread, LoadOptions};
use exchange::{blobs::Blobs, grant::GrantError, queue::Preference};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

/// How often a model is loaded whose files change meanwhile. A link to the same blob that another worker makes counts
/// as a change too, so the first one need not mean anything.
const LOADS: usize = 3;

pub(crate) struct Models {
    folder: ModelsFolder,
    blobs: Arc<dyn Blobs>,
    options: LoadOptions,
    allowance: Allowance,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    loaded: Option<Loaded>,
    /// An engine of before that still works at what it was asked.
    ending: Option<JoinHandle<()>>,
}

struct Loaded {
    model: ModelName,
    revision: Sha256,
    since: Instant,
    /// The files, which are mapped for as long as the engine lives.
    sealed: Sealed,
    engine: EngineThread,
    /// How many orders it may have in work.
    orders: usize,
}

impl Models {
    pub(crate) fn new(
        folder: ModelsFolder,
        blobs: Arc<dyn Blobs>,
        options: LoadOptions,
        allowance: Allowance,
    ) -> Self {
        Self {
            folder,
            blobs,
            options,
            allowance,
            held: Mutex::default(),
        }
    }

    /// The engine of the grant's revision, loaded from files that were hashed, are the manifest's and those that the
    /// grant names, and have not been written to since.
    pub(crate) async fn engine(&self, grant: &Grant, need: Option<Need>) -> Result<EngineHandle, Fault> {
        let mut held = self.held.lock().await;
        let there = held
            .loaded
            .as_ref()
            .filter(|there| there.revision == grant.revision_sha256 && !there.engine.is_over());
        if let Some(there) = there.filter(|there| there.sealed.seals.iter().all(Seal::holds)) {
            agree(&there.sealed, grant)?;
            return Ok(there.engine.handle().clone());
        }
        held.make_room().await;
        let new = self.load(grant, need).await?;
        let engine = new.engine.handle().clone();
        held.loaded = Some(new);
        Ok(engine)
    }

    /// What is in memory; nothing while it changes.
    pub(crate) fn loaded(&self) -> Option<worker::Loaded> {
        let held = self.held.try_lock().ok()?;
        Some(held.loaded.as_ref()?.what())
    }

    /// Orders of the model that is loaded come first, until it has been there for `stay` and others had to wait. While it
    /// works at some, and is not to go yet, others are not taken. Nothing is, while it changes or has as many as it may have.
    pub(crate) fn preference(&self, stay: Duration, at_work: usize) -> Option<Preference> {
        let held = self.held.try_lock();
        let there = held.as_ref().ok().and_then(|held| held.loaded.as_ref());
        let Some(there) = there else {
            return (at_work == 0).then_some(Preference::Any);
        };
        if at_work >= there.orders {
            return None;
        }
        let revision = there.revision;
        Some(match at_work {
            _ if there.since.elapsed() >= stay => Preference::Last(revision),
            0 => Preference::First(revision),
            _ => Preference::Only(revision),
        })
    }

    async fn load(&self, grant: &Grant, need: Option<Need>) -> Result<Loaded, Fault> {
        let revision = grant.revision_sha256;
        let mut load = 1;
        loop {
            let sealed = materialise(&self.folder, &*self.blobs, revision).await?;
            agree(&sealed, grant)?;
            let (place, options) = (weights_of(&sealed), self.options.clone());
            let loading = spawn_blocking(move || Engine::load(&place, &options));
            let engine = loading.await.map_err(|_| fault::of_panic())?;
            // Asked before the engine's own opinion: what was changed may well be what it stumbles over.
            match sealed.broken() {
                None => {
                    let engine = engine.map_err(|error| fault::of_load(&error))?;
                    let schedule = self.allowance.schedule(&engine, need);
                    let orders = self.allowance.orders(&engine, schedule);
                    let engine = EngineThread::start(engine, schedule);
                    return Ok(Loaded {
                        model: grant.model.clone(),
                        since: Instant::now(),
                        revision,
                        sealed,
                        engine: engine.map_err(|error| fault::passing("engine_failed", error))?,
                        orders,
                    });
                }
                Some(file) if load == LOADS => return Err(fault::of_changing_model(&file)),
                Some(file) => tracing::warn!(file = %file.display(), "a file changed while it was loaded"),
            }
            load += 1;
        }
    }
}

impl Loaded {
    fn what(&self) -> worker::Loaded {
        worker::Loaded {
            model: self.model.clone(),
            revision_sha256: self.revision,
        }
    }
}

impl Held {
    /// Two sets of weights may not fit into memory: the old one goes before the new one comes, and before that it ends what
    /// it was asked.
    async fn make_room(&mut self) {
        if let Some(Loaded { engine, sealed, .. }) = self.loaded.take() {
            self.ending = Some(spawn_blocking(move || {
                engine.end();
                // Its files were mapped until now.
                drop(sealed);
            }));
        }
        if let Some(ending) = &mut self.ending
            && let Err(error) = ending.await
        {
            tracing::error!(%error, "an engine did not end as it should");
        }
        self.ending = None;
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
    if there.artifacts_sha256 != grant.artifacts_sha256 {
        return mismatch("artifacts_sha256");
    }
    let is_there = |terms| there.artifacts.iter().any(|artifact| artifact.sha256 == terms);
    match grant.terms_sha256.is_none_or(is_there) {
        true => Ok(()),
        false => mismatch("terms_sha256"),
    }
}
