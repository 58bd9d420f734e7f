//! Work whose acceptance ends is held, nothing of it is stored any more, and it goes on under a new allow.

use super::desk::{Desk, answered};
use domain::{
    acceptance::{Asking, Declaration, Judge, Signer},
    access::Caller,
    id::{AcceptanceId, BatchId},
    job::{JobPhase, JobRefusal, JobState},
    license::Licenses,
    names::TenantName,
    order::ReportKind,
    purpose::Purpose,
    webhook::{EndpointSecret, EventTypes},
};
use exchange::queue::{Queue as _, Standing, Taker};
use records::{
    acceptances::{self, Changed, Subject, Verdict, ending},
    attempts, batches, decisions, jobs, terms,
    webhooks::{
        deliveries::{self, DeliveryFilter},
        endpoints::{self, NewEndpoint},
    },
};
use std::{collections::BTreeSet, time::Duration};
use time::OffsetDateTime;

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

fn caller() -> Caller {
    Caller {
        tenant: acme(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::new(),
    }
}

/// The tenant accepts the terms for evaluation; it stands at once, unless a reviewer stopped an earlier one.
pub async fn accept(desk: &Desk) -> AcceptanceId {
    accept_until(desk, None).await
}

async fn accept_until(desk: &Desk, valid_until: Option<OffsetDateTime>) -> AcceptanceId {
    let license = "glm-4".parse().unwrap();
    let text = terms::publish(&desk.db, desk.stamp(), &acme(), &license, "You may.").await;
    let (caller, licenses) = (caller(), Licenses::shipped().unwrap());
    let asking = Asking {
        id: desk.ids.make(),
        caller: &caller,
        at: desk.stamp().at,
        license: licenses.get(&license).unwrap(),
        declared: Declaration {
            terms_sha256: text.unwrap().sha256,
            purposes: BTreeSet::from([Purpose::Evaluation]),
            signer: Signer {
                name: "the signatory".into(),
                title: "Counsel".into(),
            },
            registration_number: None,
            territory: None,
            evidence: None,
            valid_until,
        },
        submit: true,
    };
    let subject = Subject::License(license);
    let stored = acceptances::request(&desk.db, desk.stamp(), &subject, asking).await;
    stored.unwrap().unwrap().id
}

fn reviewer() -> Judge {
    Judge {
        tenant: "zhipu".parse().unwrap(),
        member: "wang".parse().unwrap(),
    }
}

async fn announced(desk: &Desk, changed: Changed) {
    if let Some(epoch) = changed.epoch {
        desk.queue.announce_epoch(&acme(), epoch).await.unwrap();
    }
}

pub async fn revoke(desk: &Desk, id: AcceptanceId) {
    let by = reviewer();
    let revoked = acceptances::revoke(&desk.db, desk.stamp(), by, id, "recalled".into()).await;
    announced(desk, revoked.unwrap().unwrap().unwrap()).await;
}

async fn approve(desk: &Desk, id: AcceptanceId) {
    let verdict = Verdict::Approve {
        remark: None,
        valid_until: None,
    };
    let approved = acceptances::review(&desk.db, desk.stamp(), reviewer(), id, verdict).await;
    announced(desk, approved.unwrap().unwrap().unwrap()).await;
}

async fn phases(desk: &Desk, batch: BatchId) -> Vec<JobPhase> {
    let jobs = desk.jobs("acme", batch).await;
    jobs.iter().map(|job| job.state.phase()).collect()
}

pub async fn listen(desk: &Desk) {
    let new = NewEndpoint {
        id: desk.ids.make(),
        tenant: &acme(),
        member: &"li".parse().unwrap(),
        url: "https://acme.example/",
        description: None,
        event_types: &EventTypes::all(),
        secret: &EndpointSecret::of([7; 32]),
        choices: Default::default(),
        key: None,
    };
    assert!(endpoints::create(&desk.db, desk.stamp(), &new, 5).await.unwrap());
}

/// The types of the events about batches, in the order of their words.
pub async fn told(desk: &Desk) -> Vec<String> {
    let all = DeliveryFilter::default();
    let listed = deliveries::list(&desk.db, &acme(), all, None, 100).await.unwrap();
    let words = listed.iter().map(|one| one.event_type.as_str().to_owned());
    let mut words: Vec<String> = words.filter(|word| word.starts_with("batch.")).collect();
    // The clock stands still, so their order is by chance.
    words.sort();
    words
}

#[tokio::test]
async fn a_revocation_holds_what_waits_and_what_is_out_and_no_answer_is_stored_after_it() {
    let mut desk = Desk::licensed().await;
    let acceptance = accept(&desk).await;
    let first = desk.batch("acme", 1, 2).await;
    desk.clock.turn(time::Duration::seconds(1));
    let second = desk.batch("acme", 1, 1).await;
    desk.dispatch.step().await.unwrap();
    let lease = desk.take().await.unwrap();
    let [done, late] = [0, 1].map(|place| lease.order.questions[place].job);
    desk.report(&lease.order, ReportKind::Started).await;
    desk.report(&lease.order, answered(done, "in time")).await;
    desk.collect_all().await;
    revoke(&desk, acceptance).await;
    desk.reconsider_all().await;
    assert_eq!(phases(&desk, first).await, [JobPhase::Answered, JobPhase::Held]);
    assert_eq!(phases(&desk, second).await, [JobPhase::Held]);
    assert_eq!(desk.queue.extend(&lease).await.unwrap(), Standing::Withdrawn);
    assert_eq!(attempts::open_after(&desk.db, None, 1).await.unwrap(), []);
    desk.report(&lease.order, answered(late, "too late")).await;
    desk.collect_all().await;
    let whole = desk.job("acme", late).await;
    assert!(whole.answer.is_none());
    let JobState::Held(hold) = whole.job.state else {
        panic!("{:?}", whole.job.state)
    };
    assert_eq!(hold.code, "acceptance_revoked");
    let decision = decisions::get(&desk.db, hold.decision).await.unwrap().unwrap();
    assert_eq!(decision.reasons[0].code.as_str(), "acceptance_revoked");
    let stored = desk.read("acme", first).await;
    assert_eq!(
        (stored.state.as_str(), stored.jobs.held, stored.jobs.answered),
        ("running", 1, 1)
    );
    assert_eq!(stored.jobs.total(), 2);
    desk.dispatch_all().await;
    assert_eq!(desk.take().await, None, "nothing of a held batch goes out");
}

#[tokio::test]
async fn held_jobs_go_on_under_the_decision_of_the_new_acceptance() {
    let mut desk = Desk::licensed().await;
    listen(&desk).await;
    let first = accept(&desk).await;
    let batch = desk.batch("acme", 1, 2).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let done = lease.order.questions[0].job;
    desk.report(&lease.order, answered(done, "in time")).await;
    desk.collect_all().await;
    let earlier = desk.read("acme", batch).await.license.decision;
    revoke(&desk, first).await;
    desk.reconsider_all().await;
    let again = accept(&desk).await;
    desk.reconsider_all().await;
    assert_eq!(
        desk.read("acme", batch).await.jobs.held,
        1,
        "it waits for a review"
    );
    approve(&desk, again).await;
    desk.reconsider_all().await;
    let resumed = desk.read("acme", batch).await;
    assert_eq!((resumed.jobs.held, resumed.jobs.queued), (0, 1));
    assert_ne!(resumed.license.decision, earlier);
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    assert_eq!((lease.order.attempt, lease.order.questions.len()), (2, 1));
    let last = lease.order.questions[0].job;
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
    let mut decided = Vec::new();
    for job in [done, last] {
        decided.push(desk.job("acme", job).await.answer.unwrap().decision);
    }
    assert_eq!(decided, [Some(earlier), Some(resumed.license.decision)]);
    assert_eq!(
        told(&desk).await,
        ["batch.completed", "batch.held", "batch.resumed"]
    );
}

#[tokio::test]
async fn what_is_held_can_be_cancelled_and_then_stays_so() {
    let mut desk = Desk::licensed().await;
    let acceptance = accept(&desk).await;
    let (one, all) = (desk.batch("acme", 1, 1).await, desk.batch("acme", 2, 1).await);
    revoke(&desk, acceptance).await;
    desk.reconsider_all().await;
    let job = desk.jobs("acme", one).await[0].id;
    let requeued = jobs::requeue(&desk.db, desk.stamp(), &acme(), job).await.unwrap();
    let held = JobRefusal::WrongState(JobPhase::Held);
    assert_eq!(requeued, Some(Err(held.into())));
    let order = jobs::cancel(&desk.db, desk.stamp(), &acme(), job).await.unwrap();
    assert_eq!(order, Some(Ok(None)));
    assert_eq!(desk.read("acme", one).await.state.as_str(), "completed");
    let cancelled = batches::cancel(&desk.db, desk.stamp(), &acme(), all)
        .await
        .unwrap();
    let cancelled = cancelled.unwrap().unwrap().batch;
    assert_eq!((cancelled.jobs.cancelled, cancelled.jobs.held), (2, 0));
    let again = accept(&desk).await;
    approve(&desk, again).await;
    desk.reconsider_all().await;
    assert_eq!(phases(&desk, one).await, [JobPhase::Cancelled]);
    assert_eq!(phases(&desk, all).await, [JobPhase::Cancelled; 2]);
}

#[tokio::test]
async fn a_hub_that_starts_again_finds_what_it_missed_and_keeps_what_it_held() {
    let mut desk = Desk::licensed().await;
    let acceptance = accept(&desk).await;
    let batch = desk.batch("acme", 1, 1).await;
    desk.reconsider_all().await;
    desk.dispatch_all().await;
    // The process ends before anybody has looked at the revocation.
    revoke(&desk, acceptance).await;
    desk.restart().await;
    desk.reconsider_all().await;
    assert_eq!(phases(&desk, batch).await, [JobPhase::Held]);
    desk.restart().await;
    desk.dispatch_all().await;
    desk.reconsider_all().await;
    assert_eq!(phases(&desk, batch).await, [JobPhase::Held]);
    let again = accept(&desk).await;
    approve(&desk, again).await;
    desk.restart().await;
    desk.reconsider_all().await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    assert_eq!(phases(&desk, batch).await, [JobPhase::Answered]);
}

#[tokio::test]
async fn an_end_that_time_brings_is_found_by_dispatch_and_a_refusal_is_recorded_once() {
    let mut desk = Desk::licensed().await;
    let acceptance = accept(&desk).await;
    let batch = desk.batch("acme", 1, 1).await;
    let by = reviewer();
    let suspended = acceptances::suspend(&desk.db, desk.stamp(), by, acceptance, "why".into()).await;
    announced(&desk, suspended.unwrap().unwrap().unwrap()).await;
    desk.dispatch_all().await;
    assert_eq!(phases(&desk, batch).await, [JobPhase::Held]);
    let recorded = |desk: &Desk| {
        let (db, since) = (desk.db.clone(), time::OffsetDateTime::UNIX_EPOCH);
        async move { decisions::since(&db, since, 1_000).await.unwrap().decisions.len() }
    };
    let before = recorded(&desk).await;
    for _ in 0..3 {
        desk.reconsider_all().await;
        desk.dispatch_all().await;
    }
    assert_eq!(recorded(&desk).await, before);
    let by = reviewer();
    let resumed = acceptances::resume(&desk.db, desk.stamp(), by, acceptance, "well".into()).await;
    announced(&desk, resumed.unwrap().unwrap().unwrap()).await;
    desk.reconsider_all().await;
    assert_eq!(phases(&desk, batch).await, [JobPhase::Queued]);
    assert_eq!(recorded(&desk).await, before + 1);
}

#[tokio::test]
async fn two_loops_at_once_hold_and_resume_everything_once() {
    let mut desk = Desk::licensed().await;
    listen(&desk).await;
    let acceptance = accept(&desk).await;
    let batch = desk.batch("acme", 3, 2).await;
    desk.dispatch.step().await.unwrap();
    revoke(&desk, acceptance).await;
    let mut other = desk.another_reconsider();
    for held in [6, 0] {
        let (one, two) = tokio::join!(desk.reconsider.step(), other.step());
        one.unwrap();
        two.unwrap();
        assert_eq!(desk.read("acme", batch).await.jobs.held, held);
        if held > 0 {
            let again = accept(&desk).await;
            approve(&desk, again).await;
        }
    }
    assert_eq!(told(&desk).await, ["batch.held", "batch.resumed"]);
    assert_eq!(
        desk.queue
            .take(&Taker::of_anything(desk.worker), Duration::ZERO)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn an_end_that_comes_while_work_is_out_holds_it() {
    let mut desk = Desk::licensed().await;
    let end = desk.stamp().at + time::Duration::minutes(1);
    let acceptance = accept_until(&desk, Some(end)).await;
    let batch = desk.batch("acme", 1, 1).await;
    desk.reconsider_all().await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    desk.clock.turn(time::Duration::seconds(60));
    let ended = ending::expire(&desk.db, desk.stamp(), acceptance).await;
    announced(&desk, ended.unwrap().unwrap()).await;
    desk.reconsider_all().await;
    let job = lease.order.questions[0].job;
    desk.report(&lease.order, answered(job, "too late")).await;
    desk.collect_all().await;
    let JobState::Held(hold) = desk.jobs("acme", batch).await[0].state.clone() else {
        panic!("it is not held")
    };
    assert_eq!(hold.code, "acceptance_expired");
}
