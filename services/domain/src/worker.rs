//! What a worker says of itself: it has no database, so it tells the hub through the queue.

use crate::{digest::Sha256, hardware::Room, id::WorkerId, names::ModelName};
use serde::{Deserialize, Serialize};

/// A worker, as it describes itself from time to time. Nobody else vouches for it: it is for people who run the hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Who says it.
    pub worker: WorkerId,
    /// The version of its program.
    pub version: String,
    /// What it computes on, such as `cpu`.
    pub device: String,
    /// What it has for a model.
    #[serde(flatten)]
    pub room: Room,
    /// The revisions that it has in memory.
    pub loaded: Vec<Loaded>,
    /// How fast it has been, by revision.
    pub speeds: Vec<Speed>,
}

/// A revision in a worker's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Its model.
    pub model: ModelName,
    /// The revision.
    pub revision_sha256: Sha256,
}

/// How fast a worker has been with a revision since it started, measured on its own answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// The model.
    pub model: ModelName,
    /// The revision.
    pub revision_sha256: Sha256,
    /// Pages all of whose questions were done with.
    pub pages: u64,
    /// Those pages by the time that the worker was at them, fetching and loading included.
    pub pages_per_minute: f64,
    /// Tokens of answers by the time that the engine took for them.
    pub tokens_per_second: f64,
}
