//! Who is admitted: what an answer may come to need is set aside before it is begun, so that none stops for want of memory.

use super::Scheduler;
use crate::engine::fit::Plan;
use crate::engine::page::PageSession;
use crate::engine::{Engine, EngineError};

/// Bytes of keys and values that a question comes to need at most.
pub(super) struct Need {
    /// For the rows up to the end of its page, if they are not there. The questions of a request share them.
    pub page: u64,
    /// For what comes after them.
    pub own: u64,
}

impl Need {
    fn of(engine: &Engine, plan: &Plan, session: Option<&PageSession>) -> Self {
        let rows = plan.splice.rows();
        let after = match session {
            Some(_) => plan.splice.after().len(),
            None => rows,
        };
        let is_there = session.is_some_and(|session| session.remembers(plan));
        let page_rows = if is_there { 0 } else { rows - after };
        Self {
            page: engine.model.memory_bytes(page_rows),
            own: engine.model.memory_bytes(after + plan.fit.max_new_tokens),
        }
    }

    fn bytes(&self) -> u64 {
        self.page + self.own
    }
}

impl Scheduler<'_> {
    /// What the next question of an open request takes, if there is room for it now.
    pub(super) fn admit(&mut self, place: usize) -> Result<Option<(Plan, Need)>, EngineError> {
        let (engine, available) = (self.engine, self.schedule.memory_bytes);
        let Some((_, question)) = self.open[place].party.waiting.front() else {
            return Ok(None);
        };
        let plan = engine.plan(&question.conversation, question.parameters.max_new_tokens)?;
        let mut need = Need::of(engine, &plan, self.open[place].session.as_ref());
        if need.bytes() > available.saturating_sub(self.set_aside()) {
            if !self.seats.is_empty() {
                return Ok(None);
            }
            // Only pages that nobody is asked about at the moment are in the way.
            self.forget_pages();
            need = Need::of(engine, &plan, self.open[place].session.as_ref());
            let needed = need.bytes();
            if needed > available {
                return Err(EngineError::NoMemory { needed, available });
            }
        }
        Ok(Some((plan, need)))
    }

    /// Bytes that are taken, or may come to be.
    fn set_aside(&self) -> u64 {
        let pages = self.open.iter().map(|open| open.page_memory);
        self.seats.memory() + pages.sum::<u64>()
    }

    /// Gives back the memory of all pages. Their rows are kept, so that they can be taken in again.
    fn forget_pages(&mut self) {
        for open in &mut self.open {
            open.page_memory = 0;
            if let Some(session) = &mut open.session {
                session.forget();
            }
        }
    }
}
