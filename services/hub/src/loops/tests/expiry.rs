//! From the moment at which the time of a batch is up nothing of it goes out and nothing of it is taken; what had no
//! verdict gets one, once.

use super::{
    desk::{Desk, answered, failed},
    revocations,
};
use crate::loops::Outcome;
use domain::{
    batch::BatchRefusal,
    document::{DocumentPhase, DocumentState},
    id::BatchId,
    job::{JobPhase, JobState},
    names::TenantName,
    order::ReportKind,
};
use exchange::queue::Queue as _;
use records::{
    batches, documents, holding,
    jobs::{self, RequeueRefusal},
};
use time::Duration;

const HOUR: Duration = Duration::hours(1);

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

/// A batch that ends in an hour, of `pages` pages with `asked` questions each.
async fn ending(desk: &Desk, pages: u32, asked: usize) -> BatchId {
    let id = submitted(desk, asked).await;
    let taken = desk.take_document().await.unwrap();
    assert!(desk.split(&taken, pages).await);
    id
}

async fn submitted(desk: &Desk, asked: usize) -> BatchId {
    let end = desk.stamp().at + HOUR;
    desk.submitted_as("acme", asked, |batch| batch.with_end(Some(end)))
        .await
}

/// Jobs by state, and the state of the batch.
async fn told(desk: &Desk, batch: BatchId) -> (&'static str, [u64; 3]) {
    let seen = desk.read("acme", batch).await;
    let counts = [seen.jobs.unsettled(), seen.jobs.answered, seen.jobs.expired];
    assert_eq!(counts.iter().sum::<u64>(), seen.jobs.total());
    (seen.state.as_str(), counts)
}

#[tokio::test]
async fn what_has_no_verdict_expires_at_its_moment_and_not_before() {
    let mut desk = Desk::new().await;
    let batch = ending(&desk, 2, 2).await;
    desk.dispatch_all().await;
    let (done, out) = (desk.take().await.unwrap(), desk.take().await.unwrap());
    desk.answer_all(&done).await;
    desk.report(&out.order, ReportKind::Started).await;
    desk.collect_all().await;
    desk.clock.turn(HOUR - Duration::microseconds(1));
    assert_eq!(desk.expire().step().await.unwrap(), Outcome::Idle);
    assert_eq!(told(&desk, batch).await, ("running", [2, 2, 0]));
    desk.clock.turn(Duration::microseconds(1));
    assert_eq!(desk.expire().step().await.unwrap(), Outcome::Worked);
    assert_eq!(told(&desk, batch).await, ("expired", [0, 2, 2]));
    assert!(desk.queue.held(&[out.order.id]).await.unwrap().is_empty());
    for job in desk.jobs("acme", batch).await {
        let expired = JobState::Expired { at: desk.stamp().at };
        assert!(job.state.phase() == JobPhase::Answered || job.state == expired);
    }
    assert_eq!(desk.expire().step().await.unwrap(), Outcome::Idle);
}

#[tokio::test]
async fn a_report_that_comes_too_late_is_fenced_whether_or_not_anybody_wrote_the_end_down() {
    let mut desk = Desk::new().await;
    let batch = ending(&desk, 1, 2).await;
    desk.dispatch_all().await;
    let out = desk.take().await.unwrap();
    let [first, second] = [0, 1].map(|place| out.order.questions[place].job);
    desk.clock.turn(HOUR);
    desk.report(&out.order, answered(first, "late")).await;
    desk.collect_all().await;
    assert_eq!(told(&desk, batch).await, ("running", [2, 0, 0]));
    desk.report(&out.order, ReportKind::HandedBack).await;
    desk.collect_all().await;
    desk.expire().step().await.unwrap();
    desk.report(&out.order, answered(second, "later")).await;
    desk.collect_all().await;
    assert_eq!(told(&desk, batch).await, ("expired", [0, 0, 2]));
    assert!(desk.job("acme", second).await.answer.is_none());
}

