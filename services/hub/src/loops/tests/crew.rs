//! The loops of a process over its records and queue.

use crate::{
    loops::{
        collect::{Collect, CollectParts},
        dispatch::Dispatch,
        reconsider::{Reconsider, ReconsiderParts},
        sweep::{Sweep, SweepParts},
    },
    sending::{Sending, SendingParts},
    signals::Signals,
    work_settings::WorkSettings,
};
use domain::{clock::HandClock, id::IdMaker, policy::CurrentPolicies};
use exchange::{
    queue::embedded::{EmbeddedQueue, EmbeddedSettings},
    signing::SigningKey,
};
use records::Db;
use std::sync::Arc;

pub fn empty_queue(clock: &Arc<HandClock>) -> Arc<EmbeddedQueue> {
    Arc::new(EmbeddedQueue::new(clock.clone(), EmbeddedSettings::default()))
}

pub fn loops(
    db: &Db,
    clock: &Arc<HandClock>,
    ids: &IdMaker,
    key: &Arc<SigningKey>,
    queue: &Arc<EmbeddedQueue>,
    settings: &Arc<WorkSettings>,
    policies: &CurrentPolicies,
) -> (Arc<Sending>, Dispatch, Collect, Sweep, Reconsider) {
    let signals = Arc::new(Signals::default());
    let (db, ids, settings) = (db.clone(), ids.clone(), settings.clone());
    let sending = SendingParts {
        db: db.clone(),
        queue: queue.clone(),
        policies: policies.clone(),
        key: key.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
        settings: settings.clone(),
        signals: signals.clone(),
    };
    let collect = CollectParts {
        db: db.clone(),
        queue: queue.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
        settings: settings.clone(),
        signals: signals.clone(),
    };
    let reconsider = ReconsiderParts {
        db: db.clone(),
        queue: queue.clone(),
        policies: policies.clone(),
        ids: ids.clone(),
        clock: clock.clone(),
        settings: settings.clone(),
        signals: signals.clone(),
    };
    let sweep = SweepParts {
        db,
        queue: queue.clone(),
        ids,
        clock: clock.clone(),
        settings,
        signals,
    };
    let sending = Arc::new(Sending::new(sending));
    (
        sending.clone(),
        Dispatch::new(sending),
        Collect::new(collect),
        Sweep::new(sweep),
        Reconsider::new(reconsider),
    )
}
