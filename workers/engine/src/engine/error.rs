//! Why a model cannot be loaded, and why a request gets no answer.

use std::path::PathBuf;

use shapes::{BadShape, OffShape};

use crate::config::ConfigError;
use crate::device::DeviceError;
use crate::glm4v::ComputeError;
use crate::prompt::PromptError;
use crate::sampling::SamplingError;
use crate::tokenizer::TokenizerError;
use crate::weights::WeightsError;

/// A model that cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the weights of {path} are noise, made for measuring: it gives no answers")]
    Synthetic { path: PathBuf },
}

/// A request without an answer. The engine itself is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(
        "the request does not fit: {prompt_tokens} tokens of prompt (of which the image {image_tokens}) and \
         {max_new_tokens} of answer are more than the model's {context_length}; shorten the question or ask for \
         fewer tokens"
    )]
    DoesNotFit {
        prompt_tokens: usize,
        image_tokens: usize,
        max_new_tokens: usize,
        context_length: usize,
    },
    #[error("max_new_tokens is 0: ask for at least one token")]
    NothingAsked,
    #[error("the conversation has an image, but no page was given")]
    NoPage,
    #[error("a page was given, but no message of the conversation has an image")]
    NoImage,
    #[error("the page is {width} x {height} pixels with {bytes} bytes: an RGB page has 3 for each pixel")]
    BadPage { width: u32, height: u32, bytes: usize },
    #[error("the tokenizer gives id {id}, but the model has {vocabulary} rows: they do not belong together")]
    ForeignToken { id: u32, vocabulary: usize },
    #[error(transparent)]
    Sampling(SamplingError),
    #[error(
        "the model computed values that are not finite after {tokens} tokens of the answer: nothing can be said"
    )]
    NotFinite { tokens: usize },
    #[error(transparent)]
    BadShape(#[from] BadShape),
    #[error(transparent)]
    OffShape(#[from] OffShape),
    #[error(
        "the question may come to need {needed} bytes of memory for keys and values, and there are {available}: ask for \
         fewer tokens"
    )]
    NoMemory { needed: u64, available: u64 },
    #[error("the engine panicked")]
    Panicked,
    #[error("the request was cancelled")]
    Cancelled,
    #[error("the computation failed: {0}")]
    Compute(candle_core::Error),
}

impl From<ComputeError> for EngineError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Cancelled => EngineError::Cancelled,
            ComputeError::Tensor(error) => EngineError::Compute(error),
        }
    }
}
