//! The loops of a process over its records and queue.

use crate::{
    loops::{
        collect::{Collect, CollectParts},
        dispatch::{Dispatch, DispatchParts},
        reconsider::{Reconsider, ReconsiderParts},
        sweep::{Sweep, SweepParts},
    },
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
) -> (Dispatch, Collect, Sweep, Reconsider) {
    let signals = Arc::new(Signals::default());
    let (db, ids, settings) = (db.clone(), ids.clone(), settings.clone());
    let dispatch = DispatchParts {
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
    (
        Dispatch::new(dispatch),
        Collect::new(collect),
        Sweep::new(sweep),
        Reconsider::new(reconsider),
    )
}
