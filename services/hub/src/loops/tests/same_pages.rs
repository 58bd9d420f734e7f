//! Pages of a tenant with the same bytes: one of them is computed, and what becomes of the others if it is not.

use super::desk::{Desk, answered, failed, shipped};
use crate::work_settings::WorkSettings;
use domain::{
    deletion::Deleted,
    digest::Sha256,
    id::BatchId,
    job::{JobPhase, JobState},
    names::TenantName,
    order::{Parameters, WorkOrder},
    purpose::Purpose,
};
use exchange::{grant, queue::Queue as _};
use records::{
    answers::Answer,
    batches, deleting,
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
async fn another_batch_has_the_answers_of_the_one_before_for_a_day_and_another_tenant_never() {
    let mut desk = Desk::new().await;
    let first = batch(&desk, "acme", 1, 2, 1).await;
    assert_eq!(sizes(&mut desk).await, [2]);
    let computed = answers(&desk, first).await;
    desk.clock.turn(Duration::days(1));
    let second = batch(&desk, "acme", 2, 3, 2).await;
    assert_eq!(sizes(&mut desk).await, [1], "the third question is new");
    let shared = answers(&desk, second).await;
    let stored = desk.read("acme", second).await;
    for (place, answer) in shared.iter().enumerate().filter(|(place, _)| place % 3 < 2) {
        let of = &computed[place % 3];
        assert_eq!(
            (answer.shared_from, answer.report.compute_ms, &answer.report.text),
            (Some(of.job), 0, &of.report.text)
        );
        assert_eq!(answer.decision, Some(stored.license.decision));
    }
    assert_eq!((stored.state.as_str(), stored.jobs.answered), ("completed", 6));
    // What is given again names the job that was computed, and is no younger for it.
    let third = batch(&desk, "acme", 1, 3, 1).await;
    assert_eq!(sizes(&mut desk).await, [0; 0]);
    let again = answers(&desk, third).await;
    let froms: Vec<_> = again.iter().map(|answer| answer.shared_from).collect();
    assert_eq!(froms, [&computed[0], &computed[1], &shared[2]].map(|of| Some(of.job)));
    batch(&desk, "other", 1, 2, 1).await;
    assert_eq!(sizes(&mut desk).await, [2]);
    desk.clock.turn(Duration::seconds(1));
    batch(&desk, "acme", 1, 3, 1).await;
    assert_eq!(sizes(&mut desk).await, [2], "all but the third question");
}

#[tokio::test]
async fn of_two_batches_one_waits_for_what_is_out_of_the_other_and_for_nothing_else() {
    let mut desk = Desk::new().await;
    let first = batch(&desk, "acme", 1, 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let second = batch(&desk, "acme", 3, 2, 3).await;
    desk.dispatch_all().await;
    assert_eq!(taken(&desk).await, [1], "only the question that is not out");
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    // It is let go at once, and its like in its batch with it.
    desk.dispatch_all().await;
    assert_eq!(desk.read("acme", first).await.state.as_str(), "completed");
    assert_eq!(desk.read("acme", second).await.jobs.answered, 3);
    // What waits in a batch that does not go out keeps nobody waiting.
    let mut desk = Desk::new().await;
    let put_off = batch(&desk, "acme", 1, 1, 1).await;
    let now = desk.stamp().at;
    let until = now + Duration::hours(1);
    let moved = records::dispatching::put_off(&desk.db, put_off, now, until).await;
    assert_eq!(moved.unwrap(), 1);
    let other = batch(&desk, "acme", 1, 1, 1).await;
    assert_eq!(sizes(&mut desk).await, [1]);
    let computed = answers(&desk, other).await[0].job;
    desk.clock.turn(Duration::hours(1));
    assert_eq!(sizes(&mut desk).await, [0; 0]);
    assert_eq!(answers(&desk, put_off).await[0].shared_from, Some(computed));
}

#[tokio::test]
async fn if_what_is_out_of_another_batch_comes_to_nothing_it_is_computed() {
    let mut desk = Desk::new().await;
    batch(&desk, "acme", 1, 1, 1).await;
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    let second = batch(&desk, "acme", 1, 1, 1).await;
    desk.dispatch_all().await;
    desk.report(&lease.order, failed(lease.order.questions[0].job, false)).await;
    desk.collect_all().await;
    desk.queue.settle(&lease).await.unwrap();
    desk.clock.turn(Duration::seconds(15));
    assert_eq!(sizes(&mut desk).await, [1]);
    assert_eq!(desk.read("acme", second).await.state.as_str(), "completed");
}

#[tokio::test]
async fn what_is_for_another_purpose_or_asked_in_another_way_or_deleted_is_computed() {
    let mut desk = Desk::new().await;
    let first = batch(&desk, "acme", 1, 1, 1).await;
    assert_eq!(sizes(&mut desk).await, [1]);
    desk.purpose = Purpose::Evaluation;
    batch(&desk, "acme", 1, 1, 1).await;
    assert_eq!(sizes(&mut desk).await, [1]);
    desk.purpose = Purpose::Research;
    desk.parameters.max_new_tokens = Some(7);
    batch(&desk, "acme", 1, 1, 1).await;
    assert_eq!(sizes(&mut desk).await, [1]);
    desk.parameters = Parameters::default();
    let deleted = deleting::begin(&desk.db, desk.stamp(), &acme(), first, Deleted::Answers).await;
    deleted.unwrap().unwrap().unwrap();
    batch(&desk, "acme", 1, 1, 1).await;
    assert_eq!(sizes(&mut desk).await, [1], "before the answers are gone, too");
}

#[tokio::test]
async fn where_nothing_is_to_be_shared_between_batches_only_a_batch_is_looked_through() {
    let mut desk = Desk::with(WorkSettings {
        share_answers_seconds: 0,
        ..shipped()
    })
    .await;
    for _ in 0..2 {
        batch(&desk, "acme", 2, 1, 2).await;
        assert_eq!(sizes(&mut desk).await, [1]);
    }
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