#[tokio::test]
async fn nothing_goes_out_any_more_and_others_get_the_places() {
    let mut desk = Desk::new().await;
    let over = ending(&desk, 3, 1).await;
    desk.clock.turn(HOUR);
    let other = desk.batch("acme", 1, 1).await;
    desk.dispatch_all().await;
    assert_eq!(told(&desk, over).await, ("expired", [0, 0, 3]));
    let order = desk.take().await.unwrap().order;
    assert_eq!(desk.job("acme", order.questions[0].job).await.job.batch, other);
    assert!(desk.take().await.is_none());
}

#[tokio::test]
async fn held_jobs_expire_too() {
    let mut desk = Desk::new().await;
    let batch = ending(&desk, 1, 2).await;
    let decision = desk.ids.make();
    holding::hold(&desk.db, desk.stamp(), batch, decision, "acceptance_revoked")
        .await
        .unwrap();
    assert_eq!(desk.read("acme", batch).await.jobs.held, 2);
    desk.clock.turn(HOUR);
    desk.expire().step().await.unwrap();
    assert_eq!(told(&desk, batch).await, ("expired", [0, 0, 2]));
    desk.reconsider_all().await;
    assert_eq!(told(&desk, batch).await, ("expired", [0, 0, 2]));
}

#[tokio::test]
async fn a_document_that_is_not_split_in_time_gives_no_pages() {
    let desk = Desk::new().await;
    let batch = submitted(&desk, 1).await;
    let taken = desk.take_document().await.unwrap();
    desk.clock.turn(HOUR);
    desk.expire().step().await.unwrap();
    assert!(!desk.split(&taken, 2).await);
    let documents = documents::list(&desk.db, &acme(), batch, None, 10).await.unwrap();
    let [document] = &documents[..] else {
        panic!("{documents:?}")
    };
    assert!(matches!(&document.state, DocumentState::Failed { code, .. } if code == "expired"));
    assert_eq!(document.state.phase(), DocumentPhase::Failed);
    assert_eq!(told(&desk, batch).await, ("expired", [0, 0, 0]));
}

#[tokio::test]
async fn a_batch_that_was_done_in_time_stays_completed_and_takes_nothing_more_later() {
    let mut desk = Desk::new().await;
    let batch = ending(&desk, 1, 1).await;
    desk.dispatch_all().await;
    let out = desk.take().await.unwrap();
    let job = out.order.questions[0].job;
    desk.report(&out.order, failed(job, false)).await;
    desk.collect_all().await;
    desk.clock.turn(HOUR);
    assert_eq!(desk.expire().step().await.unwrap(), Outcome::Idle);
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
    let one = jobs::requeue(&desk.db, desk.stamp(), &acme(), job).await.unwrap();
    assert_eq!(one, Some(Err(RequeueRefusal::Batch(BatchRefusal::Over))));
    let all = jobs::requeue_failed(&desk.db, desk.stamp(), &acme(), batch)
        .await
        .unwrap();
    assert_eq!(all, Some(Err(BatchRefusal::Over)));
}

#[tokio::test]
async fn of_two_who_look_at_once_one_writes_the_verdicts_and_the_tenant_is_told_once() {
    let desk = Desk::new().await;
    revocations::listen(&desk).await;
    let batch = ending(&desk, 4, 2).await;
    desk.clock.turn(HOUR);
    let (mut one, mut other) = (desk.expire(), desk.expire());
    let (one, other) = tokio::join!(one.step(), other.step());
    one.unwrap();
    other.unwrap();
    assert_eq!(told(&desk, batch).await, ("expired", [0, 0, 8]));
    assert_eq!(revocations::told(&desk).await, ["batch.expired"]);
    let cancelled = batches::cancel(&desk.db, desk.stamp(), &acme(), batch).await;
    let refused = cancelled.unwrap().unwrap().unwrap_err();
    assert_eq!(refused, BatchRefusal::WrongState("expired"));
}
