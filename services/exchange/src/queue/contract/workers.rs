//! What every queue does for workers that differ: orders go to those that have room for their model, and what workers
//! say of themselves comes to the hubs.

use super::{LONG, NO_WAIT, Stage};
use crate::queue::{Preference, Queue, Standing, Taker};
use domain::{
    digest::Sha256,
    hardware::{Need, Room},
    id::WorkerId,
    order::WorkOrder,
    worker::{Announcement, Loaded, Speed},
};

/// A worker whose models may take so many bytes, at four bytes a value.
fn taker_with(worker: WorkerId, memory_bytes: u64) -> Taker {
    Taker {
        room: Room {
            memory_bytes: Some(memory_bytes),
            value_bytes: 4,
        },
        ..Taker::of_anything(worker)
    }
}

/// What takes so many bytes at four bytes a value.
fn need(bytes: u64) -> Option<Need> {
    Some(Need {
        values: bytes / 8,
        working_bytes: bytes / 2,
    })
}

impl<Q: Queue> Stage<Q> {
    /// An order of the revision with this name, on offer.
    async fn offered_of(&self, revision: &str, need: Option<Need>) -> WorkOrder {
        let order = WorkOrder {
            revision_sha256: Sha256::of(revision.as_bytes()),
            ..self.desk.order().with_need(need)
        };
        self.queue.offer(order.clone()).await.unwrap();
        order
    }

    async fn taken_by(&self, taker: &Taker) -> Option<WorkOrder> {
        let lease = self.queue.take(taker, NO_WAIT).await.unwrap();
        lease.map(|lease| lease.order)
    }
}

pub(crate) async fn an_order_goes_only_to_a_worker_that_has_room_for_its_model_and_holds_nobody_up<
    Q: Queue,
>(
    stage: &Stage<Q>,
) {
    let large = stage.offered_of("large", need(800)).await;
    let small = stage.offered_of("small", need(80)).await;
    let unknown = stage.offered_of("unknown", None).await;
    let (little, exact) = (taker_with(stage.worker(), 799), taker_with(stage.worker(), 800));
    // Of which revision the first one is, is not said.
    let taken = [stage.taken_by(&little).await, stage.taken_by(&little).await];
    for order in [small, unknown] {
        assert!(taken.contains(&Some(order)), "{taken:?}");
    }
    assert_eq!(stage.taken_by(&little).await, None);
    assert_eq!(stage.depth().await, (1, 2, 0));
    assert_eq!(stage.taken_by(&exact).await, Some(large));
}

pub(crate) async fn a_worker_that_waits_is_not_given_what_it_has_no_room_for<Q: Queue>(stage: &Stage<Q>) {
    let (little, ample) = (taker_with(stage.worker(), 100), taker_with(stage.worker(), 1000));
    let (for_little, for_ample, offered) = tokio::join!(
        stage.queue.take(&little, LONG),
        stage.queue.take(&ample, LONG),
        async {
            let large = stage.offered_of("large", need(800)).await;
            // Only the one that has room can make this place free.
            while stage.depth().await != (0, 1, 0) {
                tokio::task::yield_now().await;
            }
            (large, stage.offered_of("small", need(80)).await)
        },
    );
    assert_eq!(for_ample.unwrap().unwrap().order, offered.0);
    assert_eq!(for_little.unwrap().unwrap().order, offered.1);
}

pub(crate) async fn orders_of_the_preferred_revision_come_first_or_last<Q: Queue>(stage: &Stage<Q>) {
    let mut orders = Vec::new();
    for revision in ["other", "loaded", "other", "loaded"] {
        orders.push(stage.offered_of(revision, need(8)).await);
    }
    let loaded = Sha256::of(b"loaded");
    let taker = |preference| Taker {
        preference,
        ..Taker::of_anything(stage.worker())
    };
    let (first, last) = (taker(Preference::First(loaded)), taker(Preference::Last(loaded)));
    assert_eq!(stage.taken_by(&first).await.as_ref(), Some(&orders[1]));
    assert_eq!(stage.taken_by(&last).await.as_ref(), Some(&orders[0]));
    assert_eq!(stage.taken_by(&last).await.as_ref(), Some(&orders[2]));
    assert_eq!(stage.taken_by(&last).await.as_ref(), Some(&orders[3]));
    let more = stage.offered_of("other", need(8)).await;
    let only = taker(Preference::Only(loaded));
    assert_eq!(stage.taken_by(&only).await, None);
    let own = stage.offered_of("loaded", need(8)).await;
    assert_eq!(stage.taken_by(&only).await, Some(own));
    assert_eq!(stage.taken_by(&first).await, Some(more));
}

pub(crate) async fn orders_of_all_revisions_are_withdrawn_settled_and_counted<Q: Queue>(stage: &Stage<Q>) {
    let one = stage.offered_of("one", need(8)).await;
    let two = stage.offered_of("two", need(8)).await;
    let three = stage.offered_of("three", need(8)).await;
    assert_eq!(stage.depth().await, (3, 0, 0));
    let of_two = Taker {
        preference: Preference::First(two.revision_sha256),
        ..Taker::of_anything(stage.worker())
    };
    let lease = stage.queue.take(&of_two, NO_WAIT).await.unwrap().unwrap();
    assert_eq!((lease.order.id, stage.depth().await), (two.id, (2, 1, 0)));
    stage.queue.withdraw(one.id).await.unwrap();
    assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Held);
    stage.queue.settle(&lease).await.unwrap();
    assert_eq!(
        stage.queue.held(&[one.id, two.id, three.id]).await.unwrap(),
        [three.id]
    );
    assert_eq!(stage.taken_by(&of_two).await, Some(three));
}

fn announcement(worker: WorkerId, pages: u64) -> Announcement {
    let (model, revision_sha256) = ("acme/tiny".parse().unwrap(), Sha256::of(b"a revision"));
    Announcement {
        worker,
        version: "1.2.3".into(),
        device: "cpu".into(),
        room: Room {
            memory_bytes: Some(1 << 40),
            value_bytes: 2,
        },
        loaded: vec![Loaded {
            model,
            revision_sha256,
        }],
        speeds: vec![Speed {
            model: "acme/tiny".parse().unwrap(),
            revision_sha256,
            pages,
            pages_per_minute: 1.5,
            tokens_per_second: 20.25,
        }],
    }
}

pub(crate) async fn what_workers_say_of_themselves_is_read_once_and_only_the_last<Q: Queue>(
    stage: &Stage<Q>,
) {
    let (one, other) = (stage.worker(), stage.worker());
    for (worker, pages) in [(one, 1), (other, 2), (one, 3)] {
        stage.queue.announce(announcement(worker, pages)).await.unwrap();
    }
    let mut read = stage.queue.announced().await.unwrap();
    read.sort_by_key(|announcement| announcement.speeds[0].pages);
    assert_eq!(read, [announcement(other, 2), announcement(one, 3)]);
    assert_eq!(stage.queue.announced().await.unwrap(), []);
    assert_eq!(stage.depth().await, (0, 0, 0));
}
