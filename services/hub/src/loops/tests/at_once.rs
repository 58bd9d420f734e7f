//! Calls whose order goes out with the transaction that stores their jobs.

use super::{
    desk::{Desk, shipped},
    model::model,
    revocations,
};
use crate::{
    gate::{self, Given, Wanted},
    loops::Outcome,
};
use domain::{
    access::Caller,
    batch::{Batch, BatchState, Metadata},
    clock::Clock as _,
    digest::Sha256,
    grant::Grant,
    id::{BatchId, JobId},
    job::JobPhase,
    order::WorkOrder,
    question::questions,
};
use exchange::{
    grant::{self, GrantError},
    queue::Queue as _,
};
use records::{
    documents::{NewDocument, NewPage},
    one_call,
};
use std::collections::BTreeSet;
use time::Duration;

/// What came of a call.
struct Called {
    batch: BatchId,
    job: JobId,
    /// What is to be sent out.
    orders: Vec<WorkOrder>,
}

async fn given(desk: &Desk, tenant: &str) -> Given {
    let caller = Caller {
        tenant: tenant.parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::new(),
    };
    let (model, at) = (model(), desk.clock.now());
    let wanted = Wanted::model(&model, None, desk.purpose);
    let nothing = || async { Ok(()) };
    let asked = gate::ask_before(
        &desk.db,
        &desk.policies,
        &desk.ids,
        at,
        &caller,
        wanted,
        nothing(),
        nothing(),
    );
    asked.await.unwrap().0
}

/// A call under an allow: a page of its own, asked one question.
async fn called(desk: &Desk, given: &Given) -> Called {
    let now = desk.clock.now();
    let batch = Batch::open(desk.ids.make(), &given.allowed, Metadata::new(), now).awaited(true);
    let stored = batch.stored(BatchState::Running { submitted_at: now });
    let asked = vec![("What is this?".to_owned(), desk.parameters.clone())];
    let asked = questions(asked, desk.settings.question_limits()).unwrap();
    let sha256 = Sha256::of(batch.id().to_string().as_bytes());
    let document = NewDocument {
        questions: None,
        name: None,
        media_type: "image/png".into(),
        sha256,
        bytes: 9,
    };
    let page = NewPage {
        number: 1,
        sha256,
        bytes: 9,
        width: 3,
        height: 3,
    };
    let looked = one_call::look(&desk.db, batch.tenant(), [sha256, sha256], desk.settings.bounds());
    let looked = looked.await.unwrap().unwrap();
    let allowed = desk.sending.at_once(now, &stored, given).await.unwrap();
    let claiming = allowed.as_ref().map(|allowed| desk.sending.claiming(allowed));
    let (stamp, page) = (desk.stamp(), (page, &[][..]));
    let submitted =
        one_call::submit(&desk.db, stamp, &batch, &asked, &document, page, looked, claiming).await;
    let submitted = submitted.unwrap();
    let orders = match (allowed, submitted.claimed) {
        (Some(allowed), Some(claimed)) => desk.sending.orders(&allowed, claimed),
        _ => Vec::new(),
    };
    Called {
        batch: batch.id(),
        job: submitted.jobs[0],
        orders,
    }
}

/// Calls, and sends out what goes out at once. Tells whether anything did.
async fn call(desk: &Desk, tenant: &str) -> (Called, bool) {
    let mut called = called(desk, &given(desk, tenant).await).await;
    let orders = std::mem::take(&mut called.orders);
    let went_out = !orders.is_empty();
    desk.sending.send(orders).await.unwrap();
    (called, went_out)
}

async fn phase(desk: &Desk, tenant: &str, called: &Called) -> JobPhase {
    desk.job(tenant, called.job).await.job.state.phase()
}

/// All that waits is answered.
async fn work_off(desk: &mut Desk) {
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
        desk.collect_all().await;
        desk.dispatch_all().await;
    }
    // The marks of tenants that have nothing are taken back at the second look.
    for _ in 0..2 {
        desk.clock.turn(Duration::seconds(6));
        desk.dispatch_all().await;
    }
}

fn grant_of(desk: &Desk, order: &WorkOrder, epoch: u64) -> Result<Grant, GrantError> {
    grant::verify(&desk.key.public(), &order.grant, order, desk.clock.now(), epoch)
}

#[tokio::test]
async fn what_nothing_waits_before_goes_out_with_its_job_and_is_answered_once() {
    let mut desk = Desk::new().await;
    let (first, went_out) = call(&desk, "acme").await;
    assert!(!went_out, "nobody knows yet that the tenant takes turns");
    assert_eq!(phase(&desk, "acme", &first).await, JobPhase::Queued);
    work_off(&mut desk).await;
    assert_eq!(phase(&desk, "acme", &first).await, JobPhase::Answered);

    let (second, went_out) = call(&desk, "acme").await;
    assert!(went_out);
    assert_eq!(phase(&desk, "acme", &second).await, JobPhase::Dispatched);
    assert_eq!(
        desk.dispatch.step().await.unwrap(),
        Outcome::Idle,
        "it went out twice"
    );
    let lease = desk.take().await.unwrap();
    let granted = grant_of(&desk, &lease.order, 0).unwrap();
    assert_eq!((granted.jobs, granted.attempt), (vec![second.job], 1));
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    assert_eq!(phase(&desk, "acme", &second).await, JobPhase::Answered);
    let batch = desk.read("acme", second.batch).await;
    assert!(matches!(batch.state, BatchState::Completed { .. }));
    assert_eq!((batch.pages, batch.jobs.answered, batch.jobs.total()), (1, 1, 1));
    assert!(desk.take().await.is_none());
}

