//! The engine: a loaded model that encodes pages and answers conversations.

mod answer;
mod error;
mod fit;
mod page;
mod scheduler;
mod stops;
mod writing;

use std::path::Path;

use shapes::Vocabulary;

pub use answer::{Answer, FinishReason, Parameters, Timings, Token, TopLogprob};
pub use error::{EngineError, LoadError};
pub use fit::{DEFAULT_NEW_TOKENS, Fit};
pub use page::{EncodedPage, PageSession, PixelValues, Progress};
pub use scheduler::{
    Audience, EngineHandle, EngineThread, Over, Page, Question, Request, Schedule, Scheduler,
};

use crate::config::{Config, end_ids};
use crate::device::Device;
use crate::glm4v::{Glm4v, TOGETHER};
use crate::kv::KvType;
use crate::precision::TowerPrecision;
use crate::quantise::is_synthetic;
use crate::tokenizer::Tokenizer;
use crate::weights::{WeightType, Weights};

/// How to load a model.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    pub dtype: WeightType,
    /// Where it is computed.
    pub device: Device,
    /// What keys and values are kept in; none: exact where the kernels compute, in half of the bits on cards.
    pub kv: Option<KvType>,
    /// What the tower multiplies with weights that are not quantised in.
    pub tower: TowerPrecision,
    /// Whether a file whose weights are noise may be loaded: to measure with, never to answer with.
    pub synthetic: bool,
    /// Questions that are answered at a time, of [`TOGETHER`] at most: each has a memory of its own.
    pub at_once: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            dtype: WeightType::default(),
            device: Device::default(),
            kv: None,
            tower: TowerPrecision::default(),
            synthetic: false,
            at_once: TOGETHER,
        }
    }
}

impl LoadOptions {
    /// The same for so many questions at once.
    pub fn answering(self, at_once: usize) -> Result<Self, String> {
        if (1..=TOGETHER).contains(&at_once) {
            Ok(Self { at_once, ..self })
        } else {
            Err(format!("{at_once} is not from 1 to {TOGETHER}"))
        }
    }
}

/// A loaded model. It is only read from, so several threads may ask it at once.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    tokenizer: Tokenizer,
    end_ids: Vec<u32>,
    tokenless: Vec<u32>,
    vocabulary: Vocabulary,
    at_once: usize,
    model: Glm4v,
}

impl Engine {
    /// Loads a GGUF file that was made here, or a model's folder in the original layout: `config.json`, `tokenizer.model`, `tokenizer_config.json`,
    /// safetensors with or without an index, and `generation_config.json` if there is one. Every tensor's name,
    /// shape and values are checked.
    pub fn load(dir: &Path, options: &LoadOptions) -> Result<Engine, LoadError> {
        if !options.synthetic && is_synthetic(dir) {
            return Err(LoadError::Synthetic { path: dir.to_owned() });
        }
        let config = Config::load(dir)?;
        let tokenizer = Tokenizer::load(dir)?;
        let end_ids = end_ids(dir, &config)?;
        let mut weights = Weights::open(dir, options.dtype)?
            .on(options.device, options.kv)?
            .tower_in(options.tower);
        let model = Glm4v::new(&config, &mut weights)?;
        weights.finish()?;
        let tokenless = tokenizer.tokenless(config.vocabulary as u32);
        let words = (0..config.vocabulary as u32).map(|id| tokenizer.bytes(id).to_vec());
        let vocabulary = Vocabulary::new(words.collect(), end_ids.first().copied().unwrap_or_default());
        tracing::debug!(layers = config.layers, context = config.context, dtype = ?options.dtype, device = %options.device, "model loaded");
        Ok(Engine {
            config,
            tokenizer,
            end_ids,
            tokenless,
            vocabulary,
            at_once: options.at_once.clamp(1, TOGETHER),
            model,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The architecture alone, for who wants its intermediate tensors.
    pub fn model(&self) -> &Glm4v {
        &self.model
    }

    /// Tokens that prompt, image and answer may have together.
    pub fn context_length(&self) -> usize {
        self.config.context
    }

    /// Tokens that an image counts.
    pub fn image_tokens(&self) -> usize {
        self.config.vision.image_rows()
    }

    /// The ids that end an answer.
    pub fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }
}
