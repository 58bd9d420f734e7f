//! A scheduler on a thread of its own, which ends when nobody can ask it any more.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

use super::{Request, Schedule, Scheduler};
use crate::engine::Engine;

/// The thread is over, which it is only if the scheduler itself broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine's thread is over")]
pub struct Over;

/// Where requests go to an engine that is at work. Cheap to clone; the engine works for as long as there is one.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    engine: Arc<Engine>,
    requests: Sender<Request>,
}

/// An engine at work.
#[derive(Debug)]
pub struct EngineThread {
    handle: EngineHandle,
    thread: JoinHandle<()>,
}

impl EngineHandle {
    /// The engine, to count and prepare with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks. Its audience hears what becomes of it, and is dropped when nothing more will.
    pub fn submit(&self, request: Request) -> Result<(), Over> {
        self.requests.send(request).map_err(|_| Over)
    }
}

impl EngineThread {
    /// Lets an engine work at what it will be asked.
    pub fn start(engine: Engine, schedule: Schedule) -> io::Result<Self> {
        let engine = Arc::new(engine);
        let (of_thread, (give, given)) = (engine.clone(), std::sync::mpsc::channel());
        let work = move || {
            let (mut scheduler, requests) = Scheduler::new(&of_thread, schedule);
            // Whoever started the thread waits for this.
            if give.send(requests).is_ok() {
                scheduler.work();
            }
        };
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(work)?;
        let requests = given.recv().map_err(io::Error::other)?;
        let handle = EngineHandle { engine, requests };
        Ok(Self { handle, thread })
    }

    /// Where requests go to.
    pub fn handle(&self) -> &EngineHandle {
        &self.handle
    }

    /// Whether it can be asked.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until every handle is gone and every request has ended.
    pub fn end(self) {
        drop(self.handle);
        if self.thread.join().is_err() {
            tracing::error!("the engine's thread panicked");
        }
    }
}
