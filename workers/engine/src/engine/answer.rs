//! One answer: take the prompt in, then choose token after token.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shapes::Shape;

use super::fit::Plan;
use super::page::PageSession;
use super::writing::Writing;
use super::{Engine, EngineError};
use crate::cache::Cache;
use crate::glm4v::{Trace, Untraced};
use crate::prompt::Conversation;
use crate::sampling::{Sampler, Sampling};

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
    /// Whether to report each chosen token's own logarithm.
    pub logprobs: bool,
    /// What the answer keeps to, from its first token that is no newline on.
    pub shape: Option<Arc<Shape>>,
    /// Texts that end the answer, which is cut before them. None is empty.
    pub stop: Vec<String>,
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
    /// What it adds to the text: not always whole characters, and nothing for a special token.
    pub bytes: Vec<u8>,
    pub logprob: f32,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a text that ends it came, or nothing keeps to its shape any more.
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
    /// The page's encoding: once, however many questions it serves. In all three is what was done for others meanwhile.
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
    /// Each of `token_ids` with its own logarithm, whether or not it was likely; empty unless asked for.
    pub logprobs: Vec<TopLogprob>,
    /// The places in `token_ids` of which `text` is made: without the newline before it, and what was cut.
    pub text_tokens: Range<usize>,
}

/// An answer in the making, with its memory and the logits that its next token is chosen from.
pub(super) struct Seat<'a> {
    writing: Writing<'a>,
    plan: Plan,
    pub(super) cache: Cache,
    pub(super) logits: Vec<f32>,
    tower: Duration,
    prefill: Duration,
    began: Instant,
}

impl Seat<'_> {
    /// See [`Writing::go_on`].
    pub(super) fn go_on(
        &mut self,
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<ControlFlow<FinishReason, u32>, EngineError> {
        self.writing.go_on(&mut self.logits, observe)
    }

    pub(super) fn into_answer(self, finish_reason: FinishReason) -> Answer {
        let timings = Timings {
            tower: self.tower,
            prefill: self.prefill,
            decode: self.began.elapsed(),
        };
        self.writing.into_answer(self.plan, finish_reason, timings)
    }
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

    /// The same; `trace` sees the stages of taking the prompt in, and of every token if it wants them, and may break
    /// off between parts of a layer, which gives [`EngineError::Cancelled`].
    pub fn answer_traced(
        &self,
        conversation: &Conversation,
        page: Option<&mut PageSession>,
        parameters: &Parameters,
        observe: &mut dyn FnMut(&Token) -> ControlFlow<()>,
        trace: &mut dyn Trace,
    ) -> Result<Answer, EngineError> {
        let plan = self.plan(conversation, parameters.max_new_tokens)?;
        let mut seat = self.seat(plan, page, parameters, trace)?;
        let mut nobody = Untraced;
        let trace: &mut dyn Trace = if trace.wants_tokens() { trace } else { &mut nobody };
        loop {
            match seat.go_on(observe)? {
                ControlFlow::Break(reason) => return Ok(seat.into_answer(reason)),
                ControlFlow::Continue(id) => seat.logits = self.model.step(id, &mut seat.cache, trace)?,
            }
        }
    }

    /// Takes a prompt in: an answer that can be begun.
    pub(super) fn seat(
        &self,
        plan: Plan,
        page: Option<&mut PageSession>,
        parameters: &Parameters,
        trace: &mut dyn Trace,
    ) -> Result<Seat<'_>, EngineError> {
        let sampler = Sampler::new(parameters.sampling.clone(), self.tokenless.clone())
            .map_err(EngineError::Sampling)?;
        let tower = page
            .as_deref()
            .map_or(Duration::ZERO, |session| session.page().took);
        let start = Instant::now();
        let (cache, logits) = self.prefill(&plan, page, trace)?;
        Ok(Seat {
            writing: Writing::new(self, &plan, parameters, sampler)?,
            plan,
            cache,
            logits,
            tower,
            prefill: start.elapsed(),
            began: Instant::now(),
        })
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
