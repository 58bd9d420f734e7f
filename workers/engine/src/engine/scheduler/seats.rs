//! Answers in the making, of whatever pages: reading the weights is what a token takes, and one reading serves all.
//!
//! Each answer has the bits that it has alone. What is wrong with one of them ends that one.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::attempt;
use super::request::{Audience, tell};
use crate::engine::EngineError;
use crate::engine::answer::{Answer, Seat};
use crate::glm4v::{Glm4v, Untraced};

/// Who takes a seat.
pub(super) struct Place<'e> {
    /// The request's number, and the question's place in it.
    pub request: u64,
    pub question: usize,
    pub audience: Rc<dyn Audience + 'e>,
    /// Bytes that were set aside for the answer's memory.
    pub memory: u64,
}

/// An answer in the making whose next token is chosen.
struct Taken<'e> {
    place: Place<'e>,
    seat: Seat<'e>,
    next: u32,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Seats<'e>(Vec<Taken<'e>>);

impl<'e> Seats<'e> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seats of one request.
    pub fn of(&self, request: u64) -> usize {
        self.0
            .iter()
            .filter(|taken| taken.place.request == request)
            .count()
    }

    /// Bytes that are set aside for the answers.
    pub fn memory(&self) -> u64 {
        self.0.iter().map(|taken| taken.place.memory).sum()
    }

    /// Lets go of one request's answers, of which nothing more is told.
    pub fn leave(&mut self, request: u64) {
        self.0.retain(|taken| taken.place.request != request);
    }

    /// Shows the first token of an answer and gives it a seat, if it goes on.
    pub fn take(&mut self, place: Place<'e>, seat: Seat<'e>) {
        let taken = Taken { place, seat, next: 0 };
        self.0.extend(taken.choose());
    }

    /// One more token for each.
    pub fn step(&mut self, model: &Glm4v) {
        let computed = compute(std::mem::take(&mut self.0), model);
        self.0 = computed.into_iter().filter_map(Taken::choose).collect();
    }
}

/// The logits after the next token of each, all in one reading of the weights. If that fails, it is found out whose fault
/// it is: each is computed alone, which gives the same bits.
fn compute<'e>(mut seats: Vec<Taken<'e>>, model: &Glm4v) -> Vec<Taken<'e>> {
    let ids: Vec<u32> = seats.iter().map(|taken| taken.next).collect();
    let mut caches: Vec<_> = seats.iter_mut().map(|taken| &mut taken.seat.cache).collect();
    match attempt(|| Ok(model.step_each(&ids, &mut caches, &mut Untraced)?)) {
        Ok(logits) => {
            for (taken, logits) in seats.iter_mut().zip(logits) {
                taken.seat.logits = logits;
            }
            seats
        }
        Err(error) => {
            tracing::warn!(%error, answers = seats.len(), "a step of several answers failed");
            let alone = seats.into_iter().filter_map(|taken| taken.compute_alone(model));
            alone.collect()
        }
    }
}

impl Taken<'_> {
    fn compute_alone(mut self, model: &Glm4v) -> Option<Self> {
        let Taken { seat, next, .. } = &mut self;
        seat.cache.rewind();
        match attempt(|| Ok(model.step_each(&[*next], &mut [&mut seat.cache], &mut Untraced)?)) {
            Ok(mut logits) => {
                seat.logits = logits.swap_remove(0);
                Some(self)
            }
            Err(error) => {
                self.place.ended(Err(error));
                None
            }
        }
    }

    /// Chooses and shows the next token. Who has none gets up.
    fn choose(mut self) -> Option<Self> {
        let Place {
            audience, question, ..
        } = &self.place;
        let chosen = attempt(|| self.seat.go_on(&mut |token| audience.token(*question, token)));
        match chosen {
            Ok(ControlFlow::Continue(id)) => {
                self.next = id;
                Some(self)
            }
            Ok(ControlFlow::Break(reason)) => {
                let Self { place, seat, .. } = self;
                place.ended(attempt(|| Ok(seat.into_answer(reason))));
                None
            }
            Err(error) => {
                self.place.ended(Err(error));
                None
            }
        }
    }
}

impl Place<'_> {
    fn ended(&self, answer: Result<Answer, EngineError>) {
        tell(&*self.audience, |audience| audience.ended(self.question, answer));
    }
}
