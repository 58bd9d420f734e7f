//! Choosing the tokens of one answer.

use std::ops::{ControlFlow, Range};

use shapes::Following;

use super::answer::{Answer, FinishReason, Parameters, Timings, Token, TopLogprob};
use super::fit::Plan;
use super::stops::Stops;
use super::{Engine, EngineError};
use crate::sampling::{Sampler, SamplingError, greatest, logprob, top_logprobs};
use crate::tokenizer::DecodeStream;

/// An answer in the making.
pub(super) struct Writing<'a> {
    engine: &'a Engine,
    parameters: Parameters,
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
    logprobs: Vec<TopLogprob>,
    stops: Stops,
    following: Option<Following>,
    /// Bytes of the text before each token.
    before: Vec<usize>,
    /// Where a stop text cut the text.
    cut: Option<usize>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        plan: &Plan,
        parameters: &Parameters,
        sampler: Sampler,
    ) -> Result<Self, EngineError> {
        let shape = parameters.shape.as_deref();
        let following = shape.map(|shape| engine.vocabulary.follow(shape)).transpose()?;
        Ok(Self {
            engine,
            parameters: parameters.clone(),
            max_new_tokens: plan.fit.max_new_tokens,
            sampler,
            stream: engine.tokenizer.stream(),
            history: plan.prompt.ids.clone(),
            token_ids: Vec::new(),
            text: String::new(),
            at_start: true,
            top_logprobs: Vec::new(),
            logprobs: Vec::new(),
            stops: Stops::new(parameters.stop.clone()),
            following,
            before: Vec::new(),
            cut: None,
        })
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
        if self.cut.is_some() || self.following.as_ref().is_some_and(Following::is_complete) {
            return Ok(ControlFlow::Break(FinishReason::Stop));
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
        // Choosing changes them.
        let own = self.parameters.logprobs.then(|| logits.to_vec());
        let id = self.pick(logits)?;
        if !self.parameters.ignore_eos && self.engine.end_ids.contains(&id) {
            return Ok(None);
        }
        if self.parameters.top_logprobs > 0 {
            self.top_logprobs.push(alternatives);
        }
        if let Some(logprob) = own.and_then(|own| logprob(&own, id)) {
            self.logprobs.push(self.told(id, logprob));
        }
        self.history.push(id);
        self.token_ids.push(id);
        self.before.push(self.text.len());
        let piece = self.stream.push(id);
        self.add(&piece);
        Ok(Some(Token {
            id,
            text: self.fresh(),
            index: tokens,
        }))
    }

    /// The next id, which keeps to the answer's shape. The newline that the model begins with is no part of that.
    fn pick(&mut self, logits: &mut [f32]) -> Result<u32, EngineError> {
        let tokens = self.token_ids.len();
        if self.following.is_some()
            && tokens == 0
            && let Some(id) = greatest(logits)
            && self.engine.tokenizer.bytes(id) == b"\n"
        {
            return Ok(id);
        }
        if let Some(following) = &mut self.following {
            following.narrow(logits)?;
        }
        let chosen = self.sampler.choose(logits, &self.history);
        let id = chosen.map_err(|error| match error {
            SamplingError::NotANumber => EngineError::NotFinite { tokens },
            error => EngineError::Sampling(error),
        })?;
        if let Some(following) = &mut self.following
            && !self.engine.end_ids.contains(&id)
        {
            following.take(id)?;
        }
        Ok(id)
    }

    /// What of the text is to be shown now. A stop text cuts it.
    fn fresh(&mut self) -> String {
        self.cut = self.stops.cut(&self.text);
        let fresh = match self.cut {
            Some(at) => {
                self.text.truncate(at);
                self.stops.show_rest(&self.text)
            }
            None => self.stops.show(&self.text),
        };
        fresh.to_owned()
    }

    fn told(&self, id: u32, logprob: f32) -> TopLogprob {
        TopLogprob {
            id,
            token: self.engine.tokenizer.token(id),
            bytes: self.engine.tokenizer.bytes(id).to_vec(),
            logprob,
        }
    }

    fn alternatives(&self, logits: &[f32]) -> Vec<TopLogprob> {
        if self.parameters.top_logprobs == 0 {
            return Vec::new();
        }
        let likeliest = top_logprobs(logits, self.parameters.top_logprobs).into_iter();
        likeliest.map(|(id, logprob)| self.told(id, logprob)).collect()
    }

    /// Adds to the text, without the newline that the model begins with.
    fn add(&mut self, piece: &str) {
        let added = match piece.strip_prefix('\n') {
            Some(rest) if self.at_start => rest,
            _ => piece,
        };
        self.text.push_str(added);
        self.at_start &= piece.is_empty();
    }

    /// See [`Answer::text_tokens`].
    fn text_tokens(&self) -> Range<usize> {
        let newline = self.token_ids.first().map(|&id| self.engine.tokenizer.bytes(id));
        let first = usize::from(newline == Some(b"\n"));
        let end = match self.cut {
            Some(at) => self.before.partition_point(|&before| before < at),
            None => self.token_ids.len(),
        };
        first.min(end)..end
    }

    pub(super) fn into_answer(mut self, plan: Plan, finish_reason: FinishReason, timings: Timings) -> Answer {
        let stream = std::mem::replace(&mut self.stream, self.engine.tokenizer.stream());
        if self.cut.is_none() {
            self.add(&stream.finish());
        }
        let text_tokens = self.text_tokens();
        Answer {
            text: self.text,
            token_ids: self.token_ids,
            prompt_token_ids: plan.prompt.ids,
            image_tokens: plan.fit.image_tokens,
            finish_reason,
            timings,
            text_tokens,
            top_logprobs: self.top_logprobs,
            logprobs: self.logprobs,
        }
    }
}
