//! Tells those who follow a job what is being written, while it is being written.
//!
//! The engine's thread writes into a [`Draft`] and never waits for anybody; what is told to whom is found out beside
//! it. Whether anybody listens is asked once in a while, and somebody who has begun to is told everything from the
//! start. A queue that does not take it costs those who listen some text, and the answer nothing.

use crate::hold::Stop;
use domain::id::JobId;
use exchange::queue::{Listening, Queue, Written};
use std::{convert::Infallible, future, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// How often it is asked at most whether anybody listens.
const LOOK: Duration = Duration::from_millis(250);

/// What has been written of an answer so far.
#[derive(Default)]
pub(crate) struct Draft {
    job: Option<JobId>,
    text: String,
}

/// The engine's end of a draft.
pub(crate) struct Pen(watch::Sender<Draft>);

impl Pen {
    /// A pen, and where what it writes is seen.
    pub(crate) fn take() -> (Self, watch::Receiver<Draft>) {
        let (pen, seen) = watch::channel(Draft::default());
        (Self(pen), seen)
    }

    /// Begins an answer.
    pub(crate) fn begin(&self, job: JobId) {
        self.0.send_replace(Draft {
            job: Some(job),
            text: String::new(),
        });
    }

    /// Goes on with it. Pieces end between two characters.
    pub(crate) fn add(&self, piece: &str) {
        if !piece.is_empty() {
            self.0.send_modify(|draft| draft.text.push_str(piece));
        }
    }
}

/// See the module's text.
pub(crate) struct Telling<'a> {
    queue: &'a dyn Queue,
    stop: &'a Stop,
    attempt: u32,
    seen: watch::Receiver<Draft>,
    /// The job that is being answered.
    job: Option<JobId>,
    /// Who listens to it, when that was last asked.
    listening: Option<Listening>,
    asked: Option<Instant>,
    /// Bytes of its answer that were told.
    told: usize,
}

impl<'a> Telling<'a> {
    pub(crate) fn new(
        queue: &'a dyn Queue,
        stop: &'a Stop,
        attempt: u32,
        seen: watch::Receiver<Draft>,
    ) -> Self {
        Self {
            queue,
            stop,
            attempt,
            seen,
            job: None,
            listening: None,
            asked: None,
            told: 0,
        }
    }

    /// Tells for as long as it is awaited.
    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            // Somebody may begin to listen between two tokens.
            if let Ok(Err(_)) = timeout(LOOK, self.seen.changed()).await {
                // The pen is gone: all is written.
                return future::pending().await;
            }
            if let Some(job) = self.begun() {
                self.ask(job).await;
                self.tell(job).await;
            }
        }
    }

    /// The job whose answer has begun to be written.
    fn begun(&mut self) -> Option<JobId> {
        let draft = self.seen.borrow_and_update();
        let job = draft.job.filter(|_| !draft.text.is_empty())?;
        drop(draft);
        if self.job.replace(job) != Some(job) {
            (self.listening, self.asked, self.told) = (None, None, 0);
        }
        Some(job)
    }

    async fn ask(&mut self, job: JobId) {
        if self.asked.is_some_and(|asked| asked.elapsed() < LOOK) {
            return;
        }
        let listening = self.queue.listening(job).await.unwrap_or_default();
        if listening != self.listening {
            (self.listening, self.told) = (listening, 0);
        }
        self.asked = Some(Instant::now());
    }

    async fn tell(&mut self, job: JobId) {
        if self.listening.is_none() || self.stop.is_set() {
            return;
        }
        let text = {
            let draft = self.seen.borrow();
            let rest = draft.text.get(self.told..).filter(|_| draft.job == Some(job));
            rest.unwrap_or_default().to_owned()
        };
        if text.is_empty() {
            return;
        }
        let (from, told) = (self.told, self.told + text.len());
        let written = Written {
            job,
            attempt: self.attempt,
            from,
            text,
        };
        // What was not taken is told with the next piece.
        if self.queue.write(written).await.is_ok() {
            self.told = told;
        }
    }
}

#[cfg(test)]
mod tests;
