//! What every queue does, written against the trait. A queue's tests call [`queue_contract`] with something that
//! makes an empty one of at least eight orders, and a [`Stage`] that lets its leases run out.

use super::{Depth, Lease, Queue, Standing, Stands, Taker, Then, Under};
use crate::fixtures::Desk;
use async_trait::async_trait;
use domain::{
    id::WorkerId,
    order::{Report, ReportKind, WorkOrder},
};
use std::{collections::BTreeSet, slice::from_ref, time::Duration};

mod grants;
mod workers;

pub(crate) use grants::*;
pub(crate) use workers::*;

const NO_WAIT: Duration = Duration::ZERO;
/// Longer than any test takes: what is waited for comes earlier.
const LONG: Duration = Duration::from_secs(60);

/// A queue under test with what makes orders for it.
pub(crate) struct Stage<Q> {
    pub queue: Q,
    pub desk: Desk,
}

/// Lets the time of a lease go by.
#[async_trait]
pub(crate) trait Passing {
    async fn a_lease_goes_by(&self);
}

/// One test per promise; `$make` is a function that gives a [`Stage`], or none if this machine has no such queue.
macro_rules! queue_contract {
    ($make:path: $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            if let Some(stage) = $make().await {
                crate::queue::contract::$promise(&stage).await;
            }
        }
    )*};
    ($make:path) => {
        queue_contract! { $make:
            orders_are_handed_out_oldest_first_and_once
            an_order_offered_twice_is_held_once
            an_ended_lease_gives_the_order_to_another_worker_in_its_old_place
            an_extended_lease_stands
            a_settled_order_is_gone
            a_lost_lease_settles_nothing
            a_withdrawn_order_is_gone_and_its_worker_learns_of_it
            a_waiting_order_is_withdrawn_silently
            a_worker_that_waits_gets_what_arrives
            reports_come_again_until_acknowledged
            a_collector_that_waits_gets_what_arrives
            what_is_said_under_a_lease_is_told_while_it_and_its_grant_stand
            the_last_words_under_a_lease_end_it_if_they_are_told
            an_epoch_only_rises
            an_order_comes_with_the_epoch_of_its_tenant_or_it_has_to_be_asked_for
            an_order_goes_only_to_a_worker_that_has_room_for_its_model_and_holds_nobody_up
            a_worker_that_waits_is_not_given_what_it_has_no_room_for
            orders_of_the_preferred_revision_come_first_or_last
            orders_of_all_revisions_are_withdrawn_settled_and_counted
            what_workers_say_of_themselves_is_read_once_and_only_the_last
        }
    };
}
pub(crate) use queue_contract;

impl<Q> Stage<Q> {
    fn worker(&self) -> WorkerId {
        self.desk.ids.make()
    }

    fn report(&self, order: &WorkOrder, kind: ReportKind) -> Report {
        Report {
            order: order.id,
            attempt: order.attempt,
            worker: self.worker(),
            kind,
            trace: order.trace.clone(),
        }
    }
}

impl<Q: Queue> Stage<Q> {
    async fn offered(&self) -> WorkOrder {
        let order = self.desk.order();
        self.queue.offer(order.clone()).await.unwrap();
        order
    }

    async fn depth(&self) -> (u64, u64, u64) {
        let Depth {
            waiting,
            leased,
            reports,
        } = self.queue.depth().await.unwrap();
        (waiting, leased, reports)
    }
}

pub(crate) async fn orders_are_handed_out_oldest_first_and_once<Q: Queue>(stage: &Stage<Q>) {
    let (first, second) = (stage.offered().await, stage.offered().await);
    assert_eq!(stage.depth().await, (2, 0, 0));
    let one = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    let other = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((&one.order, &other.order), (&first, &second));
    assert_eq!(
        stage
            .queue
            .take(&Taker::of_anything(stage.worker()), NO_WAIT)
            .await
            .unwrap(),
        None
    );
    assert_eq!(stage.depth().await, (0, 2, 0));
    let unknown = stage.desk.order();
    let held = stage
        .queue
        .held(&[unknown.id, first.id, second.id])
        .await
        .unwrap();
    assert_eq!(BTreeSet::from_iter(held), BTreeSet::from([first.id, second.id]));
}

pub(crate) async fn an_order_offered_twice_is_held_once<Q: Queue>(stage: &Stage<Q>) {
    let order = stage.offered().await;
    stage.queue.offer(order.clone()).await.unwrap();
    assert_eq!(stage.depth().await, (1, 0, 0));
    stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    stage.queue.offer(order).await.unwrap();
    assert_eq!(stage.depth().await, (0, 1, 0));
}

