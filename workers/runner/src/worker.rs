//! The worker: orders from the lease to the last report, several at once.

use crate::{
    ModelsFolder,
    announcing::{About, Pace, keep_announcing},
    answering::Sitting,
    fault,
    hold::{Epochs, Hold, Stop, StopReason, reports},
    kept_pages::{KeptPages, PageKey},
    memory::Allowance,
    models::Models,
    noop::{self, Computing},
    outcome::{Outcome, Tally},
    relaying::relay,
    seat::Seat,
    settings::Settings,
    spent::Spent,
    telling::{Pen, Telling},
    told,
    turns::{AtWork, Turns},
};
use domain::{
    clock::SharedClock,
    grant::Grant,
    id::WorkerId,
    order::{Fault, ReportKind},
};
use engine::EngineHandle;
use exchange::{
    blobs::{self, Blobs},
    grant::{self, GrantError},
    queue::{Lease, Queue, QueueError, Standing, Taker},
    signing::VerifyingKeys,
    spans::Span,
};
use futures_util::future::join_all;
use pages::Limits;
use std::{convert::Infallible, future, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// What a worker is made of.
pub struct WorkerParts {
    /// Its id in reports.
    pub id: WorkerId,
    /// What else it says of itself.
    pub about: About,
    /// Where orders come from and reports go to.
    pub queue: Arc<dyn Queue>,
    /// Where pages and artifacts are.
    pub blobs: Arc<dyn Blobs>,
    /// The hub's public keys.
    pub keys: VerifyingKeys,
    /// Against which grants expire.
    pub clock: SharedClock,
    /// Where revisions are laid out.
    pub models: ModelsFolder,
    /// How large a page may be.
    pub limits: Limits,
    /// How it behaves.
    pub settings: Settings,
}

/// See the crate's text.
pub struct Worker {
    parts: WorkerParts,
    models: Models,
    kept: Arc<KeptPages>,
    epochs: Arc<Epochs>,
    allowance: Allowance,
    spent: Spent,
    pace: Pace,
    turns: Turns,
}

enum Unbelieved {
    Grant(GrantError),
    Queue(QueueError),
}

impl Worker {
    /// A worker that has loaded nothing yet.
    pub fn new(parts: WorkerParts) -> Self {
        let load = parts.settings.load.clone();
        let allowance = Allowance::of(parts.about.room, &parts.settings);
        let models = Models::new(parts.models.clone(), parts.blobs.clone(), load, allowance);
        let kept = Arc::new(KeptPages::new(parts.settings.most_kept_bytes));
        Self {
            parts,
            models,
            kept,
            epochs: Arc::default(),
            allowance,
            spent: Spent::default(),
            pace: Pace::default(),
            turns: Turns::default(),
        }
    }

    /// Works until `shutdown`, and then for [`Settings::drain`] at most.
    pub async fn run(&self, shutdown: CancellationToken) {
        let (parts, models, pace) = (&self.parts, &self.models, &self.pace);
        tokio::select! {
            () = self.work_until(shutdown) => {}
            never = keep_announcing(parts, models, pace) => match never {},
        }
    }

    /// As many orders as the settings say, each in a lane of its own.
    async fn work_until(&self, shutdown: CancellationToken) {
        join_all((0..self.allowance.lanes()).map(|_| self.work_in_lane(&shutdown))).await;
    }

    async fn work_in_lane(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.step_until(shutdown).await {
                Outcome::Unreachable { reason } => tracing::warn!(reason, "the queue does not answer"),
                // Others, whose clocks are right, shall have the next order.
                Outcome::Refused { code, .. } if is_of_clocks(code) => {}
                _ => continue,
            }
            shutdown
                .run_until_cancelled(sleep(self.parts.settings.pause))
                .await;
        }
    }

    /// Takes one order, if there is one, and works at it to its end.
    pub async fn step(&self) -> Outcome {
        self.step_until(&CancellationToken::new()).await
    }

    async fn step_until(&self, leaving: &CancellationToken) -> Outcome {
        let (mut lease, _at_work) = match leaving.run_until_cancelled(self.take()).await {
            Some(Ok(Some(taken))) => taken,
            Some(Ok(None)) | None => return Outcome::Idle,
            Some(Err(error)) => return error.into(),
        };
        let mut told = told::begin(&mut lease.order);
        let order = &lease.order;
        let (id, attempt, model) = (order.id, order.attempt, &order.model);
        let span = tracing::info_span!("order", %id, attempt, %model, trace = %told.trace());
        async {
            let outcome = self.work(lease, leaving, &mut told).await;
            told::end(&mut told, &outcome);
            tracing::info!(?outcome, "the work at an order ended");
            outcome
        }
        .instrument(span)
        .await
    }

    /// The next order, if there is one for this worker.
    async fn take(&self) -> Result<Option<(Lease, AtWork<'_>)>, QueueError> {
        let Settings { look, wait, stay, .. } = self.parts.settings;
        let turn = self.turns.next(look).await;
        let Some(preference) = self.models.preference(stay, turn.at_work) else {
            return Ok(None);
        };
        let taker = Taker {
            worker: self.parts.id,
            room: self.parts.about.room,
            preference,
        };
        let wait = if turn.at_work > 0 { Duration::ZERO } else { wait };
        let lease = self.parts.queue.take(&taker, wait).await?;
        Ok(lease.map(|lease| (lease, turn.found())))
    }

    async fn work(&self, lease: Lease, leaving: &CancellationToken, told: &mut Span) -> Outcome {
        let grant = match self.believe(&lease).await {
            Ok(grant) => grant,
            Err(Unbelieved::Grant(error)) => return self.refuse(&lease, &error).await,
            Err(Unbelieved::Queue(error)) => return error.into(),
        };
        let (queue, epochs) = (self.parts.queue.clone(), self.epochs.clone());
        let hold = Hold::new(queue, epochs, lease, grant, self.parts.settings.look);
        let outcome = tokio::select! {
            outcome = self.carry_out(&hold, told) => outcome,
            never = hold.keep() => match never {},
            never = self.leave(&hold.stop, leaving) => match never {},
        };
        if let Outcome::Finished { order, .. } | Outcome::Refused { order, .. } = outcome {
            let refused_from = hold.grant().exp.saturating_add(self.leeway().whole_seconds());
            self.spent.note(order, hold.grant().attempt, refused_from);
        }
        if let Outcome::Finished { .. } = outcome {
            self.pace.page(hold.grant(), self.turns.took());
        }
        outcome
    }

    fn leeway(&self) -> time::Duration {
        time::Duration::try_from(self.parts.settings.leeway).unwrap_or(grant::LEEWAY)
    }

    /// The grant of an order, if it holds for exactly this order, now.
    async fn believe(&self, Lease { order, epoch, .. }: &Lease) -> Result<Grant, Unbelieved> {
        let WorkerParts {
            queue, keys, clock, ..
        } = &self.parts;
        let now = clock.now();
        let checked =
            grant::check(keys, &order.grant, order, now, self.leeway()).map_err(Unbelieved::Grant)?;
        let epoch = match epoch {
            // Of this tenant: it was held against the grant.
            Some(announced) => self.epochs.highest(checked.tenant(), *announced),
            None => self
                .epochs
                .of(&**queue, checked.tenant())
                .await
                .map_err(Unbelieved::Queue)?,
        };
        let grant = checked.against_epoch(epoch).map_err(Unbelieved::Grant)?;
        match self.spent.holds(&grant, now.unix_timestamp()) {
            true => Err(Unbelieved::Grant(GrantError::Replayed)),
            false => Ok(grant),
        }
    }

    /// Fails every job of an order that is not believed, and removes it.
    async fn refuse(&self, lease: &Lease, error: &GrantError) -> Outcome {
        tracing::warn!(code = error.code(), %error, "an order was refused");
        let failures = Tally::of(&lease.order).failures(&fault::of_grant(error));
        let reports = reports(&lease.order, self.parts.id, &failures);
        if let Err(error) = self.parts.queue.report(&reports).await {
            return error.into();
        }
        match self.parts.queue.settle(lease).await {
            Ok(_) => Outcome::Refused {
                order: lease.order.id,
                code: error.code(),
            },
            Err(error) => error.into(),
        }
    }

    /// Stops the work when the worker shall leave and its time to finish is over.
    async fn leave(&self, stop: &Stop, leaving: &CancellationToken) -> Infallible {
        leaving.cancelled().await;
        sleep(self.parts.settings.drain).await;
        stop.set(StopReason::Leaving);
        future::pending().await
    }

    async fn carry_out(&self, hold: &Hold, told: &mut Span) -> Outcome {
        let mut tally = Tally::of(hold.order());
        let fault = self.answer(hold, &mut tally).await.err();
        told::used(told, &tally);
        self.conclude(hold, tally, fault)
            .await
            .unwrap_or_else(Outcome::from)
    }

    /// Answers what it can. A fault is one of all jobs that are still open; a stop is no fault.
    async fn answer(&self, hold: &Hold, tally: &mut Tally) -> Result<(), Fault> {
        let page_sha256 = hold.grant().page_sha256;
        let page = blobs::read(&*self.parts.blobs, page_sha256, self.parts.limits.max_bytes);
        let Some(page) = hold.stop.unless(page).await else {
            return Ok(());
        };
        let page = page.map_err(|error| fault::of_page_blob(&error))?;
        let loading = self.models.engine(hold.grant(), hold.order().need);
        let Some(engine) = hold.stop.unless(loading).await else {
            return Ok(());
        };
        let engine = engine?;
        // As many as there are questions, at most: the engine waits for nobody.
        let (tell, told) = mpsc::unbounded_channel();
        let (pen, seen) = Pen::take();
        let thread = self.sit_down(hold, engine, page, tell, pen);
        let telling = Telling::new(&*self.parts.queue, &hold.stop, hold.order().attempt, seen);
        tokio::select! {
            // What was written is told before it is reported.
            biased;
            never = telling.run() => match never {},
            () = relay(hold, told, tally, &self.pace) => {}
        }
        if hold.stop.reason() == Some(&StopReason::Leaving) {
            // The engine lets go by itself at its next token; leaving does not wait for it.
            return Ok(());
        }
        joined(thread).await
    }

    /// Brings an order to the engine, from a thread that may block.
    fn sit_down(
        &self,
        hold: &Hold,
        engine: EngineHandle,
        page: Vec<u8>,
        tell: mpsc::UnboundedSender<ReportKind>,
        pen: Pen,
    ) -> JoinHandle<()> {
        let (limits, stop, questions) = (
            self.parts.limits,
            hold.stop.clone(),
            hold.order().questions.clone(),
        );
        let kept = (self.kept.clone(), PageKey::of(hold.grant()));
        let (span, computing) = (tracing::Span::current(), self.parts.settings.computing);
        spawn_blocking(move || {
            let (_entered, seat) = (span.enter(), Seat::take());
            let tell = move |kind| {
                // Who does not listen any more has stopped the work too.
                let _ = tell.send(kind);
            };
            if let Computing::Noop(pause) = computing {
                return noop::answer_all(&questions, pause, &tell);
            }
            let sitting = Sitting {
                engine: &engine,
                limits: &limits,
                kept,
                stop,
                pen,
                tell: Box::new(tell),
                seat,
            };
            sitting.ask(&page, &questions);
        })
    }

    /// Says the last words about an order and gives it up.
    async fn conclude(
        &self,
        hold: &Hold,
        mut tally: Tally,
        fault: Option<Fault>,
    ) -> Result<Outcome, QueueError> {
        let order = hold.order().id;
        // Read once: settling ends the lease, which the hold then finds lost.
        let reason = hold.stopped_by().cloned();
        let last = match (&reason, fault) {
            (Some(StopReason::Lost), _) => return Ok(Outcome::Lost { order }),
            (Some(StopReason::Withdrawn), _) => return Ok(Outcome::Withdrawn { order }),
            (Some(StopReason::Leaving), _) => vec![ReportKind::HandedBack],
            (Some(StopReason::Superseded(error)), _) => tally.failures(&fault::of_grant(error)),
            (None, Some(fault)) => tally.failures(&fault),
            (None, None) => tally.failures(&fault::passing("engine_failed", "the engine said nothing")),
        };
        match hold.end(&last).await? {
            Standing::Held => last.iter().for_each(|kind| tally.count(kind)),
            Standing::Lost => return Ok(Outcome::Lost { order }),
            Standing::Withdrawn => return Ok(Outcome::Withdrawn { order }),
        }
        Ok(match reason {
            Some(StopReason::Superseded(error)) => Outcome::Refused {
                order,
                code: error.code(),
            },
            Some(_) => Outcome::HandedBack { order },
            None => Outcome::Finished {
                order,
                answered: tally.answered,
                failed: tally.failed,
            },
        })
    }
}

/// Whether an order was refused because this worker's clock, or the hub's, is wrong.
fn is_of_clocks(code: &str) -> bool {
    code == GrantError::NotYet { seconds: 0 }.code()
}

/// Waits for the thread that brought an order to the engine. If it panicked, that is this order's fault and the worker goes on.
async fn joined(thread: JoinHandle<()>) -> Result<(), Fault> {
    thread.await.map_err(|_| fault::of_panic())
}

#[cfg(test)]
mod tests;
