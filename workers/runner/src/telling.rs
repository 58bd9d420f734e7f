//! Tells those who follow a job what is being written, while it is being written.
//!
//! The engine's thread writes into [`Draft`]s and never waits for anybody; what is told to whom is found out beside
//! it. Whether anybody listens is asked once in a while, and somebody who has begun to is told everything from the
//! start. A queue that does not take it costs those who listen some text, and the answer nothing.

use crate::hold::Stop;
use domain::id::JobId;
use exchange::queue::{Listening, Queue, Written};
use std::{collections::HashMap, convert::Infallible, future, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// How often it is asked at most whether anybody listens.
const LOOK: Duration = Duration::from_millis(250);

/// What has been written of an answer so far.
pub(crate) struct Draft {
    job: JobId,
    text: String,
    ended: bool,
}

/// The engine's end of the drafts.
pub(crate) struct Pen(watch::Sender<Vec<Draft>>);

impl Pen {
    /// A pen, and where what it writes is seen.
    pub(crate) fn take() -> (Self, watch::Receiver<Vec<Draft>>) {
        let (pen, seen) = watch::channel(Vec::new());
        (Self(pen), seen)
    }

    /// Goes on with an answer, or begins it. Pieces end between two characters.
    pub(crate) fn add(&self, job: JobId, piece: &str) {
        if piece.is_empty() {
            return;
        }
        self.0
            .send_modify(|drafts| match drafts.iter_mut().find(|draft| draft.job == job) {
                Some(draft) => draft.text.push_str(piece),
                None => {
                    // An answer that ended is there until another begins, so that its last piece is told.
                    drafts.retain(|draft| !draft.ended);
                    drafts.push(Draft {
                        job,
                        text: piece.to_owned(),
                        ended: false,
                    });
                }
            });
    }

    /// Nothing more comes of an answer.
    pub(crate) fn end(&self, job: JobId) {
        self.0.send_if_modified(|drafts| {
            for draft in drafts.iter_mut().filter(|draft| draft.job == job) {
                draft.ended = true;
            }
            false
        });
    }
}

/// See the module's text.
pub(crate) struct Telling<'a> {
    queue: &'a dyn Queue,
    stop: &'a Stop,
    attempt: u32,
    seen: watch::Receiver<Vec<Draft>>,
    /// The jobs that are being answered.
    told: HashMap<JobId, Told>,
}

#[derive(Default)]
struct Told {
    /// Who listens to it, when that was last asked.
    listening: Option<Listening>,
    asked: Option<Instant>,
    /// Bytes of its answer that were told.
    bytes: usize,
}

impl<'a> Telling<'a> {
    pub(crate) fn new(
        queue: &'a dyn Queue,
        stop: &'a Stop,
        attempt: u32,
        seen: watch::Receiver<Vec<Draft>>,
    ) -> Self {
        Self {
            queue,
            stop,
            attempt,
            seen,
            told: HashMap::new(),
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
            for job in self.begun() {
                self.ask(job).await;
                self.tell(job).await;
            }
        }
    }

    /// The jobs whose answers have begun to be written.
    fn begun(&mut self) -> Vec<JobId> {
        let drafts = self.seen.borrow_and_update();
        let jobs: Vec<JobId> = drafts.iter().map(|draft| draft.job).collect();
        drop(drafts);
        self.told.retain(|job, _| jobs.contains(job));
        jobs
    }

    async fn ask(&mut self, job: JobId) {
        let told = self.told.entry(job).or_default();
        if told.asked.is_some_and(|asked| asked.elapsed() < LOOK) {
            return;
        }
        let listening = self.queue.listening(job).await.unwrap_or_default();
        if listening != told.listening {
            (told.listening, told.bytes) = (listening, 0);
        }
        told.asked = Some(Instant::now());
    }

    async fn tell(&mut self, job: JobId) {
        let told = self.told.entry(job).or_default();
        if told.listening.is_none() || self.stop.is_set() {
            return;
        }
        let text = {
            let drafts = self.seen.borrow();
            let draft = drafts.iter().find(|draft| draft.job == job);
            let rest = draft.and_then(|draft| draft.text.get(told.bytes..));
            rest.unwrap_or_default().to_owned()
        };
        if text.is_empty() {
            return;
        }
        let (from, bytes) = (told.bytes, told.bytes + text.len());
        let written = Written {
            job,
            attempt: self.attempt,
            from,
            text,
        };
        // What was not taken is told with the next piece.
        if self.queue.write(written).await.is_ok() {
            told.bytes = bytes;
        }
    }
}

#[cfg(test)]
mod tests;
