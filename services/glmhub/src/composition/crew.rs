//! The loops and workers beside the HTTP server, each begun again if it should ever die.

use super::{backends::Company, hangups, pieces::Pieces, upkeep::keep_up};
use hub::api::health;
use hub::loops::{
    acceptances::{Acceptances, AcceptancesParts},
    collect::{Collect, CollectParts},
    combine::{Combine, CombineParts},
    deliver::{Deliver, DeliverParts},
    dispatch::Dispatch,
    expire::{Expire, ExpireParts},
    intake::{Intake, IntakeParts},
    model_uploads::{ModelUploads, ModelUploadsParts},
    openai_batches::OpenaiBatches,
    reconsider::{Reconsider, ReconsiderParts},
    register::{Register, RegisterParts},
    retain::{Retain, RetainParts},
    seal::{Seal, SealParts},
    sweep::{Sweep, SweepParts},
    tidy::{Tidy, TidyParts},
};
use hub::{limits::Keeper, measuring::Measuring, openai::bulk::BulkParts};
use records::{backlog, turns};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// See the module's text.
pub struct Crew {
    /// Everything that makes or does work; leaves first.
    work: JoinSet<()>,
    work_ends: CancellationToken,
    /// Collects what the others report, so it leaves after them.
    collect: JoinSet<()>,
    collect_ends: CancellationToken,
    collector: Collect,
    seal_parts: SealParts,
    company: Company,
}

