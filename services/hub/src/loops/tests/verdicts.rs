//! Faults, handing back, cancelling.

use super::desk::{Desk, answered, failed, shipped};
use crate::work_settings::WorkSettings;
use domain::{
    batch::BatchRefusal,
    id::JobId,
    job::{JobPhase, JobRefusal, JobState},
    names::TenantName,
    order::{Fault, ReportKind},
};
use exchange::queue::{Queue as _, Standing};
use records::{
    batches::{self, SubmitRefusal},
    jobs::{self, FailedJobs, RequeueRefusal},
};
use time::Duration;

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

async fn phase(desk: &Desk, job: JobId) -> JobPhase {
    desk.job("acme", job).await.job.state.phase()
}

#[tokio::test]
async fn a_fault_that_may_pass_comes_back_after_a_pause_until_it_is_dead_lettered() {
    let mut desk = Desk::with(WorkSettings {
        most_faults: 2,
        ..shipped()
    })
    .await;
    let batch = desk.batch("acme", 1, 1).await;
    let job = desk.jobs("acme", batch).await[0].id;
    for _ in 0..2 {
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        desk.report(&lease.order, failed(job, true)).await;
        desk.queue.settle(&lease).await.unwrap();
        desk.collect_all().await;
        desk.dispatch_all().await;
        assert_eq!(desk.take().await, None, "not before the pause is over");
        desk.clock.turn(Duration::seconds(4));
    }
    let whole = desk.job("acme", job).await;
    assert!(matches!(whole.job.state, JobState::Failed { ref code, .. } if code == "dead_lettered"));
    assert_eq!(
        whole.faults.iter().map(|fault| fault.attempt).collect::<Vec<_>>(),
        [1, 2]
    );
    let dead = jobs::failed(&desk.db, &acme(), FailedJobs::DeadLettered, None, 10)
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    jobs::requeue(&desk.db, desk.stamp(), &acme(), job)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let requeued = desk.job("acme", job).await.job;
    assert_eq!(
        (requeued.state.phase(), requeued.tries.faults),
        (JobPhase::Queued, 0)
    );
}

#[tokio::test]
async fn a_grant_that_a_clock_was_against_is_no_fault_of_its_job() {
    let mut desk = Desk::with(WorkSettings {
        most_faults: 2,
        ..shipped()
    })
    .await;
    let batch = desk.batch("acme", 1, 1).await;
    let job = desk.jobs("acme", batch).await[0].id;
    for code in ["grant_not_yet", "grant_expired", "grant_not_yet"] {
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        let fault = Fault {
            code: code.into(),
            message: "a clock".into(),
            may_pass: true,
        };
        desk.report(&lease.order, ReportKind::Failed { job, fault }).await;
        desk.queue.settle(&lease).await.unwrap();
        desk.collect_all().await;
        desk.clock.turn(Duration::seconds(4));
    }
    let job = desk.job("acme", job).await.job;
    assert_eq!((job.state.phase(), job.tries.faults), (JobPhase::Queued, 0));
}

#[tokio::test]
async fn a_fault_that_cannot_pass_fails_at_once_and_is_no_dead_letter() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 1).await;
    let job = desk.jobs("acme", batch).await[0].id;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    desk.report(&lease.order, failed(job, false)).await;
    desk.collect_all().await;
    assert_eq!(phase(&desk, job).await, JobPhase::Failed);
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
    let tenant = acme();
    let listed = |which| jobs::failed(&desk.db, &tenant, which, None, 10);
    assert_eq!(listed(FailedJobs::All).await.unwrap().len(), 1);
    assert_eq!(listed(FailedJobs::DeadLettered).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_a_leaving_worker_hands_back_waits_again_uncounted() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 2).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let done = lease.order.questions[0].job;
    desk.report(&lease.order, answered(done, "first")).await;
    desk.report(&lease.order, ReportKind::HandedBack).await;
    desk.queue.settle(&lease).await.unwrap();
    desk.collect_all().await;
    let jobs = desk.jobs("acme", batch).await;
    let phases: Vec<JobPhase> = jobs.iter().map(|job| job.state.phase()).collect();
    assert_eq!(phases, [JobPhase::Answered, JobPhase::Queued]);
    assert_eq!((jobs[1].tries.faults, jobs[1].tries.losses), (0, 0));
    desk.dispatch_all().await;
    let again = desk.take().await.unwrap().order;
    assert_eq!((again.attempt, again.questions.len()), (2, 1));
}

#[tokio::test]
async fn cancelling_one_job_frees_the_others_of_its_order() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 2).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let [first, second] = [0, 1].map(|place| lease.order.questions[place].job);
    let order = jobs::cancel(&desk.db, desk.stamp(), &acme(), first)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(order, Some(lease.order.id));
    desk.queue.withdraw(lease.order.id).await.unwrap();
    assert_eq!(desk.queue.extend(&lease).await.unwrap(), Standing::Withdrawn);
    desk.report(&lease.order, answered(second, "too late")).await;
    desk.collect_all().await;
    assert_eq!(
        (phase(&desk, first).await, phase(&desk, second).await),
        (JobPhase::Cancelled, JobPhase::Queued)
    );
    let again = jobs::cancel(&desk.db, desk.stamp(), &acme(), first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, Err(JobRefusal::WrongState(JobPhase::Cancelled)));
    assert_eq!(desk.read("acme", batch).await.jobs.total(), 2);
}

