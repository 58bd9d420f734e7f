//! How many tokens a model reads, as its own tokenizer counts them.

use async_trait::async_trait;
use domain::{digest::Sha256, model::Artifact};

/// Asks tokenizers of revisions.
#[async_trait]
pub trait PromptTokens: Send + Sync {
    /// How many tokens the model reads for each of `questions` about one page, the page's own among them: what its answer
    /// will report. `None`: the tokenizer of the revision is no file of its own.
    async fn count(
        &self,
        revision: Sha256,
        artifacts: &[Artifact],
        questions: Vec<String>,
    ) -> anyhow::Result<Option<Vec<u64>>>;
}
