//! Whom reports wake: those who may find something by them.

use super::{
    desk::{Desk, failed, shipped},
    revocations::listen,
};
use crate::{
    loops::{
        Outcome,
        collect::{Collect, CollectParts},
    },
    signals::Signals,
    work_settings::WorkSettings,
};
use domain::{combining::Scope, job::JobPhase, order::ReportKind};
use exchange::queue::Queue as _;
use futures_util::{FutureExt as _, future::join};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn parts(desk: &Desk, signals: &Arc<Signals>) -> CollectParts {
    CollectParts {
        db: desk.db.clone(),
        queue: desk.queue.clone(),
        ids: desk.ids.clone(),
        clock: desk.clock.clone(),
        settings: desk.settings.clone(),
        signals: signals.clone(),
    }
}

fn was_woken(one: &Notify) -> bool {
    one.notified().now_or_never().is_some()
}

/// Collects all that was reported. Tells whether dispatch, combine and deliver were woken.
async fn woken(desk: &Desk) -> [bool; 3] {
    let signals = Arc::new(Signals::default());
    let mut collect = Collect::new(parts(desk, &signals));
    while collect.collect(Duration::ZERO).await.unwrap() == Outcome::Worked {}
    [&signals.dispatch, &signals.combine, &signals.deliver].map(was_woken)
}

/// A batch of so many pages, each of which is answered.
async fn answer(desk: &mut Desk, pages: u32) {
    desk.batch("acme", pages, 1).await;
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
    }
}

#[tokio::test]
async fn reports_wake_those_who_may_find_something() {
    let mut desk = Desk::new().await;
    // Of one order, and of several.
    for pages in [1, 3] {
        answer(&mut desk, pages).await;
        assert_eq!(woken(&desk).await, [true, false, false], "{pages}");
        assert_eq!(woken(&desk).await, [false; 3]);
    }
    desk.scope = Scope::Document;
    answer(&mut desk, 2).await;
    assert_eq!(woken(&desk).await, [true, true, false]);
    desk.scope = Scope::Page;
    listen(&desk).await;
    answer(&mut desk, 1).await;
    assert_eq!(woken(&desk).await, [true, false, true]);
}

#[tokio::test]
async fn what_does_not_go_well_wakes_everybody() {
    let mut desk = Desk::new().await;
    for kind in [None, Some(true), Some(false)] {
        desk.batch("acme", 1, 1).await;
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        let kind = match kind {
            None => ReportKind::HandedBack,
            Some(may_pass) => failed(lease.order.questions[0].job, may_pass),
        };
        desk.report(&lease.order, kind).await;
        assert_eq!(woken(&desk).await, [true; 3]);
        desk.queue.settle(&lease).await.unwrap();
    }
}

#[tokio::test]
async fn more_than_is_collected_at_once_wakes_those_who_relieve_until_there_is_no_more() {
    let mut desk = Desk::with(WorkSettings {
        most_reports: 4,
        ..shipped()
    })
    .await;
    let signals = Arc::new(Signals::default());
    let mut collect = Collect::new(parts(&desk, &signals));
    let mut relief = collect.clone();
    // The batch's seven orders are begun and answered: fourteen reports.
    let batch = desk.batch("acme", 7, 1).await;
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
    }
    assert_eq!(collect.collect(Duration::ZERO).await.unwrap(), Outcome::Worked);
    assert!(was_woken(&signals.collect));
    for is_full in [true, true, false] {
        assert_eq!(relief.collect(Duration::ZERO).await.unwrap(), Outcome::Worked);
        // A full portion may have more behind it; what is less has not.
        assert_eq!(was_woken(&signals.collect), is_full);
    }
    assert_eq!(relief.collect(Duration::ZERO).await.unwrap(), Outcome::Idle);
    let jobs = desk.jobs("acme", batch).await;
    let answered = |phase| phase == JobPhase::Answered;
    assert!(jobs.iter().all(|job| answered(job.state.phase())), "{jobs:?}");
    answer(&mut desk, 1).await;
    assert_eq!(collect.collect(Duration::ZERO).await.unwrap(), Outcome::Worked);
    assert!(!was_woken(&signals.collect));
}

#[tokio::test]
async fn those_who_relieve_take_nothing_until_they_are_woken() {
    let mut desk = Desk::new().await;
    let signals = Arc::new(Signals::default());
    let mut collect = Collect::new(parts(&desk, &signals));
    let ends = CancellationToken::new();
    let mut running = pin!(collect.clone().relieve(ends.clone()));
    answer(&mut desk, 1).await;
    assert!(running.as_mut().now_or_never().is_none());
    assert_eq!(collect.collect(Duration::ZERO).await.unwrap(), Outcome::Worked);
    answer(&mut desk, 1).await;
    signals.collect.notify_one();
    let stored = async {
        while desk.queue.depth().await.unwrap().reports > 0 {
            tokio::task::yield_now().await;
        }
        ends.cancel();
    };
    join(running, stored).await;
}
