use super::*;
use crate::{
    fixtures::Desk,
    queue::{
        contract::{Passing, Stage, queue_contract},
        tokens::contract::tokens_contract,
    },
};
use std::{slice::from_ref, sync::Arc};

const LEASE: Duration = Duration::from_secs(30);

async fn empty_queue() -> Stage<EmbeddedQueue> {
    let desk = Desk::new();
    let settings = EmbeddedSettings {
        lease: LEASE,
        most_orders: 8,
    };
    Stage {
        queue: EmbeddedQueue::new(desk.clock.clone(), settings),
        desk,
    }
}

#[async_trait]
impl Passing for Stage<EmbeddedQueue> {
    async fn a_lease_goes_by(&self) {
        self.desk.clock.turn(time::Duration::seconds(30));
    }
}

async fn some_empty_queue() -> Option<Stage<EmbeddedQueue>> {
    Some(empty_queue().await)
}

queue_contract!(some_empty_queue);
tokens_contract!(some_empty_queue);

#[tokio::test]
async fn a_full_queue_refuses_until_an_order_is_settled() {
    let stage = empty_queue().await;
    for _ in 0..8 {
        stage.queue.offer(stage.desk.order()).await.unwrap();
    }
    let one_more = stage.desk.order();
    let refused = stage.queue.offer(one_more.clone()).await.unwrap_err();
    assert!(matches!(refused, QueueError::Full { limit: 8 }));
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.desk.ids.make()), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert!(
        stage.queue.offer(one_more.clone()).await.is_err(),
        "a leased order still counts"
    );
    stage.queue.settle(&lease).await.unwrap();
    stage.queue.offer(one_more).await.unwrap();
}

#[tokio::test]
async fn a_hub_that_does_not_collect_gets_no_more_work_done() {
    let stage = empty_queue().await;
    let order = stage.desk.order();
    let kind = domain::order::ReportKind::Started;
    let report = Report {
        order: order.id,
        attempt: 1,
        worker: stage.desk.ids.make(),
        kind,
        trace: None,
    };
    for _ in 0..8 * REPORTS_PER_ORDER {
        stage.queue.report(from_ref(&report)).await.unwrap();
    }
    assert!(matches!(
        stage.queue.offer(order.clone()).await,
        Err(QueueError::Full { .. })
    ));
    let received = stage.queue.collect(1, Duration::ZERO).await.unwrap();
    stage
        .queue
        .acknowledge(&[received[0].receipt.clone()])
        .await
        .unwrap();
    stage.queue.offer(order).await.unwrap();
}

#[tokio::test]
async fn a_lease_extended_in_time_outlives_its_first_end() {
    let stage = empty_queue().await;
    stage.queue.offer(stage.desk.order()).await.unwrap();
    let lease = stage
        .queue
        .take(&Taker::of_anything(stage.desk.ids.make()), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    for _ in 0..3 {
        stage.desk.clock.turn(time::Duration::seconds(20));
        assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Held);
    }
    stage.desk.clock.turn(time::Duration::seconds(30));
    assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Lost);
}

#[tokio::test]
async fn many_workers_share_the_orders_without_overlap() {
    let stage = Arc::new(empty_queue().await);
    let workers = (0..4).map(|_| {
        let stage = stage.clone();
        tokio::spawn(async move {
            let (worker, mut settled) = (stage.desk.ids.make(), Vec::new());
            while let Some(lease) = stage
                .queue
                .take(&Taker::of_anything(worker), Duration::from_millis(300))
                .await
                .unwrap()
            {
                stage.queue.settle(&lease).await.unwrap();
                settled.push(lease.order.id);
            }
            settled
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut offered = Vec::new();
    while offered.len() < 100 {
        let order = stage.desk.order();
        match stage.queue.offer(order.clone()).await {
            Ok(()) => offered.push(order.id),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    let mut settled = Vec::new();
    for worker in workers {
        settled.extend(worker.await.unwrap());
    }
    settled.sort();
    offered.sort();
    assert_eq!(settled, offered);
}