impl Crew {
    /// Starts everybody. A hub that is alone first takes back what an earlier process left in the middle; among others
    /// that would be theirs, and what nobody has in hand any more comes back by itself. `address` is where the hub
    /// answers. What is counted for whoever scrapes is counted for the dashboard too, and for a collector of metrics.
    pub async fn start(pieces: &Pieces, address: SocketAddr, has_collector: bool) -> anyhow::Result<Self> {
        turns::set_shares(&pieces.db, &pieces.work.shares()).await?;
        backlog::recount(&pieces.db).await?;
        let (intake, sweep) = (intake_parts(pieces), sweep_parts(pieces));
        let (sending, deliver) = (pieces.sending.clone(), deliver_parts(pieces, address));
        if pieces.company == Company::Alone {
            Intake::new(intake.clone()).at_start().await?;
            Sweep::new(sweep.clone()).at_start().await?;
            Deliver::new(deliver.clone()).at_start().await?;
        }
        let (mut work, work_ends) = (JoinSet::new(), CancellationToken::new());
        for _ in 0..pieces.work.split_processes.max(1) {
            let intake = intake.clone();
            keep_up(&mut work, "intake", &work_ends, move |ends| {
                Intake::new(intake.clone()).run(ends)
            });
        }
        keep_up(&mut work, "dispatch", &work_ends, move |ends| {
            Dispatch::new(sending.clone()).run(ends)
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
        let reconsider = reconsider_parts(pieces);
        keep_up(&mut work, "reconsider", &work_ends, move |ends| {
            Reconsider::new(reconsider.clone()).run(ends)
        });
        let expire = expire_parts(pieces);
        keep_up(&mut work, "expire", &work_ends, move |ends| {
            Expire::new(expire.clone()).run(ends)
        });
        let combine = combine_parts(pieces);
        keep_up(&mut work, "combine", &work_ends, move |ends| {
            Combine::new(combine.clone()).run(ends)
        });
        let retain = retain_parts(pieces);
        keep_up(&mut work, "retain", &work_ends, move |ends| {
            Retain::new(retain.clone()).run(ends)
        });
        let bulk = bulk_parts(pieces);
        keep_up(&mut work, "openai_batches", &work_ends, move |ends| {
            OpenaiBatches::new(bulk.clone()).run(ends)
        });
        let model_uploads = model_uploads_parts(pieces);
        keep_up(&mut work, "model_uploads", &work_ends, move |ends| {
            ModelUploads::new(model_uploads.clone()).run(ends)
        });
        let tidy = tidy_parts(pieces);
        keep_up(&mut work, "tidy", &work_ends, move |ends| {
            Tidy::new(tidy.clone()).run(ends)
        });
        let register = register_parts(pieces);
        keep_up(&mut work, "register", &work_ends, move |ends| {
            Register::new(register.clone()).run(ends)
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
        let measuring = measuring(pieces, has_collector);
        keep_up(&mut work, "measuring", &work_ends, move |ends| {
            measuring.clone().run(ends)
        });
        let reload = pieces.reload.clone();
        keep_up(&mut work, "hangups", &work_ends, move |ends| {
            hangups::heed(reload.clone(), ends)
        });
        if let Some(workers) = &pieces.workers {
            workers.start(&mut work, &work_ends)?;
        }
        let (mut collect, collect_ends) = (JoinSet::new(), CancellationToken::new());
        let collector = Collect::new(collect_parts(pieces));
        for _ in 0..Collect::RELIEVED_BY {
            let collector = collector.clone();
            keep_up(&mut collect, "collect", &collect_ends, move |ends| {
                collector.clone().relieve(ends)
            });
        }
        let first = collector.clone();
        keep_up(&mut collect, "collect", &collect_ends, move |ends| {
            first.clone().run(ends)
        });
        Ok(Self {
            work,
            work_ends,
            collect,
            collect_ends,
            collector,
            seal_parts,
            company: pieces.company,
        })
    }

    /// Ends everybody: each finishes the step that it is at, workers within their time for it.
    pub async fn end(self) {
        self.work_ends.cancel();
        self.work.join_all().await;
        self.collect_ends.cancel();
        self.collect.join_all().await;
        if self.company == Company::Alone {
            // What workers said last is in a queue that ends with this process.
            let mut collect = self.collector;
            while let Ok(hub::loops::Outcome::Worked) = collect.collect(Duration::ZERO).await {}
        }
        // What was logged last shall not stay unsealed until the next start.
        let mut seal = Seal::new(self.seal_parts);
        while let Ok(hub::loops::Outcome::Worked) = seal.step().await {}
    }
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

fn measuring(pieces: &Pieces, has_collector: bool) -> Measuring {
    Measuring {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        depths: pieces.depths.clone(),
        has_collector,
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

fn reconsider_parts(pieces: &Pieces) -> ReconsiderParts {
    ReconsiderParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        policies: pieces.policies.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn expire_parts(pieces: &Pieces) -> ExpireParts {
    ExpireParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn combine_parts(pieces: &Pieces) -> CombineParts {
    CombineParts {
        db: pieces.db.clone(),
        blobs: pieces.blobs.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn retain_parts(pieces: &Pieces) -> RetainParts {
    RetainParts {
        db: pieces.db.clone(),
        blobs: pieces.blobs.clone(),
        key: pieces.key.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.retention.clone(),
        work: pieces.work.clone(),
        signals: pieces.signals.clone(),
    }
}

fn bulk_parts(pieces: &Pieces) -> BulkParts {
    BulkParts {
        db: pieces.db.clone(),
        policies: pieces.policies.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
        keeper: Arc::new(Keeper::new(pieces.settings.limits.clone())),
        openai: pieces.settings.openai.clone(),
        blobs: pieces.blobs.clone(),
        queue: pieces.queue.clone(),
        splitting: pieces.splitting.clone(),
        signals: pieces.signals.clone(),
        outgoing: pieces.outgoing.clone(),
    }
}

fn register_parts(pieces: &Pieces) -> RegisterParts {
    RegisterParts {
        db: pieces.db.clone(),
        queue: pieces.queue.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.work.clone(),
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

fn model_uploads_parts(pieces: &Pieces) -> ModelUploadsParts {
    ModelUploadsParts {
        db: pieces.db.clone(),
        blobs: pieces.blobs.clone(),
        checkpoints: pieces.checkpoints.clone(),
        ids: pieces.ids.clone(),
        clock: pieces.clock.clone(),
        settings: pieces.settings.model_uploads.clone(),
        signals: pieces.signals.clone(),
        scratch: pieces.scratch.path().to_owned(),
    }
}

fn tidy_parts(pieces: &Pieces) -> TidyParts {
    TidyParts {
        db: pieces.db.clone(),
        blobs: pieces.blobs.clone(),
        clock: pieces.clock.clone(),
        after: pieces.settings.blobs.unfinished(),
    }
}
