//! A Cluster whose node dies in the middle: its replica takes over, and the queue goes on over the same connections.

use super::tests::{fresh_name, queue_of, server};
use super::*;
use crate::queue::contract::Stage;
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// How long servers may take to agree.
const PATIENCE: Duration = Duration::from_secs(60);
const MASTERS: usize = 3;

/// Three masters with a replica each, which are killed when it is dropped.
struct Cluster {
    nodes: Vec<(u16, Child)>,
    _folder: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, node) in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// What `redis-cli` answers, if it can.
fn ask(arguments: &[&str]) -> Option<String> {
    let output = Command::new("redis-cli").args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(said)
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {what}")
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

impl Cluster {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = |number: usize| {
            let place = folder.path().join(number.to_string());
            std::fs::create_dir(&place).unwrap();
            let port = free_port();
            let node = Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--cluster-enabled", "yes"])
                .args([
                    "--cluster-node-timeout",
                    "1000",
                    "--repl-diskless-sync-delay",
                    "0",
                ])
                .args(["--cluster-port", &free_port().to_string(), "--dir"])
                .arg(place)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            (port, node)
        };
        let nodes: Vec<(u16, Child)> = (0..2 * MASTERS).map(node).collect();
        let cluster = Self {
            nodes,
            _folder: folder,
        };
        for (port, _) in &cluster.nodes {
            let port = port.to_string();
            until("a node to answer", async || ask(&["-p", &port, "ping"])).await;
        }
        let addresses: Vec<String> = cluster.addresses();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = ask(&create);
        assert!(made.is_some(), "the Cluster could not be made");
        cluster.every_master_has_its_replica().await;
        cluster
    }

    fn addresses(&self) -> Vec<String> {
        let address = |(port, _): &(u16, Child)| format!("127.0.0.1:{port}");
        self.nodes.iter().map(address).collect()
    }

    fn url(&self) -> String {
        let urls: Vec<String> = self
            .addresses()
            .iter()
            .map(|address| format!("redis://{address}"))
            .collect();
        urls.join(",")
    }

    async fn every_master_has_its_replica(&self) {
        until("replicas to follow", async || {
            let linked = |(port, _): &&(u16, Child)| {
                let info = ask(&["-p", &port.to_string(), "info", "replication"]).unwrap_or_default();
                info.contains("master_link_status:up")
            };
            (self.nodes.iter().filter(linked).count() == MASTERS).then_some(())
        })
        .await;
    }

    /// Kills the node that has the keys of a queue.
    fn kill_who_has(&mut self, name: &str) {
        let keys = format!("{{{name}}}:*");
        let has = |port: u16| {
            let port = port.to_string();
            let said = ask(&["-p", &port, "--scan", "--pattern", &keys]).unwrap_or_default();
            let role = ask(&["-p", &port, "role"]).unwrap_or_default();
            !said.trim().is_empty() && role.starts_with("master")
        };
        let owner = self.nodes.iter_mut().find(|(port, _)| has(*port));
        let (_, node) = owner.expect("some node has the queue");
        node.kill().unwrap();
        node.wait().unwrap();
    }
}

#[tokio::test]
async fn a_queue_goes_on_when_the_node_that_held_it_dies_and_its_replica_takes_over() {
    if server("GLMHUB_TEST_REDIS_CLUSTER_URL").is_none() {
        eprintln!("GLMHUB_TEST_REDIS_CLUSTER_URL is not set: failover was not tested");
        return;
    }
    let (mut cluster, name) = (Cluster::start().await, fresh_name());
    let stage: Stage<RedisQueue> = queue_of(&cluster.url(), &name).await;
    let worker = Taker::of_anything(stage.desk.ids.make());
    // A reader waits on a connection of its own, which is to be mended too.
    stage
        .queue
        .take(&worker, Duration::from_millis(10))
        .await
        .unwrap();
    stage.queue.offer(stage.desk.order()).await.unwrap();
    cluster.kill_who_has(&name);
    let mut faults = 0;
    let order = stage.desk.order();
    until("the queue to take orders again", async || {
        let offered = stage.queue.offer(order.clone()).await;
        faults += usize::from(offered.is_err());
        offered.ok()
    })
    .await;
    eprintln!("{faults} offers failed before the replica took over");
    // What was not copied in time is lost, which a queue may; what was taken since is not.
    let taken = until("the order to come", async || {
        let lease = stage.queue.take(&worker, Duration::from_secs(2)).await.ok()??;
        stage.queue.settle(&lease).await.ok()?;
        (lease.order.id == order.id).then_some(lease.order)
    })
    .await;
    assert_eq!(taken, order);
    assert_eq!(stage.queue.held(&[order.id]).await.unwrap(), []);
}
