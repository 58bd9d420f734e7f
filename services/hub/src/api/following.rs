//! Following a job: its states, the text of its answer while it is being written, and its verdict.
//!
//! The records say what is true. Before anything of a text is handed on they are looked at: only what the attempt
//! wrote that is out now is told, and nothing of a job that is held. The text is a preview, of which the end may be
//! missing; the verdict has the answer.

use super::{job_view::JobView, jobs::whole, stopped};
use crate::{
    problem::Problem,
    signals::{Signals, Verdicts},
};
use actix_web::web::Data;
use domain::{
    id::JobId,
    job::{JobPhase, JobState},
    names::TenantName,
};
use exchange::queue::{Listener, Queue, Written};
use records::{Db, answers, jobs};
use std::{future, time::Duration};
use tokio::time::Instant;

mod draft;

use draft::Draft;

/// How often it is looked without being told: what became of the job may have been collected by another process.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// After so long without a step there is one that says so.
const SILENCE: Duration = Duration::from_secs(15);

/// The pieces that following works with.
#[derive(Clone)]
pub(crate) struct Followed {
    pub(crate) db: Data<Db>,
    pub(crate) queue: Data<dyn Queue>,
    pub(crate) signals: Data<Signals>,
}

/// What happened.
pub(crate) enum Step {
    /// It is in another state.
    State(JobPhase),
    /// Its answer goes on; that of another attempt than before begins anew.
    Text { attempt: u32, text: String },
    /// It has its verdict. Nothing comes after it.
    Verdict(Box<JobView>),
    /// What allowed it stands no more. Nothing comes after it.
    Stopped(Problem),
    /// Nothing, for a while.
    Silence,
}

/// A job that somebody follows.
pub(crate) struct Following {
    with: Followed,
    verdicts: Verdicts,
    /// None if the queue was away: then there is no text before the verdict.
    listener: Option<Listener>,
    heard: Vec<Written>,
    draft: Draft,
    tenant: TenantName,
    job: JobId,
    /// The state that was told last.
    told: Option<JobPhase>,
    /// When anything was told last.
    spoke: Instant,
    /// Whether the last step was taken.
    over: bool,
}

impl Following {
    /// Follows a job of `tenant` from now on.
    pub(crate) async fn begin(with: Followed, tenant: TenantName, job: JobId) -> Result<Self, Problem> {
        // Listening before looking: nothing falls in between.
        let verdicts = with.signals.listen();
        state(&with.db, &tenant, job).await?;
        let mut following = Self {
            with,
            verdicts,
            listener: None,
            heard: Vec::new(),
            draft: Draft::default(),
            tenant,
            job,
            told: None,
            spoke: Instant::now(),
            over: false,
        };
        following.listen().await;
        Ok(following)
    }

    /// What happens next; nothing after the last step, when the hub ends, or when the job cannot be followed any more.
    pub(crate) async fn next(&mut self) -> Option<Step> {
        while !self.over {
            match self.look().await {
                Ok(Some(step)) => return Some(self.tell(step)),
                Ok(None) if self.spoke.elapsed() >= SILENCE => return Some(self.tell(Step::Silence)),
                Ok(None) => {}
                Err(problem) => {
                    let cause = problem.cause().map(|cause| format!("{cause:#}"));
                    tracing::error!(code = problem.code(), cause, "a job cannot be followed any more");
                    return None;
                }
            }
            self.wait().await?;
        }
        None
    }

    fn tell(&mut self, step: Step) -> Step {
        self.spoke = Instant::now();
        self.over = matches!(step, Step::Verdict(_) | Step::Stopped(_));
        step
    }

    /// Listens to what is being written, from its start.
    async fn listen(&mut self) {
        match self.with.queue.listen(self.job).await {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => {
                tracing::warn!(cause = %error, "a job is followed without the text of its answer");
            }
        }
    }

    /// Waits until there may be something to tell. Nothing if the hub ends.
    async fn wait(&mut self) -> Option<()> {
        if self.draft.lacks_something() {
            self.listen().await;
        }
        let deadline = Instant::now() + LOOK_AFTER;
        let ending = self.with.signals.ending.clone();
        tokio::select! {
            () = ending.cancelled() => return None,
            () = self.verdicts.wait_for(self.job, LOOK_AFTER, deadline) => {}
            written = next_of(&mut self.listener) => {
                self.heard.push(written);
                // One look serves for all that is there.
                self.heard.extend(self.listener.iter_mut().flat_map(at_hand));
            }
        }
        Some(())
    }

    /// The step that is due, if there is one.
    async fn look(&mut self) -> Result<Option<Step>, Problem> {
        let state = state(&self.with.db, &self.tenant, self.job).await?;
        let phase = state.phase();
        if phase.is_settled() || phase == JobPhase::Held {
            let view = whole(&self.with.db, &self.tenant, self.job).await?;
            if let Some(problem) = stopped::problem(&self.with.db, &view).await? {
                return Ok(Some(Step::Stopped(problem)));
            }
            if view.is_settled() {
                return Ok(Some(Step::Verdict(Box::new(view))));
            }
        }
        if self.told.replace(phase) != Some(phase) {
            return Ok(Some(Step::State(phase)));
        }
        Ok(self.text(&state))
    }

    /// What was heard of the attempt that is out.
    fn text(&mut self, state: &JobState) -> Option<Step> {
        let heard = std::mem::take(&mut self.heard);
        let attempt = state.out()?.attempt;
        for written in heard {
            if written.attempt == attempt {
                self.draft.hear(&written);
            }
        }
        let text = answers::as_stored(&self.draft.fresh(attempt)?);
        (!text.is_empty()).then_some(Step::Text { attempt, text })
    }
}

async fn state(db: &Db, tenant: &TenantName, job: JobId) -> Result<JobState, Problem> {
    let state = jobs::state(db, tenant, job).await?;
    state.ok_or_else(|| Problem::not_found("job"))
}

async fn next_of(listener: &mut Option<Listener>) -> Written {
    match listener {
        Some(listener) => listener.next().await,
        None => future::pending().await,
    }
}

fn at_hand(listener: &mut Listener) -> impl Iterator<Item = Written> {
    std::iter::from_fn(|| listener.at_hand())
}
