//! The loops and workers beside the HTTP server, each begun again if it should ever die.

use super::{hangups, pieces::Pieces};
use hub::api::health;
use hub::loops::{
    acceptances::{Acceptances, AcceptancesParts},
    collect::{Collect, CollectParts},
    deliver::{Deliver, DeliverParts},
    dispatch::{Dispatch, DispatchParts},
    intake::{Intake, IntakeParts},
    seal::{Seal, SealParts},
    sweep::{Sweep, SweepParts},
};
use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a loop that died stays away: a fault that comes at once every time shall not fill the log.
const PAUSE_AFTER_DEATH: Duration = Duration::from_millis(200);

/// See the module's text.
pub struct Crew {
    /// Everything that makes or does work; leaves first.
    work: JoinSet<()>,
    work_ends: CancellationToken,
    /// Collects what the others report, so it leaves after them.
    collect: JoinSet<()>,
    collect_ends: CancellationToken,
    collect_parts: CollectParts,
    seal_parts: SealParts,
}

impl Crew {
    /// Takes back what an earlier process left in the middle, then starts everybody. `address` is where the hub
    /// answers.
    pub async fn start(pieces: &Pieces, address: SocketAddr) -> anyhow::Result<Self> {
        let (intake, sweep) = (intake_parts(pieces), sweep_parts(pieces));
        let (dispatch, deliver) = (dispatch_parts(pieces), deliver_parts(pieces, address));
        Intake::new(intake.clone()).at_start().await?;
        Sweep::new(sweep.clone()).at_start().await?;
        Deliver::new(deliver.clone()).at_start().await?;
        let (mut work, work_ends) = (JoinSet::new(), CancellationToken::new());
        keep_up(&mut work, "intake", &work_ends, move |ends| {
            Intake::new(intake.clone()).run(ends)
        });
        keep_up(&mut work, "dispatch", &work_ends, move |ends| {
            Dispatch::new(dispatch.clone()).run(ends)
        });
        keep_up(&mut work, "sweep", &work_ends, move |ends| {
            Sweep::new(sweep.clone()).run(ends)
        });
        keep_up(&mut work, "deliver", &work_ends, move |ends| {
            Deliver::new(deliver.clone()).run(ends)
        });
        let acceptances = acceptances_parts(pieces);
        keep_up(&mut work, "acceptances", &work_ends, move |ends| {
            Acceptances::new(acceptances.clone()).run(ends)
        });
        let seal_parts = seal_parts(pieces);
        let parts = seal_parts.clone();
        keep_up(&mut work, "seal", &work_ends, move |ends| {
            Seal::new(parts.clone()).run(ends)
        });
        let metrics = pieces.metrics.clone();
        keep_up(&mut work, "upkeep", &work_ends, move |ends| {
            health::upkeep(metrics.clone(), ends)
        });
        let reload = pieces.reload.clone();
        keep_up(&mut work, "hangups", &work_ends, move |ends| {
            hangups::heed(reload.clone(), ends)
        });
        for _ in 0..pieces.settings.worker.count {
            let worker = Arc::new(pieces.worker()?);
            keep_up(&mut work, "worker", &work_ends, move |ends| {
                let worker = worker.clone();
                async move { worker.run(ends).await }
            });
        }
        let (mut collect, collect_ends) = (JoinSet::new(), CancellationToken::new());
        let collect_parts = collect_parts(pieces);
        let parts = collect_parts.clone();
        keep_up(&mut collect, "collect", &collect_ends, move |ends| {
            Collect::new(parts.clone()).run(ends)
        });
        Ok(Self {
            work,
            work_ends,
            collect,
            collect_ends,
            collect_parts,
            seal_parts,
        })
    }

    /// Ends everybody: each finishes the step that it is at, workers within their time for it.
    pub async fn end(self) {
        self.work_ends.cancel();
        self.work.join_all().await;
        self.collect_ends.cancel();
        self.collect.join_all().await;
        // What workers said last is in a queue that ends with this process.
        let mut collect = Collect::new(self.collect_parts);
        while let Ok(hub::loops::Outcome::Worked) = collect.collect(Duration::ZERO).await {}
        // What was logged last shall not stay unsealed until the next start.
        let mut seal = Seal::new(self.seal_parts);
        while let Ok(hub::loops::Outcome::Worked) = seal.step().await {}
    }
}

/// Runs what `begin` begins until `ends`. Should it end before, by a panic or by itself, that is logged and it is
/// begun again.
fn keep_up<F>(
    set: &mut JoinSet<()>,
    name: &'static str,
    ends: &CancellationToken,
    begin: impl Fn(CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let ends = ends.clone();
    set.spawn(async move {
        loop {
            let ended = tokio::spawn(begin(ends.clone())).await;
            if ends.is_cancelled() {
                return;
            }
            // A panic's message has been printed; what it was about may hold what logs must not, so only that it was.
            tracing::error!(name, panicked = ended.is_err(), "a loop died and is begun again");
            metrics::counter!("glmhub_loops_died_total", "loop" => name).increment(1);
            ends.run_until_cancelled(tokio::time::sleep(PAUSE_AFTER_DEATH))
                .await;
        }
    });
}

fn intake_parts(pieces: &Pieces) -> IntakeParts {
    IntakeParts {
        db: pieces.db.clone(),
        splitting: pieces.splitting.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn dispatch_parts(pieces: &Pieces) -> DispatchParts {
    DispatchParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        policies: pieces.policies.clone(),
        key: pieces.key.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn deliver_parts(pieces: &Pieces, address: SocketAddr) -> DeliverParts {
    DeliverParts {
        db: pieces.db.clone(),
        outgoing: pieces.outgoing.clone(),
        base_url: pieces.webhooks.base_url(address),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        randomness: pieces.randomness.clone(),
        settings: pieces.webhooks.clone(),
        signals: pieces.signals.clone(),
    }
}

fn acceptances_parts(pieces: &Pieces) -> AcceptancesParts {
    AcceptancesParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.acceptances.clone(),
        signals: pieces.signals.clone(),
    }
}

fn collect_parts(pieces: &Pieces) -> CollectParts {
    CollectParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn seal_parts(pieces: &Pieces) -> SealParts {
    SealParts {
        db: pieces.db.clone(),
        key: pieces.key.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.audit.clone(),
    }
}

fn sweep_parts(pieces: &Pieces) -> SweepParts {
    SweepParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_loop_that_dies_is_begun_again_and_ends_when_told() {
        let (begun, up_again, ends) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(Notify::new()),
            CancellationToken::new(),
        );
        let mut set = JoinSet::new();
        let (count, told) = (begun.clone(), up_again.clone());
        keep_up(&mut set, "test", &ends, move |ends| {
            let (nth, told) = (count.fetch_add(1, Ordering::SeqCst), told.clone());
            async move {
                assert!(nth > 0, "the first time it dies");
                told.notify_one();
                ends.cancelled().await;
            }
        });
        up_again.notified().await;
        ends.cancel();
        set.join_all().await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
