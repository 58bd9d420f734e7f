//! What a request takes of the context, counted before anything is computed.

use super::{Engine, EngineError};
use crate::glm4v::Splice;
use crate::prompt::{Conversation, Prompt, build};

/// Tokens of an answer for which no number is given, if the context has room for them.
pub const DEFAULT_NEW_TOKENS: usize = 1024;

/// A request that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Tokens of the prompt, the image counted by its rows.
    pub prompt_tokens: usize,
    /// Of these the image's; 0 without one.
    pub image_tokens: usize,
    /// Tokens that the answer may have.
    pub max_new_tokens: usize,
}

/// A prompt with what is needed to take it in.
#[derive(Debug)]
pub(super) struct Plan {
    pub prompt: Prompt,
    pub splice: Splice,
    pub fit: Fit,
}

impl Engine {
    /// Counts a conversation and its answer against the context. Without a number the answer may have
    /// [`DEFAULT_NEW_TOKENS`], or what is left.
    pub fn check_fit(
        &self,
        conversation: &Conversation,
        max_new_tokens: Option<usize>,
    ) -> Result<Fit, EngineError> {
        Ok(self.plan(conversation, max_new_tokens)?.fit)
    }

    pub(super) fn plan(
        &self,
        conversation: &Conversation,
        max_new: Option<usize>,
    ) -> Result<Plan, EngineError> {
        let prompt = build(conversation, &self.tokenizer)?;
        let vocabulary = self.config.vocabulary;
        if let Some(&id) = prompt.ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(EngineError::ForeignToken { id, vocabulary });
        }
        let splice = Splice::new(prompt.ids.len(), prompt.image_at, self.image_tokens());
        let image_tokens = if prompt.image_at.is_some() {
            self.image_tokens()
        } else {
            0
        };
        let fit = self.fit(splice.rows(), image_tokens, max_new)?;
        Ok(Plan { prompt, splice, fit })
    }

    fn fit(
        &self,
        prompt_tokens: usize,
        image_tokens: usize,
        max_new: Option<usize>,
    ) -> Result<Fit, EngineError> {
        let context_length = self.config.context;
        let room = context_length.saturating_sub(prompt_tokens);
        let max_new_tokens = max_new.unwrap_or(DEFAULT_NEW_TOKENS.min(room).max(1));
        if max_new_tokens == 0 {
            return Err(EngineError::NothingAsked);
        }
        if prompt_tokens > context_length || max_new_tokens > room {
            return Err(EngineError::DoesNotFit {
                prompt_tokens,
                image_tokens,
                max_new_tokens,
                context_length,
            });
        }
        Ok(Fit {
            prompt_tokens,
            image_tokens,
            max_new_tokens,
        })
    }
}
