//! The same of two batches of a tenant.

use super::*;
use domain::{deletion::Deleted, purpose::Purpose};
use records::deleting;

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
    assert_eq!(
        froms,
        [&computed[0], &computed[1], &shared[2]].map(|of| Some(of.job))
    );
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
    desk.report(&lease.order, failed(lease.order.questions[0].job, false))
        .await;
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
