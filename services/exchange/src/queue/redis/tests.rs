use super::*;
use crate::{
    fixtures::Desk,
    queue::{
        contract::{Passing, Stage, queue_contract},
        tokens::contract::tokens_contract,
    },
};
use std::sync::Arc;

/// Longer than any test takes: leases end only where a test says so.
const LEASE: Duration = Duration::from_secs(600);
const NO_WAIT: Duration = Duration::ZERO;
/// Short, as a test waits for it to go by.
const LISTENING: Duration = Duration::from_secs(1);
pub(super) const MOST_PIECES: usize = 100;

/// Makes everything that was given out look as if it had been given out a lease ago.
const AGE: &str = "
for _, key in ipairs(KEYS) do
  local group = string.find(key, ':reports') and 'hubs' or 'workers'
  local pending = redis.pcall('XPENDING', key, group, '-', '+', 1000)
  for _, held in ipairs(pending.err and {} or pending) do
    redis.call('XCLAIM', key, group, held[2], 0, held[1], 'IDLE', ARGV[1], 'JUSTID')
  end
end";

/// An empty queue on the server that `GLMHUB_TEST_REDIS_URL` names; without one, says what is not tested.
async fn empty_queue() -> Option<Stage<RedisQueue>> {
    named_queue(&fresh_name()).await
}

pub(super) fn fresh_name() -> String {
    let random = std::collections::hash_map::RandomState::new();
    format!("test-{:x}", std::hash::BuildHasher::hash_one(&random, 0))
}

/// The same on a Cluster.
async fn empty_queue_on_a_cluster() -> Option<Stage<RedisQueue>> {
    queue_at("GLMHUB_TEST_REDIS_CLUSTER_URL", &fresh_name()).await
}

/// The same on Valkey, which went its own way after Redis 7.2.
async fn empty_queue_on_valkey() -> Option<Stage<RedisQueue>> {
    queue_at("GLMHUB_TEST_VALKEY_URL", &fresh_name()).await
}

pub(super) async fn named_queue(name: &str) -> Option<Stage<RedisQueue>> {
    queue_at("GLMHUB_TEST_REDIS_URL", name).await
}

/// The URL that `variable` names. Which servers a machine has for tests is no setting of the hub.
pub(super) fn server(variable: &str) -> Option<String> {
    std::env::var_os(variable).map(|url| url.into_string().unwrap())
}

async fn queue_at(variable: &str, name: &str) -> Option<Stage<RedisQueue>> {
    let Some(url) = server(variable) else {
        eprintln!("{variable} is not set: the queue was not tested there");
        return None;
    };
    Some(queue_of(&url, name).await)
}

pub(super) async fn queue_of(url: &str, name: &str) -> Stage<RedisQueue> {
    let settings = RedisSettings {
        url: url.to_owned(),
        password: None,
        authorities: None,
        name: name.to_owned(),
        lease: LEASE,
        most_orders: 8,
        listening: LISTENING,
        most_pieces: MOST_PIECES,
    };
    Stage {
        queue: RedisQueue::connect(settings).await.unwrap(),
        desk: Desk::new(),
    }
}

#[async_trait]
impl Passing for Stage<RedisQueue> {
    async fn a_lease_goes_by(&self) {
        let script = redis::Script::new(AGE);
        let mut age = script.prepare_invoke();
        age.key(self.queue.streams().await.unwrap());
        age.key(&self.queue.keys.reports);
        age.arg(self.queue.lease_millis());
        self.queue.links.invoke::<()>(&age).await.unwrap();
    }
}

impl Stage<RedisQueue> {
    /// What FLUSHALL does to this queue, without doing it to the other tests' queues.
    async fn everything_is_lost(&self) {
        let keys = &self.queue.keys;
        let mut delete = redis::cmd("DEL");
        delete
            .arg(self.queue.streams().await.unwrap())
            .arg(&keys.needs)
            .arg(&keys.places)
            .arg(&keys.reports)
            .arg(&keys.epochs);
        self.queue.links.query::<()>(&delete).await.unwrap();
    }

