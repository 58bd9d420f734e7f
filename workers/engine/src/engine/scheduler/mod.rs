//! Many requests at once: answers join and leave between two steps, whatever pages they are about.
//!
//! A step takes one more token of every answer that has a seat, in one reading of the weights. Sending a page through the
//! tower and taking a prompt in are long; they are computed by the functions that compute them for one request alone, which
//! ask between the parts of a layer whether to go on. There the scheduler does what is due for the others: it lets go of who
//! was broken off, takes in who has come, and lets running answers have their next token. Nothing is computed in another
//! order than alone, so each answer has the bits that it has alone.
//!
//! What one request does wrong, or a panic in what is computed for it alone, ends that one.

mod memory;
mod pause;
mod request;
mod seats;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use candle_core::Tensor;

use super::fit::Plan;
use super::page::EncodedPage;
use super::{Engine, EngineError};
use crate::glm4v::{Stage, Trace};
use memory::Need;
use pause::Pause;
pub use request::{Audience, Page, Question, Request};
use request::{Open, Party, Unread, tell};
use seats::{Place, Seats};
pub use thread::{EngineHandle, EngineThread, Over};

/// What a scheduler may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Bytes of keys and values of all pages and answers in work. A question has a seat when what it may come to need is
    /// free.
    pub memory_bytes: u64,
    /// How long a page or prompt is worked at between two steps of running answers, in steps. More reads pages sooner, less
    /// writes answers more evenly.
    pub page_share: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            page_share: 0.5,
        }
    }
}

/// See the module's text.
pub struct Scheduler<'e> {
    engine: &'e Engine,
    schedule: Schedule,
    arrivals: Receiver<Request>,
    arrived: u64,
    seats_given: u64,
    unread: VecDeque<Unread<'e>>,
    open: Vec<Open<'e>>,
    seats: Seats<'e>,
    stepped: Pause,
    seated: Pause,
}

impl<'e> Scheduler<'e> {
    /// A scheduler without requests, and where to send them.
    pub fn new(engine: &'e Engine, schedule: Schedule) -> (Self, Sender<Request>) {
        let (requests, arrivals) = mpsc::channel();
        let scheduler = Self {
            engine,
            schedule,
            arrivals,
            arrived: 0,
            seats_given: 0,
            unread: VecDeque::new(),
            open: Vec::new(),
            seats: Seats::default(),
            stepped: Pause::default(),
            seated: Pause::default(),
        };
        (scheduler, requests)
    }

    /// Works until nobody can send requests any more and all have ended.
    pub fn work(&mut self) {
        while self.step() {}
    }

    /// Gives seats and takes one step; then sends the next page through the tower, if there is one, between whose parts the
    /// others go on. Waits where there is nothing to do. False when nothing will ever come.
    pub fn step(&mut self) -> bool {
        if self.unread.is_empty() && self.open.is_empty() {
            match self.arrivals.recv() {
                Ok(request) => self.arrive(request),
                Err(_) => return false,
            }
        }
        self.take_in_arrivals();
        self.let_go();
        while self.seat_next() {}
        self.step_seats();
        if let Some(unread) = self.unread.pop_front() {
            self.encode(unread);
        }
        true
    }

    /// What is due between two parts of something long. One who waits gets a seat no sooner than the long work has had as much
    /// time as seating the last one took.
    fn meanwhile(&mut self, seating: bool) {
        self.take_in_arrivals();
        self.let_go();
        let share = self.schedule.page_share;
        if seating && self.seated.is_over(share) {
            self.seat_next();
        }
        if self.stepped.is_over(share) {
            self.step_seats();
        }
    }

    fn step_seats(&mut self) {
        if !self.seats.is_empty() {
            let began = Instant::now();
            self.seats.step(self.engine.model());
            self.stepped = Pause::after(began);
        }
    }

    fn take_in_arrivals(&mut self) {
        while let Ok(request) = self.arrivals.try_recv() {
            self.arrive(request);
        }
    }

    fn arrive(&mut self, request: Request) {
        self.arrived += 1;
        let audience: Box<dyn Audience> = request.audience;
        let party = Party {
            number: self.arrived,
            waiting: request.questions.into_iter().enumerate().collect(),
            audience: Rc::from(audience),
        };
        match request.page {
            Page::None => self.open(party, None),
            Page::Encoded(page) => self.open(party, Some(&page)),
            Page::Pixels(pixels) => self.unread.push_back(Unread { party, pixels }),
        }
    }

