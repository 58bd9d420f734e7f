//! Counts tokens as the engine does, from the texts of a revision in the blobs.

use anyhow::Context as _;
use async_trait::async_trait;
use domain::{digest::Sha256, model::Artifact};
use engine::{
    config::Config,
    prompt::{Conversation, build},
    texts,
    tokenizer::Tokenizer,
};
use exchange::blobs::Blobs;
use hub::prompt_tokens::PromptTokens;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::spawn_blocking;

/// The ids of a prompt that stand for the image before its rows take their place.
const IDS_OF_IMAGE: usize = 3;

/// See the module's text. What was read last is kept.
pub struct EngineTokens {
    blobs: Arc<dyn Blobs>,
    scratch: PathBuf,
    last: Mutex<Option<(Sha256, Arc<Reader>)>>,
}

/// What a revision makes of a text.
struct Reader {
    tokenizer: Tokenizer,
    image_rows: usize,
}

impl Reader {
    fn load(folder: &Path) -> anyhow::Result<Self> {
        let (config, tokenizer) = (Config::load(folder)?, Tokenizer::load(folder)?);
        Ok(Self {
            tokenizer,
            image_rows: config.vision.image_rows(),
        })
    }

    fn count(&self, question: &str) -> anyhow::Result<u64> {
        let prompt = build(&Conversation::question(question, true)?, &self.tokenizer)?;
        let tokens = (prompt.ids.len() + self.image_rows).saturating_sub(IDS_OF_IMAGE);
        Ok(tokens as u64)
    }
}

impl EngineTokens {
    /// `scratch` is a folder for texts while they are read.
    pub fn new(blobs: Arc<dyn Blobs>, scratch: PathBuf) -> Self {
        Self {
            blobs,
            scratch,
            last: Mutex::default(),
        }
    }

    async fn reader(&self, revision: Sha256, artifacts: &[Artifact]) -> anyhow::Result<Option<Arc<Reader>>> {
        if let Some((known, reader)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && *known == revision
        {
            return Ok(Some(reader.clone()));
        }
        let folder = tempfile::tempdir_in(&self.scratch).context("the scratch folder")?;
        for name in texts::NAMES {
            if let Some(file) = artifacts.iter().find(|artifact| artifact.path == name) {
                self.blobs.fetch(file.sha256, &folder.path().join(name)).await?;
            }
        }
        let is_there = |name: &&str| folder.path().join(name).exists();
        if !["config.json", "tokenizer.model", "tokenizer_config.json"]
            .iter()
            .all(is_there)
        {
            return Ok(None);
        }
        let reader = Arc::new(spawn_blocking(move || Reader::load(folder.path())).await??);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, reader.clone()));
        Ok(Some(reader))
    }
}

#[async_trait]
impl PromptTokens for EngineTokens {
    async fn count(
        &self,
        revision: Sha256,
        artifacts: &[Artifact],
        questions: Vec<String>,
    ) -> anyhow::Result<Option<Vec<u64>>> {
        let Some(reader) = self.reader(revision, artifacts).await? else {
            return Ok(None);
        };
        let counted = spawn_blocking(move || {
            let counts = questions.iter().map(|question| reader.count(question));
            counts.collect::<anyhow::Result<Vec<u64>>>()
        });
        Ok(Some(counted.await??))
    }
}