    async fn taken(&self) -> Lease {
        let worker = self.desk.ids.make();
        self.queue
            .take(&Taker::of_anything(worker), NO_WAIT)
            .await
            .unwrap()
            .unwrap()
    }
}

queue_contract!(empty_queue);
tokens_contract!(empty_queue);

mod on_a_cluster {
    use super::*;

    queue_contract!(empty_queue_on_a_cluster);
    tokens_contract!(empty_queue_on_a_cluster);
}

mod on_valkey {
    use super::*;

    queue_contract!(empty_queue_on_valkey);
    tokens_contract!(empty_queue_on_valkey);
}

#[tokio::test]
async fn a_full_queue_refuses_until_an_order_is_settled() {
    let Some(stage) = empty_queue().await else { return };
    for _ in 0..8 {
        stage.queue.offer(stage.desk.order()).await.unwrap();
    }
    let one_more = stage.desk.order();
    let refused = stage.queue.offer(one_more.clone()).await.unwrap_err();
    assert!(matches!(refused, QueueError::Full { limit: 8 }));
    let lease = stage.taken().await;
    stage.queue.offer(one_more.clone()).await.unwrap_err();
    stage.queue.settle(&lease).await.unwrap();
    stage.queue.offer(one_more).await.unwrap();
}

#[tokio::test]
async fn an_emptied_queue_forgets_its_leases_and_goes_on() {
    let Some(stage) = empty_queue().await else { return };
    let order = stage.desk.order();
    stage.queue.offer(order.clone()).await.unwrap();
    let lease = stage.taken().await;
    stage.everything_is_lost().await;
    assert_eq!(stage.queue.held(&[order.id]).await.unwrap(), []);
    assert_eq!(stage.queue.extend(&lease).await.unwrap(), Standing::Lost);
    stage.queue.settle(&lease).await.unwrap();
    assert_eq!(stage.queue.depth().await.unwrap(), Depth::default());
    let next = stage.desk.order();
    stage.queue.offer(next.clone()).await.unwrap();
    assert_eq!(stage.taken().await.order, next);
}

#[tokio::test]
async fn a_worker_that_waits_while_the_queue_is_emptied_gets_what_comes_after() {
    let Some(stage) = empty_queue().await else { return };
    let (worker, order) = (stage.desk.ids.make(), stage.desk.order());
    let taker = Taker::of_anything(worker);
    stage.queue.take(&taker, NO_WAIT).await.unwrap();
    let (taken, ()) = tokio::join!(stage.queue.take(&taker, Duration::from_secs(60)), async {
        stage.everything_is_lost().await;
        stage.queue.offer(order.clone()).await.unwrap();
    });
    assert_eq!(taken.unwrap().unwrap().order, order);
}

#[tokio::test]
async fn an_order_taken_again_after_a_loss_is_not_held_by_who_had_it_before() {
    let Some(stage) = empty_queue().await else { return };
    let order = stage.desk.order();
    stage.queue.offer(order.clone()).await.unwrap();
    let before = stage.taken().await;
    stage.everything_is_lost().await;
    stage.queue.offer(order).await.unwrap();
    let after = stage.taken().await;
    assert_eq!(stage.queue.extend(&before).await.unwrap(), Standing::Lost);
    stage.queue.settle(&before).await.unwrap();
    assert_eq!(stage.queue.extend(&after).await.unwrap(), Standing::Held);
}

