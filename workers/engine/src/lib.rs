//! GLM-4V on candle: a page and a question go in, the model's exact answer comes out.
//!
//! [`Engine::load`] reads a model's folder or GGUF file; [`Engine::encode_page`] sends a page through the vision tower;
//! [`Engine::open_page`] lets several questions share its rows; [`Engine::answer`] answers. A [`Scheduler`] does it for many
//! pages and questions at once.
//!
//! It is computed on the processor by our own kernels, or on a [`device::Device`] by candle's operators; see `ops`.
//!
//! Weights, memory and request are three things: the model is only read, a [`cache::Cache`] belongs to one
//! conversation, and a request holds everything else.

pub mod cache;
pub mod config;
pub mod device;
mod engine;
pub mod gguf;
pub mod glm4v;
pub mod image;
pub mod kv;
pub mod limits;
mod map;
mod ops;
pub mod parts;
pub mod precision;
pub mod prompt;
pub mod quantise;
pub mod sampling;
pub mod texts;
pub mod tokenizer;
pub mod weights;

pub use engine::{
    Answer, Audience, DEFAULT_NEW_TOKENS, EncodedPage, Engine, EngineError, EngineHandle, EngineThread,
    FinishReason, Fit, LoadError, LoadOptions, Over, Page, PageSession, Parameters, PixelValues, Progress,
    Question, Request, Schedule, Scheduler, Timings, Token, TopLogprob,
};
pub use glm4v::TOGETHER;
pub use weights::WeightType;
