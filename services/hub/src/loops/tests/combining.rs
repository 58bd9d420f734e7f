//! What pages answered becomes one answer about their document, by jobs as any: counted, cancelled, held and expired.

use super::desk::{Desk, answered, failed, shipped};
use crate::loops::Outcome;
use domain::{
    combining::{NO_PAGE_ANSWERED, NO_ROOM, Role, Scope, SourcePage, Texts},
    id::{BatchId, JobId},
    job::{JobPhase, JobState},
    names::TenantName,
    order::WorkOrder,
};
use exchange::{
    blobs,
    queue::{Lease, Queue as _},
};
use records::{
    batches, combining, holding,
    jobs::{self, Job},
};
use time::Duration;

/// The least context that leaves room for answers: five of those that [`answered`] gives.
const NARROW: u32 = 1_380;

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

async fn desk_with(context: u32) -> Desk {
    let mut settings = shipped();
    settings.combine_context_tokens = context;
    let mut desk = Desk::with(settings).await;
    desk.scope = Scope::Document;
    desk
}

/// Jobs by state, which add up, and the state of the batch.
async fn told(desk: &Desk, batch: BatchId) -> (&'static str, Vec<(&'static str, u64)>) {
    let seen = desk.read("acme", batch).await;
    let jobs = desk.jobs("acme", batch).await;
    let counted = |phase: JobPhase| jobs.iter().filter(|job| job.state.phase() == phase).count() as u64;
    for phase in JobPhase::ALL {
        assert_eq!(seen.jobs.of(phase), counted(phase), "{phase}");
    }
    assert_eq!(seen.jobs.total(), jobs.len() as u64);
    let counts = JobPhase::ALL.map(|phase| (phase.as_str(), seen.jobs.of(phase)));
    let counts = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    (seen.state.as_str(), counts)
}

/// All orders that are out.
async fn taken(desk: &mut Desk) -> Vec<Lease> {
    desk.dispatch_all().await;
    let mut leases = Vec::new();
    while let Some(lease) = desk.take().await {
        leases.push(lease);
    }
    leases
}

/// Answers all that is out, but for what `fails`.
async fn work(desk: &mut Desk, fails: impl Fn(JobId) -> bool) {
    for lease in taken(desk).await {
        let question = &lease.order.questions[0];
        let kind = match fails(question.job) {
            true => failed(question.job, false),
            false => answered(question.job, &question.text),
        };
        desk.report(&lease.order, kind).await;
        desk.queue.settle(&lease).await.unwrap();
    }
    desk.collect_all().await;
}

/// Goes on until there is nothing to do. Gives how often something was combined.
async fn to_the_end(desk: &mut Desk) -> usize {
    let mut rounds = 0;
    loop {
        work(desk, |_| false).await;
        match desk.combine().step().await.unwrap() {
            Outcome::Worked => rounds += 1,
            Outcome::Idle => return rounds,
        }
    }
}

async fn of_role(desk: &Desk, batch: BatchId, role: Role) -> Vec<Job> {
    let jobs = desk.jobs("acme", batch).await.into_iter();
    jobs.filter(|job| job.role == role).collect()
}

async fn whole(desk: &Desk, batch: BatchId) -> Job {
    of_role(desk, batch, Role::Whole).await.remove(0)
}

async fn sources(desk: &Desk, job: &Job) -> Vec<SourcePage> {
    let told = combining::sources(&desk.db, &acme(), std::slice::from_ref(job)).await;
    told.unwrap().remove(&job.id).unwrap()
}

fn verdicts(sources: &[SourcePage]) -> Vec<(u32, JobPhase)> {
    sources
        .iter()
        .map(|source| (source.page, source.verdict))
        .collect()
}

/// What an order asks the model.
async fn asked(desk: &Desk, order: &WorkOrder) -> String {
    let bytes = blobs::read(desk.blobs.as_ref(), order.page_sha256, 1 << 20).await;
    let texts = Texts::read(&bytes.unwrap()).unwrap().unwrap();
    texts.ask(&order.questions[0].text)
}

#[tokio::test]
async fn a_document_of_one_page_is_answered_when_its_page_is() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 1, 1).await;
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("waiting", 1), ("queued", 1)])
    );
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Idle);
    work(&mut desk, |_| false).await;
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("waiting", 1), ("answered", 1)])
    );
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Worked);
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("queued", 1), ("answered", 1)])
    );
    let leases = taken(&mut desk).await;
    let [lease] = &leases[..] else {
        panic!("{leases:?}")
    };
    let asked = asked(&desk, &lease.order).await;
    assert!(asked.contains("[Page 1]\nAn answer to: Question 0?\n"), "{asked}");
    assert!(asked.ends_with("Question: Question 0?"), "{asked}");
    desk.answer_all(lease).await;
    desk.collect_all().await;
    assert_eq!(told(&desk, batch).await, ("completed", vec![("answered", 2)]));
    let whole = whole(&desk, batch).await;
    assert_eq!(verdicts(&sources(&desk, &whole).await), [(1, JobPhase::Answered)]);
    assert_eq!(whole.page(), None);
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Idle);
}