#[tokio::test]
async fn what_is_no_order_is_dropped_and_holds_nobody_up() {
    let Some(stage) = empty_queue().await else { return };
    let keys = &stage.queue.keys;
    let order = stage.desk.order();
    let mut add = redis::cmd("XADD");
    add.arg(keys.orders(&order.revision_sha256))
        .arg("1-1")
        .arg("body")
        .arg("{}")
        .arg("order")
        .arg("x");
    stage.queue.links.query::<()>(&add).await.unwrap();
    let mut place = redis::cmd("HSET");
    place.arg(&keys.places).arg("x").arg("1-1 y");
    stage.queue.links.query::<()>(&place).await.unwrap();
    let mut report = redis::cmd("XADD");
    report.arg(&keys.reports).arg("*").arg("body").arg("nonsense");
    stage.queue.links.query::<()>(&report).await.unwrap();
    stage.queue.offer(order.clone()).await.unwrap();
    let worker = stage.desk.ids.make();
    let taken = stage
        .queue
        .take(&Taker::of_anything(worker), Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(taken.unwrap().order, order);
    assert_eq!(stage.queue.collect(9, NO_WAIT).await.unwrap(), []);
    let depth = stage.queue.depth().await.unwrap();
    assert_eq!((depth.waiting, depth.leased, depth.reports), (0, 1, 0));
}

#[tokio::test]
async fn many_workers_and_offers_of_several_processes_share_the_orders_without_overlap() {
    let name = fresh_name();
    let Some(stage) = named_queue(&name).await else {
        return;
    };
    let mut workers = Vec::new();
    for _ in 0..4 {
        let Some(other) = named_queue(&name).await else {
            return;
        };
        workers.push(tokio::spawn(async move {
            let (worker, mut settled) = (other.desk.ids.make(), Vec::new());
            while let Some(lease) = other
                .queue
                .take(&Taker::of_anything(worker), Duration::from_secs(2))
                .await
                .unwrap()
            {
                other.queue.settle(&lease).await.unwrap();
                settled.push(lease.order.id);
            }
            settled
        }));
    }
    let stage = Arc::new(stage);
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

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_so_without_the_password() {
    let settings = RedisSettings {
        url: "redis://glmhub:hunter2@127.0.0.1:1/".to_owned(),
        password: None,
        authorities: None,
        name: "glmhub".to_owned(),
        lease: LEASE,
        most_orders: 8,
        listening: LISTENING,
        most_pieces: MOST_PIECES,
    };
    let error = RedisQueue::connect(settings).await.err().unwrap().to_string();
    assert!(
        error.contains("does not answer") && !error.contains("hunter2"),
        "{error}"
    );
}

#[tokio::test]
async fn a_queue_over_tls_believes_only_the_authorities_that_it_was_given() {
    let (url, file) = (
        server("GLMHUB_TEST_REDIS_TLS_URL"),
        server("GLMHUB_TEST_REDIS_TLS_AUTHORITIES"),
    );
    let (Some(url), Some(file)) = (url, file) else {
        eprintln!("GLMHUB_TEST_REDIS_TLS_URL is not set: TLS was not tested");
        return;
    };
    let settings = |authorities: Option<&[u8]>| RedisSettings {
        url: url.clone(),
        password: None,
        authorities: authorities.map(<[u8]>::to_vec),
        name: fresh_name(),
        lease: LEASE,
        most_orders: 8,
        listening: LISTENING,
        most_pieces: MOST_PIECES,
    };
    let authorities = std::fs::read(file).unwrap();
    let stage = Stage {
        queue: RedisQueue::connect(settings(Some(&authorities))).await.unwrap(),
        desk: Desk::new(),
    };
    stage.queue.offer(stage.desk.order()).await.unwrap();
    let worker = stage.desk.ids.make();
    // The second look waits on a connection of its own.
    assert!(
        stage
            .queue
            .take(&Taker::of_anything(worker), NO_WAIT)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        stage
            .queue
            .take(&Taker::of_anything(worker), Duration::from_millis(1))
            .await
            .unwrap()
            .is_none()
    );
    for unknown in [None, Some(b"no certificate".as_slice())] {
        let error = RedisQueue::connect(settings(unknown)).await.err().unwrap();
        assert!(matches!(error, QueueError::Unreachable(_)), "{error}");
    }
}
