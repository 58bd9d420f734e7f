//! Choosing the tokens of one answer.

use std::ops::ControlFlow;

use super::answer::{Answer, FinishReason, Parameters, Timings, Token, TopLogprob};
use super::fit::Plan;
use super::{Engine, EngineError};
use crate::sampling::{Sampler, SamplingError, top_logprobs};
use crate::tokenizer::DecodeStream;

/// An answer in the making.
pub(super) struct Writing<'a> {
    engine: &'a Engine,
    parameters: &'a Parameters,
    max_new_tokens: usize,
    sampler: Sampler,
    stream: DecodeStream<'a>,
    /// Ids of the prompt and of the answer so far: what a repetition penalty looks at.
    history: Vec<u32>,
    token_ids: Vec<u32>,
    text: String,
    /// Whether a newline would be the one that the model begins with.
    at_start: bool,
    top_logprobs: Vec<Vec<TopLogprob>>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(engine: &'a Engine, plan: &Plan, parameters: &'a Parameters, sampler: Sampler) -> Self {
        Self {
            engine,
            parameters,
            max_new_tokens: plan.fit.max_new_tokens,
            sampler,
            stream: engine.tokenizer.stream(),
            history: plan.prompt.ids.clone(),
            token_ids: Vec::new(),
            text: String::new(),
            at_start: true,
            top_logprobs: Vec::new(),
        }
    }

    /// Chooses the next token from the logits and shows it; gives its id, or why the answer ends.
    pub(super) fn go_on(
        &mut self,
        logits: &mut [f32],
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<ControlFlow<FinishReason, u32>, EngineError> {
        let Some(token) = self.choose(logits)? else {
            return Ok(ControlFlow::Break(FinishReason::Stop));
        };
        if observe(&token).is_break() {
            return Ok(ControlFlow::Break(FinishReason::Cancelled));
        }
        if self.token_ids.len() == self.max_new_tokens {
            return Ok(ControlFlow::Break(FinishReason::Length));
        }
        Ok(ControlFlow::Continue(token.id))
    }

    /// The next token, or `None` where the model ends the answer.
    fn choose(&mut self, logits: &mut [f32]) -> Result<Option<Token>, EngineError> {
        let tokens = self.token_ids.len();
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(EngineError::NotFinite { tokens });
        }
        let alternatives = self.alternatives(logits);
        let id = self
            .sampler
            .choose(logits, &self.history)
            .map_err(|error| match error {
                SamplingError::NotANumber => EngineError::NotFinite { tokens },
                error => EngineError::Sampling(error),
            })?;
        if !self.parameters.ignore_eos && self.engine.end_ids.contains(&id) {
            return Ok(None);
        }
        if self.parameters.top_logprobs > 0 {
            self.top_logprobs.push(alternatives);
        }
        self.history.push(id);
        self.token_ids.push(id);
        let piece = self.stream.push(id);
        let text = self.add(piece);
        Ok(Some(Token {
            id,
            text,
            index: tokens,
        }))
    }

    fn alternatives(&self, logits: &[f32]) -> Vec<TopLogprob> {
        if self.parameters.top_logprobs == 0 {
            return Vec::new();
        }
        let likeliest = top_logprobs(logits, self.parameters.top_logprobs).into_iter();
        likeliest
            .map(|(id, logprob)| TopLogprob {
                id,
                token: self.engine.tokenizer.token(id),
                logprob,
            })
            .collect()
    }

    /// Adds to the text, without the newline that the model begins with, and gives what was added.
    fn add(&mut self, piece: String) -> String {
        let added = match piece.strip_prefix('\n') {
            Some(rest) if self.at_start => rest.to_owned(),
            _ => piece.clone(),
        };
        self.at_start &= piece.is_empty();
        self.text.push_str(&added);
        added
    }

    pub(super) fn into_answer(mut self, plan: Plan, finish_reason: FinishReason, timings: Timings) -> Answer {
        let stream = std::mem::replace(&mut self.stream, self.engine.tokenizer.stream());
        let rest = stream.finish();
        self.add(rest);
        Answer {
            text: self.text,
            token_ids: self.token_ids,
            prompt_token_ids: plan.prompt.ids,
            image_tokens: plan.fit.image_tokens,
            finish_reason,
            timings,
            top_logprobs: self.top_logprobs,
        }
    }
}