#[tokio::test]
async fn what_does_not_fit_is_combined_in_rounds_and_every_page_is_named() {
    let mut desk = desk_with(NARROW).await;
    let batch = desk.batch("acme", 26, 1).await;
    // Six parts of five pages or one, two of those, and the whole.
    assert_eq!(to_the_end(&mut desk).await, 3);
    assert_eq!(
        told(&desk, batch).await,
        ("completed", vec![("answered", 26 + 6 + 2 + 1)])
    );
    let all: Vec<(u32, JobPhase)> = (1..=26).map(|page| (page, JobPhase::Answered)).collect();
    assert_eq!(verdicts(&sources(&desk, &whole(&desk, batch).await).await), all);
    let parts = of_role(&desk, batch, Role::Part).await;
    assert_eq!(verdicts(&sources(&desk, &parts[1]).await), all[5..10]);
}

#[tokio::test]
async fn a_page_that_failed_is_told_and_the_others_are_combined() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 3, 1).await;
    let second = desk.jobs("acme", batch).await[1].id;
    work(&mut desk, |job| job == second).await;
    desk.combine().step().await.unwrap();
    let leases = taken(&mut desk).await;
    let asked = asked(&desk, &leases[0].order).await;
    assert!(
        asked.contains("[Page 1]") && asked.contains("[Page 3]"),
        "{asked}"
    );
    assert!(!asked.contains("[Page 2]"), "{asked}");
    desk.answer_all(&leases[0]).await;
    desk.collect_all().await;
    assert_eq!(
        told(&desk, batch).await,
        ("completed", vec![("answered", 3), ("failed", 1)])
    );
    let expected = [JobPhase::Answered, JobPhase::Failed, JobPhase::Answered];
    assert_eq!(
        verdicts(&sources(&desk, &whole(&desk, batch).await).await),
        [1, 2, 3].map(|page| (page, expected[page as usize - 1]))
    );
}

#[tokio::test]
async fn the_pages_of_a_part_that_failed_are_told_as_failed() {
    let mut desk = desk_with(NARROW).await;
    let batch = desk.batch("acme", 10, 1).await;
    work(&mut desk, |_| false).await;
    desk.combine().step().await.unwrap();
    let first = of_role(&desk, batch, Role::Part).await[0].id;
    work(&mut desk, |job| job == first).await;
    assert_eq!(to_the_end(&mut desk).await, 1);
    let told_of = verdicts(&sources(&desk, &whole(&desk, batch).await).await);
    let failed: Vec<u32> = told_of
        .iter()
        .filter(|(_, verdict)| *verdict == JobPhase::Failed)
        .map(|(page, _)| *page)
        .collect();
    assert_eq!((told_of.len(), failed), (10, vec![1, 2, 3, 4, 5]));
    assert_eq!(
        told(&desk, batch).await,
        ("completed", vec![("answered", 12), ("failed", 1)])
    );
}

#[tokio::test]
async fn a_document_without_any_answer_fails_and_is_combined_anew_when_its_pages_are_tried_again() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 2, 1).await;
    work(&mut desk, |_| true).await;
    assert_eq!(told(&desk, batch).await.0, "running");
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Worked);
    assert_eq!(told(&desk, batch).await, ("completed", vec![("failed", 3)]));
    let failed = whole(&desk, batch).await;
    assert!(
        matches!(&failed.state, JobState::Failed { code, .. } if code == NO_PAGE_ANSWERED),
        "{failed:?}"
    );
    let again = jobs::requeue_failed(&desk.db, desk.stamp(), &acme(), batch).await;
    assert_eq!(again.unwrap(), Some(Ok(3)));
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("waiting", 1), ("queued", 2)])
    );
    assert_eq!(to_the_end(&mut desk).await, 1);
    assert_eq!(told(&desk, batch).await, ("completed", vec![("answered", 3)]));
    assert_eq!(sources(&desk, &failed).await.len(), 2);
}