pub(crate) async fn an_ended_lease_gives_the_order_to_another_worker_in_its_old_place<Q: Queue>(
    stage: &Stage<Q>,
) where
    Stage<Q>: Passing,
{
    let (first, _second) = (stage.offered().await, stage.offered().await);
    let lost = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    stage.a_lease_goes_by().await;
    let found = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.order, first);
    assert_ne!(found.delivery, lost.delivery);
    assert_eq!(stage.queue.extend(&lost).await.unwrap(), Standing::Lost);
    assert_eq!(stage.queue.extend(&found).await.unwrap(), Standing::Held);
}

pub(crate) async fn an_extended_lease_stands<Q: Queue>(stage: &Stage<Q>) {
    stage.offered().await;
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Held);
    }
    assert_eq!(
        stage
            .queue
            .take(&Taker::of_anything(stage.worker()), NO_WAIT)
            .await
            .unwrap(),
        None
    );
}

pub(crate) async fn a_settled_order_is_gone<Q: Queue>(stage: &Stage<Q>) {
    let order = stage.offered().await;
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stage.queue.settle(&lease).await.unwrap(), Standing::Held);
    assert_eq!(stage.queue.settle(&lease).await.unwrap(), Standing::Lost);
    assert_eq!(stage.depth().await, (0, 0, 0));
    assert_eq!(stage.queue.held(&[order.id]).await.unwrap(), []);
    assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Lost);
}

pub(crate) async fn a_lost_lease_settles_nothing<Q: Queue>(stage: &Stage<Q>)
where
    Stage<Q>: Passing,
{
    let order = stage.offered().await;
    let lost = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    stage.a_lease_goes_by().await;
    assert_eq!(stage.queue.settle(&lost).await.unwrap(), Standing::Lost);
    let found = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.order, order);
    assert_eq!(stage.queue.settle(&lost).await.unwrap(), Standing::Lost);
    assert_eq!(stage.queue.extend(&found).await.unwrap(), Standing::Held);
}

pub(crate) async fn a_withdrawn_order_is_gone_and_its_worker_learns_of_it<Q: Queue>(stage: &Stage<Q>) {
    let order = stage.offered().await;
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    stage.queue.withdraw(order.id).await.unwrap();
    assert_eq!(stage.queue.held(&[order.id]).await.unwrap(), []);
    assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Withdrawn);
    assert_eq!(stage.queue.settle(&lease).await.unwrap(), Standing::Withdrawn);
    assert_eq!(stage.depth().await, (0, 0, 0));
}

pub(crate) async fn a_waiting_order_is_withdrawn_silently<Q: Queue>(stage: &Stage<Q>) {
    let (first, second) = (stage.offered().await, stage.offered().await);
    stage.queue.withdraw(first.id).await.unwrap();
    stage.queue.withdraw(stage.desk.order().id).await.unwrap();
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.worker()), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lease.order, second);
    assert_eq!(stage.depth().await, (0, 1, 0));
}

pub(crate) async fn a_worker_that_waits_gets_what_arrives<Q: Queue>(stage: &Stage<Q>) {
    let taker = Taker::of_anything(stage.worker());
    let (taken, order) = tokio::join!(stage.queue.take(&taker, LONG), stage.offered());
    assert_eq!(taken.unwrap().unwrap().order, order);
}

pub(crate) async fn reports_come_again_until_acknowledged<Q: Queue>(stage: &Stage<Q>)
where
    Stage<Q>: Passing,
{
    let order = stage.desk.order();
    let kinds = [ReportKind::Started, ReportKind::HandedBack];
    let reports = kinds.map(|kind| stage.report(&order, kind));
    stage.queue.report(&reports).await.unwrap();
    let received = stage.queue.collect(9, NO_WAIT).await.unwrap();
    assert_eq!(
        received.iter().map(|one| &one.report).collect::<Vec<_>>(),
        [&reports[0], &reports[1]]
    );
    assert_eq!(stage.queue.collect(9, NO_WAIT).await.unwrap(), []);
    stage
        .queue
        .acknowledge(&[received[0].receipt.clone()])
        .await
        .unwrap();
    stage.a_lease_goes_by().await;
    let again = stage.queue.collect(9, NO_WAIT).await.unwrap();
    assert_eq!(
        again.iter().map(|one| &one.report).collect::<Vec<_>>(),
        [&reports[1]]
    );
    stage
        .queue
        .acknowledge(&[again[0].receipt.clone(), received[0].receipt.clone()])
        .await
        .unwrap();
    assert_eq!(stage.depth().await, (0, 0, 0));
}

pub(crate) async fn a_collector_that_waits_gets_what_arrives<Q: Queue>(stage: &Stage<Q>) {
    let order = stage.desk.order();
    let report = stage.report(&order, ReportKind::Started);
    let (collected, sent) = tokio::join!(
        stage.queue.collect(1, LONG),
        stage.queue.report(from_ref(&report))
    );
    sent.unwrap();
    assert_eq!(collected.unwrap()[0].report, report);
}
