//! What the user of `deploy/redis-users.acl` may do: a worker's part, and nothing else.

use super::{
    tests::{fresh_name, named_queue, queue_of, server},
    *,
};
use crate::queue::{Tokens as _, Written};
use domain::{hardware::Room, order::ReportKind};
use redis::{Client, Cmd, FromRedisValue as _, Value, aio::MultiplexedConnection};
use std::{collections::BTreeSet, slice::from_ref};

const LINE: &str = include_str!("../../../../../deploy/redis-users.acl");
const NO_WAIT: Duration = Duration::ZERO;

/// What needs no key, so that only the name of the command decides. AUTH, HELLO, QUIT and RESET are open to everybody.
/// EVALSHA and XREADGROUP say themselves where their keys are; their refusals on other keys are tried for real.
const WITHOUT_KEYS: [&str; 7] = ["auth", "evalsha", "hello", "ping", "quit", "reset", "xreadgroup"];

/// The URL with which a worker of the queue `name` comes in, after the administrator made its user.
async fn hire(url: &str, name: &str) -> String {
    let mut line = LINE
        .trim()
        .replace("CHANGE-THIS", "secret")
        .replace("{glmhub}", &format!("{{{name}}}"));
    line = line.replacen("user worker", name, 1);
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER");
    let (user_and_password, selectors) = line.split_once(" (").unwrap();
    user_and_password.split(' ').for_each(|word| {
        set.arg(word);
    });
    for selector in selectors.split(" (") {
        set.arg(format!("({selector}"));
    }
    let () = set.query_async(&mut connect(url).await).await.unwrap();
    url.replacen("redis://", &format!("redis://{name}:secret@"), 1)
}