#[tokio::test]
async fn one_that_failed_is_tried_again_from_what_the_pages_answered() {
    let mut desk = desk_with(NARROW).await;
    let batch = desk.batch("acme", 6, 1).await;
    work(&mut desk, |_| false).await;
    desk.combine().step().await.unwrap();
    work(&mut desk, |_| false).await;
    desk.combine().step().await.unwrap();
    work(&mut desk, |_| true).await;
    let failed = whole(&desk, batch).await;
    assert_eq!(failed.state.phase(), JobPhase::Failed);
    jobs::requeue(&desk.db, desk.stamp(), &acme(), failed.id)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(to_the_end(&mut desk).await, 2);
    // The parts are made anew.
    assert_eq!(
        told(&desk, batch).await,
        ("completed", vec![("answered", 6 + 2 + 2 + 1)])
    );
    assert_eq!(sources(&desk, &failed).await.len(), 6);
}

#[tokio::test]
async fn a_question_that_leaves_no_room_fails_and_says_which_setting_it_is() {
    let mut desk = desk_with(1_300).await;
    let batch = desk.batch("acme", 2, 1).await;
    assert_eq!(to_the_end(&mut desk).await, 1);
    let job = whole(&desk, batch).await;
    let JobState::Failed { code, message, .. } = &job.state else {
        panic!("{job:?}")
    };
    assert_eq!(code, NO_ROOM);
    assert!(message.contains("combine_context_tokens is 1300"), "{message}");
}

#[tokio::test]
async fn a_cancelled_batch_cancels_what_waits_and_nothing_is_combined() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 2, 1).await;
    let leases = taken(&mut desk).await;
    desk.answer_all(&leases[0]).await;
    desk.collect_all().await;
    batches::cancel(&desk.db, desk.stamp(), &acme(), batch)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    desk.answer_all(&leases[1]).await;
    desk.collect_all().await;
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Idle);
    assert_eq!(
        told(&desk, batch).await,
        ("cancelled", vec![("answered", 1), ("cancelled", 2)])
    );
}

#[tokio::test]
async fn what_waits_expires_with_its_batch() {
    let mut desk = desk_with(8_192).await;
    let end = desk.stamp().at + Duration::hours(1);
    let batch = desk
        .submitted_as("acme", 1, |batch| batch.with_end(Some(end)))
        .await;
    let document = desk.take_document().await.unwrap();
    assert!(desk.split(&document, 2).await);
    work(&mut desk, |_| false).await;
    desk.clock.turn(Duration::hours(1));
    desk.expire().step().await.unwrap();
    assert_eq!(
        told(&desk, batch).await,
        ("expired", vec![("answered", 2), ("expired", 1)])
    );
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Idle);
}

#[tokio::test]
async fn nothing_is_combined_while_pages_are_held_and_what_combines_is_held_too() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 2, 1).await;
    let hold = |desk: &Desk| (desk.db.clone(), desk.ids.make());
    let (db, decision) = hold(&desk);
    holding::hold(&db, desk.stamp(), batch, decision, "acceptance_revoked")
        .await
        .unwrap();
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("waiting", 1), ("held", 2)])
    );
    assert_eq!(desk.combine().step().await.unwrap(), Outcome::Idle);
    desk.reconsider_all().await;
    work(&mut desk, |_| false).await;
    desk.combine().step().await.unwrap();
    let (db, decision) = hold(&desk);
    holding::hold(&db, desk.stamp(), batch, decision, "acceptance_revoked")
        .await
        .unwrap();
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("held", 1), ("answered", 2)])
    );
    desk.reconsider_all().await;
    assert_eq!(to_the_end(&mut desk).await, 0);
    assert_eq!(told(&desk, batch).await, ("completed", vec![("answered", 3)]));
}

#[tokio::test]
async fn the_gate_is_asked_about_what_combines_too() {
    let mut desk = desk_with(8_192).await;
    let batch = desk.batch("acme", 2, 1).await;
    work(&mut desk, |_| false).await;
    desk.combine().step().await.unwrap();
    desk.forget_licenses();
    work(&mut desk, |_| false).await;
    assert_eq!(
        told(&desk, batch).await,
        ("completed", vec![("answered", 2), ("refused", 1)])
    );
    desk.know_licenses();
    let refused = whole(&desk, batch).await;
    jobs::requeue(&desk.db, desk.stamp(), &acme(), refused.id)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(told(&desk, batch).await.1[0], ("waiting", 1));
    assert_eq!(to_the_end(&mut desk).await, 1);
    assert_eq!(told(&desk, batch).await, ("completed", vec![("answered", 3)]));
}

#[tokio::test]
async fn of_two_who_look_at_once_one_combines() {
    let mut desk = desk_with(NARROW).await;
    let batch = desk.batch("acme", 10, 1).await;
    work(&mut desk, |_| false).await;
    let (mut one, mut other) = (desk.combine(), desk.combine());
    let (one, other) = tokio::join!(one.step(), other.step());
    one.unwrap();
    other.unwrap();
    assert_eq!(
        told(&desk, batch).await,
        ("running", vec![("waiting", 1), ("queued", 2), ("answered", 10)])
    );
}
