//! Several questions on one page, answered together: reading the weights is what a token takes, and one reading serves all.
//!
//! Each answer has the bits that it has alone. A question that ends, fails or is broken off leaves its seat to the next
//! one that waits, and the others go on.

use std::ops::ControlFlow;

use super::answer::{Answer, Parameters, Seat, Token};
use super::page::PageSession;
use super::{Engine, EngineError};
use crate::glm4v::{Trace, Untraced};
use crate::prompt::Conversation;

/// One of several questions.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub conversation: &'a Conversation,
    pub parameters: &'a Parameters,
}

/// Who hears what becomes of the questions, each by its place among them.
pub trait Audience {
    /// A token was chosen; a break ends this answer alone.
    fn token(&mut self, question: usize, token: &Token) -> ControlFlow<()>;

    /// A question has its answer, or gets none; a break ends the sitting.
    fn ended(&mut self, question: usize, answer: Result<Answer, EngineError>) -> ControlFlow<()>;
}

impl Engine {
    /// Answers questions on one page, as many at a time as the engine was loaded for. `trace` is asked as in
    /// [`Engine::answer_traced`], and may break the whole sitting off.
    ///
    /// # Errors
    ///
    /// [`EngineError::Cancelled`] if `trace` or the audience broke it off, and what the computation of all together gave.
    pub fn answer_together(
        &self,
        questions: &[Question],
        session: &mut PageSession,
        audience: &mut dyn Audience,
        trace: &mut dyn Trace,
    ) -> Result<(), EngineError> {
        let mut waiting = questions.iter().enumerate();
        let mut seats: Vec<(usize, Seat)> = Vec::new();
        loop {
            while seats.len() < self.at_once
                && let Some((number, question)) = waiting.next()
            {
                match self.seat(question.conversation, Some(session), question.parameters, trace) {
                    Ok(seat) => seats.push((number, seat)),
                    Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                    Err(error) => unless_broken_off(audience.ended(number, Err(error)))?,
                }
            }
            if seats.is_empty() {
                return Ok(());
            }
            let ids = choose(&mut seats, audience)?;
            let mut nobody = Untraced;
            let trace: &mut dyn Trace = if trace.wants_tokens() { trace } else { &mut nobody };
            self.step(&mut seats, &ids, trace)?;
        }
    }

    /// One more token for each seat.
    fn step(
        &self,
        seats: &mut [(usize, Seat)],
        ids: &[u32],
        trace: &mut dyn Trace,
    ) -> Result<(), EngineError> {
        let mut caches: Vec<_> = seats.iter_mut().map(|(_, seat)| &mut seat.cache).collect();
        if caches.is_empty() {
            return Ok(());
        }
        let logits = self.model.step_each(ids, &mut caches, trace)?;
        for ((_, seat), logits) in seats.iter_mut().zip(logits) {
            seat.logits = logits;
        }
        Ok(())
    }
}

/// The next token of each seat. Those that have none get up.
fn choose(seats: &mut Vec<(usize, Seat)>, audience: &mut dyn Audience) -> Result<Vec<u32>, EngineError> {
    let mut ids = Vec::with_capacity(seats.len());
    for (number, mut seat) in std::mem::take(seats) {
        match seat.go_on(&mut |token| audience.token(number, token)) {
            Ok(ControlFlow::Continue(id)) => {
                ids.push(id);
                seats.push((number, seat));
            }
            Ok(ControlFlow::Break(reason)) => {
                unless_broken_off(audience.ended(number, Ok(seat.into_answer(reason))))?;
            }
            Err(error) => unless_broken_off(audience.ended(number, Err(error)))?,
        }
    }
    Ok(ids)
}

fn unless_broken_off(flow: ControlFlow<()>) -> Result<(), EngineError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(EngineError::Cancelled),
    }
}