#[tokio::test]
async fn it_overtakes_neither_its_own_tenant_nor_another() {
    let mut desk = Desk::new().await;
    for tenant in ["acme", "other"] {
        call(&desk, tenant).await;
    }
    work_off(&mut desk).await;
    assert!(call(&desk, "acme").await.1);
    work_off(&mut desk).await;
    for before in ["acme", "other"] {
        let batch = desk.batch(before, 2, 1).await;
        let (called, went_out) = call(&desk, "acme").await;
        assert!(!went_out, "it overtook what {before} had waiting");
        desk.dispatch_all().await;
        let first = desk.take().await.unwrap();
        let jobs = desk.jobs(before, batch).await;
        let is_of_batch = |id: JobId| jobs.iter().any(|job| job.id == id);
        assert!(first.order.questions.iter().all(|one| is_of_batch(one.job)));
        desk.answer_all(&first).await;
        desk.collect_all().await;
        work_off(&mut desk).await;
        assert_eq!(phase(&desk, "acme", &called).await, JobPhase::Answered);
    }
}

#[tokio::test]
async fn no_more_orders_go_out_than_may() {
    for (of_all, of_tenant) in [(2, 9), (9, 2)] {
        let mut settings = shipped();
        (settings.most_orders, settings.most_orders_of_tenant) = (of_all, of_tenant);
        let mut desk = Desk::with(settings).await;
        call(&desk, "acme").await;
        work_off(&mut desk).await;
        let mut went_out = Vec::new();
        for _ in 0..3 {
            went_out.push(call(&desk, "acme").await.1);
        }
        assert_eq!(
            went_out,
            [true, true, false],
            "{of_all} of all, {of_tenant} of a tenant"
        );
        work_off(&mut desk).await;
        assert!(call(&desk, "acme").await.1);
    }
}

#[tokio::test]
async fn of_calls_at_the_same_moment_one_goes_out_and_the_others_wait_for_their_turn() {
    let mut desk = Desk::new().await;
    call(&desk, "acme").await;
    work_off(&mut desk).await;
    let (given, now) = (given(&desk, "acme").await, desk.clock.now());
    let batch = Batch::open(desk.ids.make(), &given.allowed, Metadata::new(), now);
    let stored = batch.stored(BatchState::Running { submitted_at: now });
    let sending = desk.sending.clone();
    let first = sending.at_once(now, &stored, &given).await.unwrap();
    assert!(first.is_some());
    let second = called(&desk, &given).await;
    assert!(second.orders.is_empty());
    drop(first);
    work_off(&mut desk).await;
    assert_eq!(phase(&desk, "acme", &second).await, JobPhase::Answered);
    assert!(call(&desk, "acme").await.1);
}

#[tokio::test]
async fn what_the_queue_does_not_take_waits_again() {
    let mut desk = Desk::new().await;
    call(&desk, "acme").await;
    work_off(&mut desk).await;
    let called = called(&desk, &given(&desk, "acme").await).await;
    let order = called.orders[0].clone();
    desk.queue.offer(order.clone()).await.unwrap();
    assert!(desk.take().await.is_some());
    // The process died between the two: the queue never had the order, and the sweep finds it missing.
    desk.restart().await;
    desk.clock.turn(Duration::hours(1));
    while desk.sweep.step().await.unwrap() == Outcome::Worked {}
    desk.clock.turn(Duration::hours(1));
    while desk.sweep.step().await.unwrap() == Outcome::Worked {}
    work_off(&mut desk).await;
    assert_eq!(phase(&desk, "acme", &called).await, JobPhase::Answered);
    assert_eq!(desk.read("acme", called.batch).await.jobs.answered, 1);
}

#[tokio::test]
async fn a_revocation_after_the_allow_makes_its_grant_void() {
    let mut desk = Desk::licensed().await;
    let acceptance = revocations::accept(&desk).await;
    call(&desk, "acme").await;
    work_off(&mut desk).await;
    let given = given(&desk, "acme").await;
    revocations::revoke(&desk, acceptance).await;
    let called = called(&desk, &given).await;
    let epoch = desk.queue.epoch(&"acme".parse().unwrap()).await.unwrap();
    let refused = grant_of(&desk, &called.orders[0], epoch).unwrap_err();
    let (granted, current) = (epoch - 1, epoch);
    assert_eq!(refused, GrantError::Superseded { granted, current });
}

#[tokio::test]
async fn what_was_allowed_a_second_ago_is_left_to_dispatch_which_asks_again() {
    let mut desk = Desk::licensed().await;
    let acceptance = revocations::accept(&desk).await;
    call(&desk, "acme").await;
    work_off(&mut desk).await;
    let given = given(&desk, "acme").await;
    desk.clock.turn(Duration::milliseconds(999));
    assert_eq!(called(&desk, &given).await.orders.len(), 1);
    desk.clock.turn(Duration::milliseconds(1));
    revocations::revoke(&desk, acceptance).await;
    let late = called(&desk, &given).await;
    assert!(late.orders.is_empty());
    desk.dispatch_all().await;
    assert_eq!(phase(&desk, "acme", &late).await, JobPhase::Held);
}