    fn open(&mut self, party: Party<'e>, page: Option<&EncodedPage>) {
        self.open.push(Open::new(self.engine, party, page));
    }

    /// Forgets who was broken off, and who has nothing more to come.
    fn let_go(&mut self) {
        self.unread.retain(|unread| !unread.party.is_gone());
        let seats = &mut self.seats;
        self.open.retain(|open| {
            let number = open.party.number;
            if open.party.is_gone() {
                seats.leave(number);
                return false;
            }
            !open.party.waiting.is_empty() || seats.of(number) > 0
        });
    }

    /// Sends a page through the tower.
    fn encode(&mut self, unread: Unread<'e>) {
        let Unread { party, pixels } = unread;
        if let Some(page) = party.audience.found() {
            return self.open(party, Some(&page));
        }
        let engine = self.engine;
        let mut between = Between::new(self, &party, true);
        match attempt(|| engine.encode_pixels(&pixels, &mut between)) {
            Ok(page) => {
                tell(&*party.audience, |audience| audience.encoded(&page));
                self.open(party, Some(&page));
            }
            Err(EngineError::Cancelled) => {}
            Err(error) => tell(&*party.audience, |audience| audience.failed(error)),
        }
    }

    /// Takes in one more question. False where none can be, for now.
    fn seat_next(&mut self) -> bool {
        if self.seats.len() >= self.engine.at_once {
            return false;
        }
        let Some(place) = self.next_to_seat() else {
            return false;
        };
        match self.admit(place) {
            Ok(Some((plan, need))) => self.seat(place, plan, &need),
            Ok(None) => return false,
            Err(error) => {
                let party = &mut self.open[place].party;
                if let Some((question, _)) = party.waiting.pop_front() {
                    party.ended(question, Err(error));
                }
            }
        }
        true
    }

    /// Who has the fewest seats has the next one, of these who has been without one the longest, and of these who came first.
    fn next_to_seat(&self) -> Option<usize> {
        let waiting = self.open.iter().enumerate();
        let waiting = waiting.filter(|(_, open)| !open.party.waiting.is_empty());
        let first = waiting.min_by_key(|(_, open)| {
            let number = open.party.number;
            (self.seats.of(number), open.last_seat, number)
        });
        first.map(|(place, _)| place)
    }

    /// Takes a question's prompt in, between whose parts the others go on.
    fn seat(&mut self, place: usize, plan: Plan, need: &Need) {
        let mut open = self.open.remove(place);
        let Some((question, Question { parameters, .. })) = open.party.waiting.pop_front() else {
            return;
        };
        open.page_memory += need.page;
        self.seats_given += 1;
        open.last_seat = self.seats_given;
        let (engine, began) = (self.engine, Instant::now());
        let mut between = Between::new(self, &open.party, false);
        let seat = attempt(|| engine.seat(plan, open.session.as_mut(), &parameters, &mut between));
        self.seated = Pause::after(began);
        let Party { number, audience, .. } = &open.party;
        match seat {
            Ok(seat) => {
                let place = Place {
                    request: *number,
                    question,
                    audience: audience.clone(),
                    memory: need.own,
                };
                self.seats.take(place, seat);
            }
            Err(EngineError::Cancelled) => return self.seats.leave(*number),
            Err(error) => open.party.ended(question, Err(error)),
        }
        self.open.push(open);
    }
}

/// Stands between the parts of something long that is computed for one request, and lets the others go on.
struct Between<'s, 'e> {
    scheduler: &'s mut Scheduler<'e>,
    audience: Rc<dyn Audience + 'e>,
    /// Whether others may be seated meanwhile, which is long itself.
    seating: bool,
}

impl<'s, 'e> Between<'s, 'e> {
    fn new(scheduler: &'s mut Scheduler<'e>, party: &Party<'e>, seating: bool) -> Self {
        Self {
            scheduler,
            audience: party.audience.clone(),
            seating,
        }
    }
}

impl Trace for Between<'_, '_> {
    fn reached(&mut self, _: Stage, _: &Tensor) -> ControlFlow<()> {
        self.goes_on()
    }

    fn goes_on(&mut self) -> ControlFlow<()> {
        self.audience.goes_on()?;
        self.scheduler.meanwhile(self.seating);
        ControlFlow::Continue(())
    }
}

/// What `compute` gives. A panic in it is an error: whoever it was computed for gets nothing, and what it had changed is
/// dropped or taken back.
fn attempt<T>(compute: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(compute)).unwrap_or(Err(EngineError::Panicked))
}
