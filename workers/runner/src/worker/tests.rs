//! The worker with the real engine, from an order in the queue to the reports about it.

mod at_once;
mod attacker;
mod models;
mod pages_again;

use super::*;
use crate::announcing::announcement;
use crate::fixtures::{Bench, FILES, LEASE, faults, golden, golden_question_and_answer, import};
use domain::{
    digest::Sha256,
    order::{FinishReason, WorkOrder},
    worker::Announcement,
};
use exchange::queue::Depth;
use std::time::Duration;

fn answers(reports: &[ReportKind]) -> usize {
    reports
        .iter()
        .filter(|kind| matches!(kind, ReportKind::Answered { .. }))
        .count()
}

#[tokio::test]
async fn an_honest_order_is_answered_as_the_reference_answers() {
    let bench = Bench::new().await;
    let (text, expected) = golden_question_and_answer();
    let questions = vec![
        bench.question("Who signed?", 3),
        bench.question(&text, 16),
        bench.question(&text, 2),
    ];
    let order = bench.order(questions.clone());
    let id = order.id;
    let outcome = bench.step_at(order).await;
    assert_eq!(
        outcome,
        Outcome::Finished {
            order: id,
            answered: 3,
            failed: 0
        }
    );
    let first = bench.next_report().await;
    assert_eq!(
        (first.order, first.attempt, first.kind),
        (id, 1, ReportKind::Started)
    );
    let reports = bench.reports().await;
    // Questions of a page are answered together: which answer comes first depends on their lengths.
    let answer = reports.iter().find_map(|kind| match kind {
        ReportKind::Answered { job, answer } if *job == questions[1].job => Some(answer),
        _ => None,
    });
    let answer = answer.unwrap();
    assert_eq!(answer.text, expected);
    assert_eq!(answer.finish_reason, FinishReason::Length);
    assert_eq!((answer.input_tokens, answer.output_tokens), (32, 16));
    assert_eq!(answers(&reports), 3);
    assert_eq!(bench.queue.depth().await.unwrap(), Depth::default());
    assert_eq!(bench.worker().step().await, Outcome::Idle);
}

