//! Whether files are a checkpoint that workers can run, as the engine finds. The binary brings it: a hub has no engine.

use async_trait::async_trait;
use domain::hardware::Need;
use std::path::Path;

/// Looks at checkpoints.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// What the files in `folder` are. Weights need not be there beyond their headers, in files as long as the whole. The
    /// inner error: they are no checkpoint, in words for who brought them.
    async fn look(&self, folder: &Path) -> anyhow::Result<Result<Checkpoint, String>>;
}

/// A checkpoint that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The names of its files in the folder.
    pub files: Vec<String>,
    /// Files of the revision that its weights hold within them, with their names.
    pub texts: Vec<(String, Vec<u8>)>,
    /// What it takes in memory.
    pub need: Need,
    /// The exact text of its `LICENSE`.
    pub terms: Option<String>,
}
