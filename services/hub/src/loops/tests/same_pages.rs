//! Pages of a tenant with the same bytes: one of them is computed, and what becomes of the others if it is not.

mod between_batches;

use super::desk::{Desk, answered, failed, shipped};
use crate::work_settings::WorkSettings;
use domain::{
    digest::Sha256,
    id::BatchId,
    job::{JobPhase, JobState},
    names::TenantName,
    order::{Parameters, WorkOrder},
};
use exchange::{grant, queue::Queue as _};
use records::{
    answers::Answer,
    batches,
    documents::{self, NewDocument, NewPage},
    jobs::{self, Job},
    usage,
};
use time::Duration;

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

/// A submitted batch of so many documents, each of one page with the same bytes, of which the first `split` are pages.
async fn batch(desk: &Desk, tenant: &str, documents: usize, asked: usize, split: usize) -> BatchId {
    let id = desk.opened(tenant, asked, |batch| batch).await;
    let tenant: TenantName = tenant.parse().unwrap();
    let more = NewDocument {
        questions: None,
        name: None,
        media_type: "image/png".into(),
        sha256: Sha256::of(b"document"),
        bytes: 8,
    };
    let more = vec![more; documents - 1];
    documents::add(&desk.db, desk.stamp(), &tenant, id, &more, 99)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    batches::submit(&desk.db, desk.stamp(), &tenant, id, desk.settings.bounds())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    split_more(desk, split).await;
    id
}

async fn split_more(desk: &Desk, documents: usize) {
    for _ in 0..documents {
        let taken = desk.take_document().await.unwrap();
        let page = NewPage {
            number: 1,
            sha256: Sha256::of(b"the same page"),
            bytes: 13,
            width: 3,
            height: 3,
        };
        assert!(
            documents::split(&desk.db, desk.stamp(), &taken, &[page], &[])
                .await
                .unwrap()
        );
    }
}

/// The questions of every order that is out, which workers have taken.
async fn taken(desk: &Desk) -> Vec<usize> {
    let mut orders = Vec::new();
    while let Some(lease) = desk.take().await {
        orders.push(lease.order.questions.len());
    }
    orders
}

/// Workers answer all that is out, and what comes of it goes out until nothing does.
async fn work(desk: &mut Desk) -> Vec<WorkOrder> {
    let mut orders = Vec::new();
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
        desk.collect_all().await;
        desk.dispatch_all().await;
        orders.push(lease.order);
    }
    orders
}

async fn answers(desk: &Desk, batch: BatchId) -> Vec<Answer> {
    let mut answers = Vec::new();
    for job in desk.jobs("acme", batch).await {
        answers.push(desk.job("acme", job.id).await.answer.unwrap());
    }
    answers
}

#[tokio::test]
async fn the_same_question_about_the_same_bytes_is_computed_once_and_each_job_has_its_answer() {
    let mut desk = Desk::new().await;
    let batch = batch(&desk, "acme", 3, 2, 3).await;
    let orders = work(&mut desk).await;
    assert_eq!(
        orders
            .iter()
            .map(|order| order.questions.len())
            .collect::<Vec<_>>(),
        [2]
    );
    let stored = desk.read("acme", batch).await;
    assert_eq!((stored.state.as_str(), stored.jobs.answered), ("completed", 6));
    let answers = answers(&desk, batch).await;
    let [first, second] = [&answers[0], &answers[1]];
    for (place, answer) in answers.iter().enumerate() {
        let of = [first, second][place % 2];
        assert_eq!(answer.report.text, of.report.text);
        let shared = (place > 1).then_some(of.job);
        assert_eq!(
            (answer.shared_from, answer.report.compute_ms > 0),
            (shared, place < 2)
        );
        assert_eq!(answer.decision, Some(stored.license.decision));
    }
    assert_ne!(first.report.text, second.report.text);
    // Each has a grant of its own, over exactly what it asks, and is counted.
    let shared = records::proofs::order_of(&desk.db, &acme(), answers[4].job).await;
    let token = shared.unwrap().unwrap().grant_token.unwrap();
    let grant = grant::look_back(&desk.key.public(), &token).unwrap();
    assert!(grant.jobs.contains(&answers[4].job) && !grant.jobs.contains(&first.job));
    let day = usage::of_day(&desk.db, &acme(), None, desk.stamp().at).await;
    assert_eq!(day.unwrap().input_tokens, 6 * 1_610);
}