#[tokio::test]
async fn a_revocation_during_the_work_ends_it() {
    let bench = Bench::new().await;
    let order = bench.order(bench.long_questions(40));
    let id = order.id;
    let revoke = async {
        bench.first_answer().await;
        bench
            .queue
            .announce_epoch(&"acme".parse().unwrap(), 1)
            .await
            .unwrap();
    };
    let (outcome, ()) = tokio::join!(bench.step_at(order), revoke);
    assert_eq!(
        outcome,
        Outcome::Refused {
            order: id,
            code: "grant_superseded"
        }
    );
    let reports = bench.reports().await;
    let failed = faults(&reports);
    assert_eq!(answers(&reports) + failed.len(), 39, "every job is told of once");
    assert!(
        failed.len() > 30 && failed.iter().all(|(_, code, _)| *code == "grant_superseded"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn an_order_withdrawn_during_the_work_is_told_of_no_more() {
    let bench = Bench::new().await;
    let order = bench.order(bench.long_questions(40));
    let id = order.id;
    let withdraw = async {
        bench.first_answer().await;
        bench.queue.withdraw(id).await.unwrap();
        assert_eq!(bench.queue.depth().await.unwrap().leased, 0);
        bench.reports().await
    };
    let (outcome, before) = tokio::join!(bench.step_at(order), withdraw);
    assert_eq!(outcome, Outcome::Withdrawn { order: id });
    assert!(answers(&before) < 30);
    assert_eq!(bench.reports().await, []);
}

#[tokio::test]
async fn a_withdrawal_reaches_a_worker_in_the_middle_of_an_answer() {
    let bench = Bench::with_lease(Duration::from_millis(30)).await;
    let order = bench.order(bench.long_questions(1));
    let id = order.id;
    let withdraw = async {
        assert_eq!(bench.next_report().await.kind, ReportKind::Started);
        bench.queue.withdraw(id).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(bench.step_at(order), withdraw);
    assert_eq!(outcome, Outcome::Withdrawn { order: id });
    assert_eq!(bench.reports().await, []);
}

#[tokio::test]
async fn a_worker_whose_lease_ended_leaves_the_order_to_another() {
    let bench = Bench::new().await;
    let order = bench.order(bench.long_questions(8));
    let id = order.id;
    let end_lease = async {
        bench.first_answer().await;
        bench.clock.turn(LEASE);
    };
    let (outcome, ()) = tokio::join!(bench.step_at(order), end_lease);
    assert_eq!(outcome, Outcome::Lost { order: id });
    let reported = answers(&bench.reports().await) + 1;
    assert!(reported < 8, "{reported}");
    assert_eq!(
        bench.worker().step().await,
        Outcome::Finished {
            order: id,
            answered: 8,
            failed: 0
        }
    );
}

#[tokio::test]
async fn a_worker_that_leaves_hands_its_order_back() {
    let bench = Bench::new().await;
    let shutdown = CancellationToken::new();
    let order = bench.order(bench.long_questions(40));
    bench.queue.offer(order.clone()).await.unwrap();
    let leave = async {
        bench.first_answer().await;
        shutdown.cancel();
    };
    let worker = bench.worker();
    tokio::join!(worker.run(shutdown.clone()), leave);
    let reports = bench.reports().await;
    assert_eq!(reports.last(), Some(&ReportKind::HandedBack));
    assert!(answers(&reports) < 30 && faults(&reports).is_empty());
    assert_eq!(bench.queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn a_worker_that_has_time_to_leave_finishes_its_order() {
    let bench = Bench::new().await;
    let shutdown = CancellationToken::new();
    // Long enough that nobody is done with it before the worker is told to leave.
    let first = bench.order(bench.long_questions(8));
    let second = bench.order(vec![bench.question("Where?", 2)]);
    bench.queue.offer(first).await.unwrap();
    bench.queue.offer(second.clone()).await.unwrap();
    let leave = async {
        assert_eq!(bench.next_report().await.kind, ReportKind::Started);
        shutdown.cancel();
    };
    let worker = bench.worker_that_drains_for(Duration::from_secs(120));
    tokio::join!(worker.run(shutdown.clone()), leave);
    let reports = bench.reports().await;
    assert_eq!((answers(&reports), reports.len()), (8, 8));
    assert_eq!(bench.queue.held(&[second.id]).await.unwrap(), [second.id]);
}

#[tokio::test]
async fn one_question_that_cannot_be_answered_does_not_cost_the_others() {
    let bench = Bench::new().await;
    let mut hot = bench.question("Who?", 2);
    hot.parameters.temperature = Some(9.0);
    let good = bench.question("When?", 2);
    let too_long = bench.question(&"word ".repeat(600), 2);
    let too_many = bench.question("Where?", 512);
    let nothing = bench.question("How?", 0);
    let jobs = [&hot, &too_long, &too_many, &nothing].map(|question| question.job);
    let order = bench.order(vec![hot, good.clone(), too_long, too_many, nothing]);
    let id = order.id;
    assert_eq!(
        bench.step_at(order).await,
        Outcome::Finished {
            order: id,
            answered: 1,
            failed: 4
        }
    );
    let reports = bench.reports().await;
    let expected = [
        (jobs[0], "parameters_invalid", false),
        (jobs[1], "question_too_long", false),
        (jobs[2], "question_too_long", false),
        (jobs[3], "parameters_invalid", false),
    ];
    assert_eq!(faults(&reports), expected);
    assert!(
        matches!(&reports[5], ReportKind::Answered { job, .. } if *job == good.job),
        "{reports:?}"
    );
}

#[tokio::test]
async fn an_order_of_unanswerable_questions_never_touches_its_page() {
    let bench = Bench::new().await;
    let questions = vec![bench.question("Where?", 512)];
    let grant = Grant {
        page_sha256: bench.store(b"not a picture").await,
        ..bench.grant(&questions)
    };
    bench.step_at(bench.granted(&grant, questions)).await;
    assert_eq!(faults(&bench.reports().await)[0].1, "question_too_long");
}

/// What becomes of an order of one question on the page `page_sha256`.
async fn fault_on_page(bench: &Bench, page_sha256: Sha256) -> (String, bool) {
    let questions = vec![bench.question("Who?", 2)];
    let grant = Grant {
        page_sha256,
        ..bench.grant(&questions)
    };
    bench.step_at(bench.granted(&grant, questions)).await;
    let reports = bench.reports().await;
    let (_, code, may_pass) = faults(&reports)[0];
    (code.to_owned(), may_pass)
}

#[tokio::test]
async fn a_page_that_is_unreadable_missing_or_damaged_fails_its_jobs_alone() {
    let bench = Bench::new().await;
    let unreadable = bench.store(b"not a picture").await;
    assert_eq!(
        fault_on_page(&bench, unreadable).await,
        ("page_unreadable".into(), false)
    );
    let missing = Sha256::of(b"never stored");
    assert_eq!(
        fault_on_page(&bench, missing).await,
        ("page_missing".into(), false)
    );
    bench.damage(bench.page);
    assert_eq!(
        fault_on_page(&bench, bench.page).await,
        ("page_damaged".into(), true)
    );
}

#[tokio::test]
async fn a_panic_of_the_engine_is_the_orders_fault() {
    let thread = spawn_blocking(|| panic!("as an engine might"));
    let fault = joined(thread).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.may_pass), ("engine_panicked", false));
}

#[tokio::test]
async fn a_queue_that_forgot_its_epochs_does_not_revive_a_grant() {
    let (bench, forgetful) = (Bench::new().await, Bench::new().await);
    let tenant = "acme".parse().unwrap();
    bench.queue.announce_epoch(&tenant, 5).await.unwrap();
    let epochs = Epochs::default();
    assert_eq!(epochs.of(&*bench.queue, &tenant).await.unwrap(), 5);
    assert_eq!(epochs.of(&*forgetful.queue, &tenant).await.unwrap(), 5);
}

#[tokio::test]
async fn an_idle_worker_leaves_at_once() {
    let bench = Bench::new().await;
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    bench
        .queue
        .offer(bench.order(vec![bench.question("Who?", 2)]))
        .await
        .unwrap();
    bench.worker().run(shutdown).await;
    assert_eq!(bench.queue.depth().await.unwrap().waiting, 1);
}

#[tokio::test]
async fn a_worker_says_what_it_has_loaded_and_how_fast_it_was() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    let says = || announcement(&worker.parts, &worker.models, &worker.pace);
    assert_eq!((says().loaded, says().speeds), (vec![], vec![]));
    bench
        .queue
        .offer(bench.order(vec![bench.question("Who signed?", 3)]))
        .await
        .unwrap();
    assert!(matches!(
        worker.step().await,
        Outcome::Finished { answered: 1, .. }
    ));
    let Announcement { loaded, speeds, .. } = says();
    assert_eq!(loaded[0].revision_sha256, bench.revision);
    assert_eq!((speeds[0].revision_sha256, speeds[0].pages), (bench.revision, 1));
    assert!(speeds[0].pages_per_minute > 0.0, "{speeds:?}");
}
