//! Requests to a scheduler whose answers are only counted and timed.

use anyhow::Context as _;
use engine::{
    Answer, Audience, EncodedPage, EngineError, Parameters, Question, Request, Timings, Token,
    prompt::Conversation,
};
use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    time::Duration,
};

/// A question on a page, for so many tokens whatever is said.
pub(super) fn question(text: &str, tokens: usize) -> anyhow::Result<Question> {
    Ok(Question {
        conversation: Conversation::question(text, true)?,
        parameters: Parameters {
            max_new_tokens: Some(tokens),
            ignore_eos: true,
            ..Parameters::default()
        },
    })
}

pub(super) fn send(requests: &Sender<Request>, request: Request) -> anyhow::Result<()> {
    requests.send(request).ok().context("the scheduler is gone")
}

/// What becomes of a request.
#[derive(Default)]
pub(super) struct Watch {
    over: AtomicBool,
    read: Mutex<Duration>,
    /// Of each answer its tokens and what it took.
    ended: Mutex<Vec<Result<(usize, Timings), String>>>,
}

impl Watch {
    pub(super) fn audience(self: &Arc<Self>) -> Box<dyn Audience + Send> {
        Box::new(Watching(self.clone()))
    }

    /// Whether an answer has ended, or none will come.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// What the page took in the tower.
    pub(super) fn read(&self) -> Duration {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self, error: &EngineError) {
        self.end(Err(error.to_string()));
    }

    fn end(&self, end: Result<(usize, Timings), String>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(end);
        self.over.store(true, Ordering::Release);
    }

    /// What so many answers of so many tokens took. Others, or a failure, are no measurement.
    pub(super) fn check(&self, answers: usize, tokens: usize) -> anyhow::Result<Vec<Timings>> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let timings = ended.iter().map(|ended| match ended {
            Ok((written, timings)) if *written == tokens => Ok(*timings),
            other => Err(anyhow::anyhow!(
                "an answer of {tokens} tokens ended with {other:?}"
            )),
        });
        let timings: Vec<Timings> = timings.collect::<Result<_, _>>()?;
        anyhow::ensure!(
            timings.len() == answers,
            "of {answers} answers {} came",
            timings.len()
        );
        Ok(timings)
    }
}

struct Watching(Arc<Watch>);

impl Audience for Watching {
    fn goes_on(&self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn encoded(&self, page: &EncodedPage) {
        *self.0.read.lock().unwrap_or_else(PoisonError::into_inner) = page.took;
    }

    fn failed(&self, error: EngineError) {
        self.0.failed(&error);
    }

    fn token(&self, _: usize, _: &Token) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn ended(&self, _: usize, answer: Result<Answer, EngineError>) {
        let ended = answer.map(|answer| (answer.token_ids.len(), answer.timings));
        self.0.end(ended.map_err(|error| error.to_string()));
    }
}
