//! Following a job over real records: what is told of its answer while a worker writes it.

use super::{
    desk::{Desk, answered, failed},
    revocations::{accept, revoke},
};
use crate::{
    api::following::{Followed, Following, Step},
    signals::Signals,
};
use actix_web::web::Data;
use domain::{id::JobId, job::JobPhase, order::ReportKind};
use exchange::queue::{Lease, Queue, Tokens as _, Written};
use std::sync::Arc;

async fn follow(desk: &Desk, job: JobId) -> Following {
    let queue: Arc<dyn Queue> = desk.queue.clone();
    let with = Followed {
        db: Data::new(desk.db.clone()),
        queue: Data::from(queue),
        signals: Data::new(Signals::default()),
    };
    let following = Following::begin(with, "acme".parse().unwrap(), job).await;
    following.unwrap_or_else(|problem| panic!("{problem}"))
}

/// A job that is out, and the worker's lease.
async fn out(desk: &mut Desk) -> (JobId, Lease) {
    desk.batch("acme", 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    (lease.order.questions[0].job, lease)
}

/// The worker writes some bytes into an attempt's answer.
async fn write(desk: &Desk, job: JobId, attempt: u32, from: usize, text: &str) {
    let written = Written {
        job,
        attempt,
        from,
        text: text.to_owned(),
    };
    desk.queue.write(written).await.unwrap();
}

async fn expect_state(following: &mut Following, expected: JobPhase) {
    match following.next().await {
        Some(Step::State(state)) => assert_eq!(state, expected),
        _ => panic!("no state came"),
    }
}

async fn expect_text(following: &mut Following, expected: (u32, &str)) {
    match following.next().await {
        Some(Step::Text { attempt, text }) => assert_eq!((attempt, text.as_str()), expected),
        _ => panic!("no text came"),
    }
}

async fn answer_of(following: &mut Following) -> String {
    match following.next().await {
        Some(Step::Verdict(view)) => view.answer().unwrap().text.clone(),
        _ => panic!("no verdict came"),
    }
}

#[tokio::test]
async fn text_is_told_as_it_is_written_and_the_verdict_is_the_last() {
    let mut desk = Desk::new().await;
    let (job, lease) = out(&mut desk).await;
    let mut following = follow(&desk, job).await;
    expect_state(&mut following, JobPhase::Dispatched).await;
    write(&desk, job, 1, 0, "An answ").await;
    expect_text(&mut following, (1, "An answ")).await;
    // U+0000 is in no answer that is stored.
    write(&desk, job, 1, 7, "er\0").await;
    write(&desk, job, 1, 10, " to").await;
    expect_text(&mut following, (1, "er to")).await;
    desk.report(&lease.order, ReportKind::Started).await;
    desk.report(&lease.order, answered(job, "it")).await;
    desk.collect_all().await;
    assert_eq!(answer_of(&mut following).await, "An answer to: it");
    assert!(following.next().await.is_none());
}

#[tokio::test]
async fn nothing_is_told_of_a_job_after_it_is_held() {
    let mut desk = Desk::licensed().await;
    let acceptance = accept(&desk).await;
    let (job, _lease) = out(&mut desk).await;
    let mut following = follow(&desk, job).await;
    expect_state(&mut following, JobPhase::Dispatched).await;
    write(&desk, job, 1, 0, "in time").await;
    expect_text(&mut following, (1, "in time")).await;
    write(&desk, job, 1, 7, ", heard before the hold and not told").await;
    revoke(&desk, acceptance).await;
    desk.reconsider_all().await;
    write(&desk, job, 1, 43, ", too late").await;
    match following.next().await {
        Some(Step::Stopped(problem)) => assert_eq!(problem.code(), "acceptance_revoked"),
        _ => panic!("it was not stopped"),
    }
    assert!(following.next().await.is_none());
}

#[tokio::test]
async fn only_the_attempt_that_is_out_is_told_and_another_one_begins_anew() {
    let mut desk = Desk::new().await;
    let (job, lease) = out(&mut desk).await;
    let mut following = follow(&desk, job).await;
    expect_state(&mut following, JobPhase::Dispatched).await;
    write(&desk, job, 7, 0, "of no attempt").await;
    write(&desk, job, 1, 0, "first").await;
    expect_text(&mut following, (1, "first")).await;
    desk.report(&lease.order, failed(job, true)).await;
    desk.collect_all().await;
    desk.queue.settle(&lease).await.unwrap();
    expect_state(&mut following, JobPhase::Queued).await;
    desk.clock.turn(time::Duration::minutes(10));
    desk.dispatch_all().await;
    expect_state(&mut following, JobPhase::Dispatched).await;
    write(&desk, job, 1, 5, " of one that is over").await;
    write(&desk, job, 2, 0, "second").await;
    expect_text(&mut following, (2, "second")).await;
}

#[tokio::test]
async fn a_piece_that_was_lost_has_the_worker_begin_from_the_start() {
    let mut desk = Desk::new().await;
    let (job, _lease) = out(&mut desk).await;
    let mut following = follow(&desk, job).await;
    expect_state(&mut following, JobPhase::Dispatched).await;
    let before = desk.queue.listening(job).await.unwrap();
    write(&desk, job, 1, 3, "lost is what was before").await;
    let worker = async {
        while desk.queue.listening(job).await.unwrap() == before {
            tokio::task::yield_now().await;
        }
        write(&desk, job, 1, 0, "Ah, lost is what was before").await;
    };
    let (next, ()) = tokio::join!(following.next(), worker);
    assert!(matches!(next, Some(Step::Text { attempt: 1, text }) if text == "Ah, lost is what was before"));
}

#[tokio::test]
async fn nobody_is_listened_to_when_nobody_follows_any_more() {
    let mut desk = Desk::new().await;
    let (job, _lease) = out(&mut desk).await;
    let following = follow(&desk, job).await;
    assert!(desk.queue.listening(job).await.unwrap().is_some());
    drop(following);
    assert_eq!(desk.queue.listening(job).await.unwrap(), None);
}

#[tokio::test]
async fn another_tenants_job_is_not_followed() {
    let mut desk = Desk::new().await;
    let (job, _lease) = out(&mut desk).await;
    let with = Followed {
        db: Data::new(desk.db.clone()),
        queue: Data::from(desk.queue.clone() as Arc<dyn Queue>),
        signals: Data::new(Signals::default()),
    };
    let refused = Following::begin(with, "rival".parse().unwrap(), job).await;
    assert_eq!(
        refused.err().map(|problem| problem.code().to_owned()).as_deref(),
        Some("not_found")
    );
    assert_eq!(desk.queue.listening(job).await.unwrap(), None);
}