async fn connect(url: &str) -> MultiplexedConnection {
    let client = Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

fn command(words: &str) -> Cmd {
    let mut cmd = Cmd::new();
    words.split(' ').for_each(|word| {
        cmd.arg(word);
    });
    cmd
}

#[tokio::test]
async fn a_workers_user_does_a_workers_part() {
    let name = fresh_name();
    let Some(hub) = named_queue(&name).await else {
        return;
    };
    let url = server("GLMHUB_TEST_REDIS_URL").unwrap();
    let worker = queue_of(&hire(&url, &name).await, &name).await.queue;
    let id = hub.desk.ids.make();
    assert_eq!(worker.take(&Taker::of_anything(id), NO_WAIT).await.unwrap(), None);
    let (first, second) = (hub.desk.order(), hub.desk.order());
    hub.queue.offer(first.clone()).await.unwrap();
    let waited = worker
        .take(&Taker::of_anything(id), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(worker.extend(&waited).await.unwrap(), Standing::Held);
    hub.queue.withdraw(first.id).await.unwrap();
    assert_eq!(worker.extend(&waited).await.unwrap(), Standing::Withdrawn);
    hub.queue.offer(second.clone()).await.unwrap();
    let lease = worker
        .take(&Taker::of_anything(id), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    let tenant = "acme".parse().unwrap();
    hub.queue.announce_epoch(&tenant, 4).await.unwrap();
    assert_eq!(worker.epoch(&tenant).await.unwrap(), 4);
    let report = Report {
        order: second.id,
        attempt: second.attempt,
        worker: id,
        kind: ReportKind::Started,
        trace: None,
    };
    worker.report(from_ref(&report)).await.unwrap();
    let announcement = Announcement {
        worker: id,
        version: "1.2.3".into(),
        device: "cpu".into(),
        room: Room {
            memory_bytes: None,
            value_bytes: 4,
        },
        loaded: vec![],
        speeds: vec![],
    };
    worker.announce(announcement.clone()).await.unwrap();
    assert_eq!(hub.queue.announced().await.unwrap(), [announcement]);
    worker.settle(&lease).await.unwrap();
    assert_eq!(hub.queue.collect(9, NO_WAIT).await.unwrap()[0].report, report);
    let written = Written {
        job: second.questions[0].job,
        attempt: second.attempt,
        from: 0,
        text: "12.50 €".into(),
    };
    assert_eq!(worker.listening(written.job).await.unwrap(), None);
    let mut listener = hub.queue.listen(written.job).await.unwrap();
    assert!(worker.listening(written.job).await.unwrap().is_some());
    worker.write(written.clone()).await.unwrap();
    assert_eq!(listener.next().await, written);
    assert_eq!(hub.queue.held(&[second.id]).await.unwrap(), []);
    let third = hub.desk.order();
    hub.queue.offer(third.clone()).await.unwrap();
    let lease = worker
        .take(&Taker::of_anything(id), NO_WAIT)
        .await
        .unwrap()
        .unwrap();
    let (epoch, then) = (4, Then::Ends);
    let under = Under {
        tenant: &tenant,
        epoch,
        then,
    };
    let last = Report {
        order: third.id,
        ..report
    };
    let stands = worker.report_under(&lease, under, from_ref(&last)).await.unwrap();
    assert_eq!((stands.standing, stands.epoch), (Standing::Held, epoch));
    assert_eq!(hub.queue.held(&[third.id]).await.unwrap(), []);
}

#[tokio::test]
async fn a_workers_user_does_nothing_of_the_hubs_part() {
    let name = fresh_name();
    let Some(hub) = named_queue(&name).await else {
        return;
    };
    let url = server("GLMHUB_TEST_REDIS_URL").unwrap();
    let worker_url = hire(&url, &name).await;
    let worker = queue_of(&worker_url, &name).await.queue;
    let order = hub.desk.order();
    assert!(worker.offer(order.clone()).await.is_err());
    assert!(worker.collect(1, NO_WAIT).await.is_err());
    assert!(worker.acknowledge(&["1-1".to_owned()]).await.is_err());
    assert!(worker.announce_epoch(&"acme".parse().unwrap(), 9).await.is_err());
    assert!(worker.depth().await.is_err());
    assert!(worker.listen(order.questions[0].job).await.is_err());
    assert!(worker.announced().await.is_err());
    let mut link = connect(&worker_url).await;
    for attempt in [
        "XADD {NAME}:orders:x * body {} order x",
        "HSET {NAME}:places x 1-1",
        "SET {NAME}:withdrawn:x y",
        "XGROUP CREATE {NAME}:orders:x workers 0 MKSTREAM",
        "HSET {NAME}:needs x null",
        "HDEL {NAME}:needs x",
        "XRANGE {NAME}:orders:x - +",
        "XRANGE {NAME}:reports - +",
        "XDEL {NAME}:reports 1-1",
        "HSET {NAME}:epochs acme 0",
        "HDEL {NAME}:epochs acme",
        "DEL {NAME}:orders:x",
        "XRANGE {NAME}:tokens - +",
        "XREVRANGE {NAME}:tokens + -",
        "XREAD STREAMS {NAME}:tokens 0",
        "XTRIM {NAME}:tokens MAXLEN 0",
        "XDEL {NAME}:tokens 1-1",
        "DEL {NAME}:tokens",
        "SET {NAME}:listening:x 1",
        "XADD {NAME}:listening:x * body {}",
        "DEL {NAME}:listening:x",
        "GET {other}:listening:x",
        "XADD {other}:tokens * body {}",
        "HGETALL {NAME}:workers",
        "HVALS {NAME}:workers",
        "HDEL {NAME}:workers x",
        "DEL {NAME}:workers",
        "HSET {other}:workers x {}",
        "HGET {other}:epochs acme",
        "XADD {other}:reports * body {}",
        "XREADGROUP GROUP hubs hubs STREAMS {NAME}:reports >",
        "XREADGROUP GROUP workers x STREAMS {other}:orders:x >",
    ] {
        let attempt = attempt.replace("NAME", &name);
        let refusal = command(&attempt)
            .query_async::<Value>(&mut link)
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Some("NOPERM"), "{attempt}: {refusal}");
    }
}

#[tokio::test]
async fn of_all_commands_on_other_keys_a_workers_user_may_use_none() {
    let name = fresh_name();
    if named_queue(&name).await.is_none() {
        return;
    }
    let url = server("GLMHUB_TEST_REDIS_URL").unwrap();
    hire(&url, &name).await;
    let mut link = connect(&url).await;
    let known: Vec<(String, i64)> = commands(&mut link).await;
    assert!(known.len() > 200, "{}", known.len());
    let mut allowed = BTreeSet::new();
    for (command, arity) in known {
        let mut dry = redis::cmd("ACL");
        dry.arg("DRYRUN").arg(&name).arg(&command);
        (1..arity.unsigned_abs()).for_each(|_| {
            dry.arg("1");
        });
        if let Ok(Value::Okay) = dry.query_async::<Value>(&mut link).await {
            allowed.insert(command);
        }
    }
    assert!(
        allowed.iter().all(|one| WITHOUT_KEYS.contains(&one.as_str())),
        "{allowed:?}"
    );
}

/// Every command of the server with its arity: how many words it has, at least if negative.
async fn commands(link: &mut MultiplexedConnection) -> Vec<(String, i64)> {
    let all: Vec<Vec<Value>> = redis::cmd("COMMAND").query_async(link).await.unwrap();
    let read = |one: &Vec<Value>| {
        (
            String::from_redis_value_ref(&one[0]).unwrap(),
            i64::from_redis_value_ref(&one[1]).unwrap(),
        )
    };
    all.iter().map(read).collect()
}
