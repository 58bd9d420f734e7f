//! What only a queue on Redis has to show about texts of answers in the making.

use super::{
    super::tokens::{Tokens as _, Written},
    tests::{MOST_PIECES, fresh_name, named_queue},
    *,
};
use crate::queue::contract::Stage;

fn piece(job: JobId, from: usize) -> Written {
    Written {
        job,
        attempt: 1,
        from,
        text: "x".into(),
    }
}

/// How long the key of a job has to live, in milliseconds.
async fn left(stage: &Stage<RedisQueue>, job: JobId) -> i64 {
    let mut left = redis::cmd("PTTL");
    left.arg(stage.queue.keys.listening(job));
    stage.queue.links.query(&left).await.unwrap()
}

#[tokio::test]
async fn a_listener_that_stays_keeps_its_job_listened_to() {
    let Some(stage) = named_queue(&fresh_name()).await else {
        return;
    };
    let job = stage.desk.ids.make();
    let listener = stage.queue.listen(job).await.unwrap();
    let mut before = left(&stage, job).await;
    loop {
        let now = left(&stage, job).await;
        assert!(now > 0, "the key went while somebody listened");
        if now > before {
            break;
        }
        before = now;
    }
    drop(listener);
}

#[tokio::test]
async fn the_stream_is_bounded_whatever_is_written() {
    let Some(stage) = named_queue(&fresh_name()).await else {
        return;
    };
    let job = stage.desk.ids.make();
    for from in 0..10 * MOST_PIECES {
        stage.queue.write(piece(job, from)).await.unwrap();
    }
    let mut length = redis::cmd("XLEN");
    length.arg(&stage.queue.keys.tokens);
    let length: usize = stage.queue.links.query(&length).await.unwrap();
    // Redis takes off whole blocks of a hundred.
    assert!((MOST_PIECES..=MOST_PIECES + 100).contains(&length), "{length}");
}

#[tokio::test]
async fn a_listener_hears_on_after_everything_was_lost() {
    let Some(stage) = named_queue(&fresh_name()).await else {
        return;
    };
    let job = stage.desk.ids.make();
    let mut listener = stage.queue.listen(job).await.unwrap();
    stage.queue.write(piece(job, 0)).await.unwrap();
    assert_eq!(listener.next().await, piece(job, 0));
    let before = stage.queue.listening(job).await.unwrap();
    let mut lose = redis::cmd("DEL");
    lose.arg(&stage.queue.keys.tokens)
        .arg(stage.queue.keys.listening(job));
    stage.queue.links.query::<()>(&lose).await.unwrap();
    let again = loop {
        if let Some(again) = stage.queue.listening(job).await.unwrap() {
            break again;
        }
    };
    assert_ne!(Some(again), before, "a worker is to begin from the start");
    stage.queue.write(piece(job, 0)).await.unwrap();
    assert_eq!(listener.next().await, piece(job, 0));
}

#[tokio::test]
async fn hubs_and_workers_that_are_many_hear_and_write_each_others_texts() {
    let name = fresh_name();
    let (Some(one), Some(other), Some(worker)) = (
        named_queue(&name).await,
        named_queue(&name).await,
        named_queue(&name).await,
    ) else {
        return;
    };
    let job = one.desk.ids.make();
    let mut listeners = [
        one.queue.listen(job).await.unwrap(),
        other.queue.listen(job).await.unwrap(),
    ];
    worker.queue.write(piece(job, 7)).await.unwrap();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, piece(job, 7));
    }
    // What is no piece holds nobody up.
    let mut add = redis::cmd("XADD");
    add.arg(&worker.queue.keys.tokens)
        .arg("*")
        .arg("body")
        .arg("nonsense");
    worker.queue.links.query::<()>(&add).await.unwrap();
    worker.queue.write(piece(job, 8)).await.unwrap();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, piece(job, 8));
    }
}