#[tokio::test]
async fn pages_that_come_later_wait_for_the_first_or_have_its_answer_at_once() {
    let mut desk = Desk::new().await;
    let batch = batch(&desk, "acme", 3, 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    split_more(&desk, 1).await;
    desk.dispatch_all().await;
    assert_eq!(taken(&desk).await, [0; 0], "the second waits");
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    desk.dispatch_all().await;
    assert_eq!(desk.read("acme", batch).await.jobs.answered, 2);
    split_more(&desk, 1).await;
    desk.dispatch_all().await;
    assert_eq!(taken(&desk).await, [0; 0]);
    assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
}

#[tokio::test]
async fn one_look_has_all_of_a_kind_wait_and_others_have_their_turn() {
    let mut desk = Desk::with(WorkSettings {
        most_orders: 2,
        ..shipped()
    })
    .await;
    let many = batch(&desk, "acme", 9, 1, 9).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let now = desk.stamp().at;
    let waits = |job: &Job| matches!(job.state, JobState::Queued { not_before } if not_before > now);
    let jobs = desk.jobs("acme", many).await;
    assert_eq!(jobs.iter().filter(|job| waits(job)).count(), 8, "{jobs:?}");
    desk.batch("other", 1, 1).await;
    desk.dispatch_all().await;
    assert_eq!(taken(&desk).await, [1]);
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    // They are let go at once, and portion by portion have their answers.
    desk.dispatch_all().await;
    assert_eq!(desk.read("acme", many).await.state.as_str(), "completed");
}

#[tokio::test]
async fn what_is_drawn_is_drawn_for_each_and_goes_to_one_worker_together() {
    let mut desk = Desk::new().await;
    desk.parameters = Parameters {
        temperature: Some(0.7),
        ..Parameters::default()
    };
    let drawn = batch(&desk, "acme", 3, 1, 3).await;
    let orders = work(&mut desk).await;
    assert_eq!(
        orders
            .iter()
            .map(|order| order.questions.len())
            .collect::<Vec<_>>(),
        [3]
    );
    assert!(
        answers(&desk, drawn)
            .await
            .iter()
            .all(|answer| answer.shared_from.is_none())
    );
    // A seed that is named makes it repeatable.
    desk.parameters.seed = Some(7);
    let seeded = batch(&desk, "acme", 3, 1, 3).await;
    assert_eq!(work(&mut desk).await[0].questions.len(), 1);
    let shared = answers(&desk, seeded).await;
    assert_eq!(
        shared
            .iter()
            .filter(|answer| answer.shared_from.is_some())
            .count(),
        2
    );
}

/// How many questions go out in each order for what waits.
async fn sizes(desk: &mut Desk) -> Vec<usize> {
    let orders = work(desk).await;
    orders.iter().map(|order| order.questions.len()).collect()
}

#[tokio::test]
async fn if_the_first_fails_or_is_cancelled_each_other_one_is_computed() {
    for is_cancelled in [false, true] {
        let mut desk = Desk::new().await;
        let batch = batch(&desk, "acme", 3, 1, 3).await;
        desk.dispatch_all().await;
        let lease = desk.take().await.unwrap();
        let first = lease.order.questions[0].job;
        if is_cancelled {
            let cancelled = jobs::cancel(&desk.db, desk.stamp(), &acme(), first).await;
            cancelled.unwrap().unwrap().unwrap();
        } else {
            desk.report(&lease.order, failed(first, false)).await;
            desk.collect_all().await;
        }
        desk.queue.settle(&lease).await.unwrap();
        desk.clock.turn(Duration::seconds(15));
        let orders = work(&mut desk).await;
        assert_eq!(
            orders
                .iter()
                .map(|order| order.questions.len())
                .collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(desk.read("acme", batch).await.jobs.answered, 2);
        if !is_cancelled {
            jobs::requeue(&desk.db, desk.stamp(), &acme(), first)
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert_eq!(work(&mut desk).await[0].questions[0].job, first);
            assert_eq!(desk.read("acme", batch).await.state.as_str(), "completed");
        }
    }
}

#[tokio::test]
async fn if_the_worker_of_the_first_is_lost_it_goes_out_again_and_the_others_wait_on() {
    let mut desk = Desk::new().await;
    let batch = batch(&desk, "acme", 2, 1, 2).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let rule = desk.settings.retry_rule();
    records::attempts::lose(&desk.db, desk.stamp(), lease.order.id, &rule)
        .await
        .unwrap();
    desk.queue.withdraw(lease.order.id).await.unwrap();
    desk.clock.turn(Duration::minutes(5));
    desk.dispatch_all().await;
    let again = desk.take().await.unwrap();
    assert_eq!(again.order.questions, lease.order.questions);
    assert_eq!(taken(&desk).await, [0; 0]);
    // What the first worker says is of an attempt before.
    let job = lease.order.questions[0].job;
    desk.report(&lease.order, answered(job, "too late")).await;
    desk.collect_all().await;
    assert_eq!(desk.read("acme", batch).await.jobs.answered, 0);
    desk.answer_all(&again).await;
    desk.collect_all().await;
    desk.dispatch_all().await;
    let jobs = desk.jobs("acme", batch).await;
    assert!(
        jobs.iter().all(|job| job.state.phase() == JobPhase::Answered),
        "{jobs:?}"
    );
}
