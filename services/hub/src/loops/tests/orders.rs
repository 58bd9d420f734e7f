//! What goes out, and what becomes of orders that vanish.

use super::desk::{Desk, answered, shipped};
use crate::work_settings::WorkSettings;
use domain::{
    clock::Clock as _,
    job::{JobPhase, JobState},
    order::ReportKind,
    turn::Priority,
};
use exchange::{grant, queue::Queue as _};
use records::jobs;
use time::Duration;

#[tokio::test]
async fn an_order_carries_all_questions_of_a_page_under_a_grant_over_exactly_that() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 3).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    assert_eq!(lease.order.questions.len(), 3);
    assert_eq!(desk.take().await, None);
    let order = &lease.order;
    let grant = grant::verify(&desk.key.public(), &order.grant, order, desk.clock.now(), 0).unwrap();
    let stored = desk.read("acme", batch).await;
    assert_eq!(
        (grant.tenant, grant.decision),
        (stored.tenant, stored.license.decision)
    );
    assert_eq!(stored.jobs.dispatched, 3);
}

#[tokio::test]
async fn no_more_orders_are_out_than_configured_and_tenants_take_turns() {
    let mut desk = Desk::with(WorkSettings {
        most_orders: 4,
        ..shipped()
    })
    .await;
    desk.batch("flood", 9, 1).await;
    desk.batch("small", 2, 1).await;
    desk.dispatch_all().await;
    let depth = desk.queue.depth().await.unwrap();
    assert_eq!(depth.waiting, 4);
    let mut tenants = Vec::new();
    while let Some(lease) = desk.take().await {
        let claims = grant::verify(
            &desk.key.public(),
            &lease.order.grant,
            &lease.order,
            desk.clock.now(),
            0,
        );
        tenants.push(claims.unwrap().tenant.to_string());
    }
    assert_eq!(tenants, ["flood", "small", "flood", "small"]);
}

#[tokio::test]
async fn answering_everything_completes_the_batch() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 2, 2).await;
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
    }
    desk.collect_all().await;
    let stored = desk.read("acme", batch).await;
    assert_eq!(
        (stored.state.as_str(), stored.jobs.answered, stored.jobs.total()),
        ("completed", 4, 4)
    );
    let jobs = desk.jobs("acme", batch).await;
    let answer = desk.job("acme", jobs[3].id).await.answer.unwrap();
    assert_eq!(answer.report.text, "An answer to: Question 1?");
}

#[tokio::test]
async fn a_report_of_an_attempt_before_the_restart_is_fenced() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 1).await;
    desk.dispatch_all().await;
    let old = desk.take().await.unwrap().order;
    desk.restart().await;
    desk.dispatch_all().await;
    let new = desk.take().await.unwrap().order;
    assert_eq!((old.attempt, new.attempt), (1, 2));
    let job = new.questions[0].job;
    desk.report(&old, answered(job, "old")).await;
    desk.collect_all().await;
    assert_eq!(desk.read("acme", batch).await.jobs.answered, 0);
    desk.report(&new, answered(job, "new")).await;
    desk.report(&new, answered(job, "new again")).await;
    desk.collect_all().await;
    let whole = desk.job("acme", job).await;
    assert_eq!(whole.answer.unwrap().report.text, "An answer to: new");
    assert_eq!(
        desk.queue.depth().await.unwrap().reports,
        0,
        "fenced reports are acknowledged too"
    );
}

#[tokio::test]
async fn a_queue_that_forgot_the_epochs_is_told_them_again() {
    let mut desk = Desk::new().await;
    let acme = "acme".parse().unwrap();
    let mut tx = desk.db.begin().await.unwrap();
    let epoch = records::epochs::raise(&mut tx, &acme).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(desk.queue.epoch(&acme).await.unwrap(), 0);
    desk.sweep.step().await.unwrap();
    assert_eq!(desk.queue.epoch(&acme).await.unwrap(), epoch);
}

#[tokio::test]
async fn an_order_missing_from_the_queue_is_lost_only_after_the_grace() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    desk.sweep.step().await.unwrap();
    desk.queue.settle(&lease).await.unwrap();
    desk.sweep.step().await.unwrap();
    desk.clock.turn(desk.settings.lost_after() - Duration::seconds(1));
    desk.sweep.step().await.unwrap();
    assert_eq!(desk.read("acme", batch).await.jobs.dispatched, 1);
    desk.clock.turn(Duration::seconds(1));
    desk.sweep.step().await.unwrap();
    assert_eq!(desk.read("acme", batch).await.jobs.queued, 1);
}

#[tokio::test]
async fn a_page_that_kills_every_worker_is_dead_lettered_with_its_losses() {
    let mut desk = Desk::with(WorkSettings {
        most_losses: 2,
        ..shipped()
    })
    .await;
    let batch = desk.batch("acme", 1, 1).await;
    for _ in 0..2 {
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        desk.report(&lease.order, ReportKind::Started).await;
        desk.collect_all().await;
        desk.restart().await;
    }
    let job = desk.job("acme", desk.jobs("acme", batch).await[0].id).await;
    assert!(
        matches!(job.job.state, JobState::Failed { ref code, .. } if code == "dead_lettered"),
        "{job:?}"
    );
    let codes: Vec<&str> = job.faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["attempt_lost", "attempt_lost"]);
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
}

#[tokio::test]
async fn orders_that_no_worker_began_may_be_lost_any_number_of_times() {
    let mut desk = Desk::with(WorkSettings {
        most_losses: 1,
        ..shipped()
    })
    .await;
    let batch = desk.batch("acme", 1, 1).await;
    for _ in 0..5 {
        desk.dispatch_all().await;
        desk.restart().await;
    }
    assert_eq!(desk.read("acme", batch).await.jobs.queued, 1);
}

#[tokio::test]
async fn what_the_gate_no_longer_allows_is_refused_under_a_decision_and_can_be_requeued() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 2, 1).await;
    desk.forget_licenses();
    desk.dispatch_all().await;
    assert_eq!(desk.take().await, None);
    let stored = desk.read("acme", batch).await;
    assert_eq!((stored.state.as_str(), stored.jobs.refused), ("completed", 2));
    let job = desk.jobs("acme", batch).await[0].clone();
    let JobState::Refused { decision, .. } = job.state else {
        panic!("{job:?}")
    };
    assert_ne!(decision, stored.license.decision);
    assert!(
        records::decisions::get(&desk.db, decision)
            .await
            .unwrap()
            .is_some()
    );
    desk.know_licenses();
    let tenant = "acme".parse().unwrap();
    jobs::requeue(&desk.db, desk.stamp(), &tenant, job.id)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    desk.dispatch_all().await;
    assert_eq!(
        desk.job("acme", job.id).await.job.state.phase(),
        JobPhase::Dispatched
    );
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "running");
}

#[tokio::test]
async fn what_a_tenant_calls_urgent_goes_before_its_other_work_and_before_nobody_elses() {
    let mut desk = Desk::with(WorkSettings {
        most_orders: 1,
        ..shipped()
    })
    .await;
    let low = desk.batch_of("acme", Priority::Low, 1).await;
    let normal = desk.batch("acme", 1, 1).await;
    let high = desk.batch_of("acme", Priority::High, 1).await;
    let other = desk.batch("zeta", 1, 1).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        for (tenant, batch) in [("acme", low), ("acme", normal), ("acme", high), ("zeta", other)] {
            if desk.read(tenant, batch).await.jobs.dispatched == 1 {
                order.push(batch);
            }
        }
        desk.answer_all(&lease).await;
        desk.collect_all().await;
    }
    assert_eq!(order, [high, other, normal, low]);
}