#[tokio::test]
async fn a_cancelled_batch_keeps_its_answers_and_takes_no_more() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 2, 1).await;
    desk.dispatch_all().await;
    let (first, second) = (desk.take().await.unwrap(), desk.take().await.unwrap());
    desk.answer_all(&first).await;
    desk.collect_all().await;
    let cancelled = batches::cancel(&desk.db, desk.stamp(), &acme(), batch)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(cancelled.withdrawn, [second.order.id]);
    desk.answer_all(&second).await;
    desk.collect_all().await;
    let stored = desk.read("acme", batch).await;
    assert_eq!(
        (stored.state.as_str(), stored.jobs.answered, stored.jobs.cancelled),
        ("cancelled", 1, 1)
    );
    let job = second.order.questions[0].job;
    let refused = jobs::requeue(&desk.db, desk.stamp(), &acme(), job)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        refused,
        Err(RequeueRefusal::Job(JobRefusal::WrongState(JobPhase::Cancelled)))
    );
    let submitted = batches::submit(&desk.db, desk.stamp(), &acme(), batch, desk.settings.bounds())
        .await
        .unwrap()
        .unwrap();
    let refused = BatchRefusal::WrongState("cancelled");
    assert_eq!(submitted.unwrap_err(), SubmitRefusal::Batch(refused));
}

#[tokio::test]
async fn another_tenants_batches_and_jobs_are_not_there() {
    let desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 1).await;
    let job = desk.jobs("acme", batch).await[0].id;
    let other: TenantName = "other".parse().unwrap();
    assert!(batches::get(&desk.db, &other, batch).await.unwrap().is_none());
    assert!(
        batches::submit(&desk.db, desk.stamp(), &other, batch, desk.settings.bounds())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        batches::cancel(&desk.db, desk.stamp(), &other, batch)
            .await
            .unwrap()
            .is_none()
    );
    assert!(jobs::get(&desk.db, &other, job).await.unwrap().is_none());
    assert!(
        jobs::cancel(&desk.db, desk.stamp(), &other, job)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        jobs::requeue(&desk.db, desk.stamp(), &other, job)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        jobs::of_batch(&desk.db, &other, batch, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_job_whose_grant_was_revoked_is_refused_under_a_decision_not_failed() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let job = lease.order.questions[0].job;
    let fault = Fault {
        code: "grant_superseded".into(),
        message: "revoked".into(),
        may_pass: false,
    };
    desk.report(&lease.order, ReportKind::Failed { job, fault }).await;
    desk.queue.settle(&lease).await.unwrap();
    desk.collect_all().await;
    let back = desk.job("acme", job).await;
    assert_eq!(
        (back.job.tries.faults, back.faults.len()),
        (0, 0),
        "it is no fault of the job's"
    );
    desk.forget_licenses();
    desk.clock.turn(Duration::seconds(4));
    desk.dispatch_all().await;
    assert_eq!(phase(&desk, job).await, JobPhase::Refused);
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
}

#[tokio::test]
async fn what_failed_of_a_batch_is_tried_again_in_one_go_and_nothing_else_is() {
    let mut desk = Desk::new().await;
    let batch = desk.batch("acme", 3, 1).await;
    desk.dispatch_all().await;
    let mut answered_first = false;
    while let Some(lease) = desk.take().await {
        let job = lease.order.questions[0].job;
        let kind = match answered_first {
            false => answered(job, "What?"),
            true => failed(job, false),
        };
        answered_first = true;
        desk.report(&lease.order, kind).await;
        desk.queue.settle(&lease).await.unwrap();
    }
    desk.collect_all().await;
    let before = desk.read("acme", batch).await;
    assert_eq!(
        (before.state.as_str(), before.jobs.answered, before.jobs.failed),
        ("completed", 1, 2)
    );
    let requeue = async || {
        jobs::requeue_failed(&desk.db, desk.stamp(), &acme(), batch)
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!((requeue().await, requeue().await), (Ok(2), Ok(0)));
    let theirs = "zeta".parse().unwrap();
    let refused = jobs::requeue_failed(&desk.db, desk.stamp(), &theirs, batch).await;
    assert!(refused.unwrap().is_none());
    let after = desk.read("acme", batch).await;
    assert_eq!(
        (after.state.as_str(), after.jobs.answered, after.jobs.queued),
        ("running", 1, 2)
    );
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
    }
    desk.collect_all().await;
    let done = desk.read("acme", batch).await;
    assert_eq!((done.state.as_str(), done.jobs.answered), ("completed", 3));
}
