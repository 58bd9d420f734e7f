//! One answer: take the prompt in, then choose token after token.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::fit::Plan;
use super::page::PageSession;
use super::{Engine, EngineError};
use crate::cache::Cache;
use crate::glm4v::{Trace, Untraced};
use crate::prompt::Conversation;
use crate::sampling::{Sampler, Sampling, SamplingError, top_logprobs};
use crate::tokenizer::DecodeStream;

/// How to answer.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// `None`: [`super::DEFAULT_NEW_TOKENS`], or what the context has left.
    pub max_new_tokens: Option<usize>,
    pub sampling: Sampling,
    /// Go on to `max_new_tokens` whatever is said.
    pub ignore_eos: bool,
    /// Alternatives to report for each token.
    pub top_logprobs: usize,
}

/// A token as it is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub id: u32,
    /// Characters that are complete with this token; often none, sometimes several. Characters that never become
    /// complete are in the answer's text alone.
    pub text: String,
    /// Tokens before it in this answer.
    pub index: usize,
}

/// One alternative: natural logarithm of its probability among all ids, before temperature and penalties.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLogprob {
    pub id: u32,
    pub token: String,
    pub logprob: f32,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it.
    Stop,
    /// It has as many tokens as were asked for.
    Length,
    /// The observer broke it off.
    Cancelled,
}

impl FinishReason {
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Cancelled => "cancelled",
        }
    }
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// The page's encoding: once, however many questions it serves.
    pub tower: Duration,
    /// Taking in what the session did not remember of the prompt, and the logits after it.
    pub prefill: Duration,
    /// Choosing all tokens.
    pub decode: Duration,
}

/// An answer with its evidence.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Without the newline that the model begins with.
    pub text: String,
    /// Every chosen id but the one that ended the answer.
    pub token_ids: Vec<u32>,
    /// The image as its three ids.
    pub prompt_token_ids: Vec<u32>,
    /// Tokens that the image counts; 0 without one.
    pub image_tokens: usize,
    pub finish_reason: FinishReason,
    pub timings: Timings,
    /// One list for each of `token_ids`, likeliest first; empty unless asked for.
    pub top_logprobs: Vec<Vec<TopLogprob>>,
}

impl Engine {
    /// Answers a conversation. A conversation with an image needs a session on its page, and only such a one has it.
    ///
    /// `observe` sees every token and may break off, which still gives the answer so far.
    pub fn answer(
        &self,
        conversation: &Conversation,
        page: Option<&mut PageSession>,
        parameters: &Parameters,
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<Answer, EngineError> {
        self.answer_traced(conversation, page, parameters, observe, &mut Untraced)
    }

    /// The same; `trace` sees the stages of taking the prompt in and may break off between layers, which gives
    /// [`EngineError::Cancelled`].
    pub fn answer_traced(
        &self,
        conversation: &Conversation,
        page: Option<&mut PageSession>,
        parameters: &Parameters,
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
        trace: &mut dyn Trace,
    ) -> Result<Answer, EngineError> {
        let plan = self.plan(conversation, parameters.max_new_tokens)?;
        let sampler = Sampler::new(parameters.sampling.clone(), self.tokenless.clone())
            .map_err(EngineError::Sampling)?;
        let tower = page
            .as_deref()
            .map_or(Duration::ZERO, |session| session.page().took);
        let start = Instant::now();
        let (mut cache, logits) = self.prefill(&plan, page, trace)?;
        let prefill = start.elapsed();
        let start = Instant::now();
        let mut writing = Writing::new(self, &plan, parameters, sampler);
        let finish_reason = writing.write(logits, &mut cache, observe)?;
        let timings = Timings {
            tower,
            prefill,
            decode: start.elapsed(),
        };
        Ok(writing.into_answer(plan, finish_reason, timings))
    }

    /// Takes the prompt in and gives the logits after it.
    fn prefill(
        &self,
        plan: &Plan,
        page: Option<&mut PageSession>,
        trace: &mut dyn Trace,
    ) -> Result<(Cache, Vec<f32>), EngineError> {
        let (mut cache, rest) = match (page, plan.prompt.image_at) {
            (Some(session), Some(_)) => (self.page_memory(session, plan, trace)?, plan.splice.after()),
            (None, None) => (self.model.new_cache(), plan.splice.before()),
            (None, Some(_)) => return Err(EngineError::NoPage),
            (Some(_), None) => return Err(EngineError::NoImage),
        };
        let rows = self.model.embed(&plan.prompt.ids[rest])?;
        let positions = &plan.splice.positions()[cache.slots()..];
        let last = self.model.take_in(&rows, positions, &mut cache, trace)?;
        let logits = self.model.logits(&last)?;
        Ok((cache, logits))
    }
}

/// An answer in the making.
struct Writing<'a> {
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
    fn new(engine: &'a Engine, plan: &Plan, parameters: &'a Parameters, sampler: Sampler) -> Self {
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

    fn write(
        &mut self,
        mut logits: Vec<f32>,
        cache: &mut Cache,
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<FinishReason, EngineError> {
        loop {
            let Some(token) = self.choose(&mut logits)? else {
                return Ok(FinishReason::Stop);
            };
            if observe(&token).is_break() {
                return Ok(FinishReason::Cancelled);
            }
            if self.token_ids.len() == self.max_new_tokens {
                return Ok(FinishReason::Length);
            }
            logits = self.engine.model.step(token.id, cache)?;
        }
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

    fn into_answer(mut self, plan: Plan, finish_reason: FinishReason, timings: Timings) -> Answer {
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
