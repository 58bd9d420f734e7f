//! What is asked of a [`super::Scheduler`], and who hears what becomes of it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::attempt;
use crate::engine::answer::{Answer, Parameters, Token};
use crate::engine::page::{EncodedPage, PageSession, PixelValues};
use crate::engine::{Engine, EngineError};
use crate::prompt::Conversation;

/// One of the questions of a request.
#[derive(Debug, Clone)]
pub struct Question {
    pub conversation: Conversation,
    pub parameters: Parameters,
}

/// What the questions of a request are about.
#[derive(Debug, Clone)]
pub enum Page {
    /// Nothing but their own texts.
    None,
    /// A page that went through the tower before.
    Encoded(EncodedPage),
    /// A page that is still to go through it.
    Pixels(PixelValues),
}

/// Questions on one page, or on none. Requests share nothing but the reading of weights.
pub struct Request {
    pub page: Page,
    pub questions: Vec<Question>,
    pub audience: Box<dyn Audience + Send>,
}

/// Who hears what becomes of a request, each of its questions by its place among them.
pub trait Audience {
    /// Asked between any two pieces of work, often; a break ends the request at once, of which nothing more is told.
    fn goes_on(&self) -> ControlFlow<()>;

    /// Asked when the page's turn in the tower comes: somebody may have sent the same page through it meanwhile.
    fn found(&self) -> Option<EncodedPage> {
        None
    }

    /// The page went through the tower.
    fn encoded(&self, _page: &EncodedPage) {}

    /// The page gave no rows: no question of the request gets an answer.
    fn failed(&self, error: EngineError);

    /// A token was chosen; a break ends this answer alone.
    fn token(&self, question: usize, token: &Token) -> ControlFlow<()>;

    /// A question has its answer, or gets none.
    fn ended(&self, question: usize, answer: Result<Answer, EngineError>);
}

/// A request whose page has not been through the tower.
pub(super) struct Unread<'e> {
    pub party: Party<'e>,
    pub pixels: PixelValues,
}

/// A request that can be answered: its page, if it has one, is there.
pub(super) struct Open<'e> {
    pub party: Party<'e>,
    pub session: Option<PageSession>,
    /// Bytes of the page's rows in the language model's memory, which its questions share.
    pub page_memory: u64,
    /// Seats that all requests had been given when it had its last one.
    pub last_seat: u64,
}

/// Who asks, and what of it has no seat yet.
pub(super) struct Party<'e> {
    /// Requests count up as they arrive.
    pub number: u64,
    pub waiting: VecDeque<(usize, Question)>,
    pub audience: Rc<dyn Audience + 'e>,
}

impl Party<'_> {
    pub fn is_gone(&self) -> bool {
        self.audience.goes_on().is_break()
    }

    pub fn ended(&self, question: usize, answer: Result<Answer, EngineError>) {
        tell(&*self.audience, |audience| audience.ended(question, answer));
    }
}

impl<'e> Open<'e> {
    pub fn new(engine: &Engine, party: Party<'e>, page: Option<&EncodedPage>) -> Self {
        Self {
            party,
            session: page.map(|page| engine.open_page(page)),
            page_memory: 0,
            last_seat: 0,
        }
    }
}

/// Tells an audience. If it panics, that is its own loss.
pub(super) fn tell(audience: &dyn Audience, told: impl FnOnce(&dyn Audience)) {
    let heard = attempt(|| {
        told(audience);
        Ok(())
    });
    if heard.is_err() {
        tracing::error!("who asked could not be told");
    }
}
