//! Somebody who can write to the queue, but has no key of the hub: whatever is put there, nothing is computed for it.

use super::*;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// An honest order of one short question.
fn honest(bench: &Bench) -> WorkOrder {
    bench.order(vec![bench.question("Who signed?", 2)])
}

/// `grant` with its claims, or its header, changed by somebody without the key.
fn altered(grant: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = grant.split('.').map(str::to_owned).collect();
    let mut value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut value);
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

/// Orders whose contents are not those of their grant.
async fn departing(bench: &Bench) -> Vec<(&'static str, WorkOrder, &'static str)> {
    let mut other_text = honest(bench);
    other_text.questions[0].text = "What is the account?".into();
    let mut one_more = honest(bench);
    one_more.questions.push(bench.question("What is the account?", 2));
    let other_page = WorkOrder {
        page_sha256: bench.store(b"of another tenant").await,
        ..honest(bench)
    };
    let other_revision = WorkOrder {
        revision_sha256: import(&bench.blobs, &["config.json"]).await.0,
        ..honest(bench)
    };
    let other_model = WorkOrder {
        model: "acme/another".parse().unwrap(),
        ..honest(bench)
    };
    let other_attempt = WorkOrder {
        attempt: 2,
        ..honest(bench)
    };
    let moved = WorkOrder {
        grant: honest(bench).grant,
        ..honest(bench)
    };
    vec![
        ("another text", other_text, "grant_mismatch"),
        ("one question more", one_more, "grant_mismatch"),
        ("swapped page", other_page, "grant_mismatch"),
        ("swapped revision", other_revision, "grant_mismatch"),
        ("swapped model", other_model, "grant_mismatch"),
        ("another attempt", other_attempt, "grant_mismatch"),
        ("the grant of another order", moved, "grant_mismatch"),
    ]
}

/// Orders whose grant no hub of ours signed.
async fn forged(bench: &Bench) -> Vec<(&'static str, WorkOrder, &'static str)> {
    let foreign = Bench::new().await;
    let mut foreign = honest(&foreign);
    let with = |grant: String| WorkOrder {
        grant,
        ..honest(bench)
    };
    let unsigned = altered(&honest(bench).grant, 0, |header| header["alg"] = json!("none"));
    let unsigned = format!("{}.", &unsigned[..unsigned.rfind('.').unwrap()]);
    let longer = altered(&honest(bench).grant, 1, |claims| claims["exp"] = json!(i64::MAX));
    let epoch = altered(&honest(bench).grant, 1, |claims| claims["epoch"] = json!(99));
    let files = altered(&honest(bench).grant, 1, |claims| {
        claims["artifacts_sha256"] = json!(Sha256::of(b"planted"));
    });
    let renamed = altered(&foreign.grant, 0, |header| header["kid"] = json!(bench.key.kid()));
    foreign.page_sha256 = bench.page;
    vec![
        ("alg none", with(unsigned), "grant_malformed"),
        ("invented", with("e30.e30.e30".into()), "grant_malformed"),
        ("a longer life", with(longer), "grant_forged"),
        ("a later epoch", with(epoch), "grant_forged"),
        ("other artifacts", with(files), "grant_forged"),
        ("a foreign key under our name", with(renamed), "grant_forged"),
        ("a foreign key", foreign, "grant_foreign_key"),
    ]
}

#[tokio::test]
async fn orders_of_an_attacker_compute_nothing() {
    let bench = Bench::new().await;
    let mut orders = departing(&bench).await;
    orders.extend(forged(&bench).await);
    for (what, order, code) in orders {
        let expected: Vec<_> = order
            .questions
            .iter()
            .map(|question| (question.job, code, false))
            .collect();
        let id = order.id;
        let outcome = bench.step_at(order).await;
        assert_eq!(outcome, Outcome::Refused { order: id, code }, "{what}");
        let reports = bench.reports().await;
        assert_eq!(faults(&reports), expected, "{what}");
        assert_eq!(
            reports.len(),
            expected.len(),
            "nothing else is reported, and no start: {what}"
        );
    }
    assert!(!bench.models_dir().exists(), "no model was even fetched");
    assert_eq!(bench.queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn an_order_put_into_the_queue_again_is_not_worked_at_again() {
    let bench = Bench::new().await;
    let (worker, order) = (bench.worker(), honest(&bench));
    let (id, job) = (order.id, order.questions[0].job);
    bench.queue.offer(order.clone()).await.unwrap();
    assert!(matches!(
        worker.step().await,
        Outcome::Finished { answered: 1, .. }
    ));
    assert_eq!(answers(&bench.reports().await), 1);
    bench.queue.offer(order.clone()).await.unwrap();
    let code = "grant_replayed";
    assert_eq!(worker.step().await, Outcome::Refused { order: id, code });
    // The hub has an answer and fences this; if it lost it with the queue, it asks again under another grant.
    assert_eq!(faults(&bench.reports().await), [(job, code, true)]);
    bench.clock.turn(time::Duration::hours(2));
    bench.queue.offer(order).await.unwrap();
    let code = "grant_expired";
    assert_eq!(worker.step().await, Outcome::Refused { order: id, code });
}

#[tokio::test]
async fn other_files_or_terms_than_the_grant_names_are_not_computed_with() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    let other = Sha256::of(b"other");
    // Before anything is loaded, and again beside a loaded engine.
    for loaded in [false, true] {
        for (files, terms) in [(other, None), (bench.artifacts, Some(other))] {
            let questions = vec![bench.question("Who signed?", 2)];
            let job = questions[0].job;
            let grant = Grant {
                artifacts_sha256: files,
                terms_sha256: terms,
                ..bench.grant(&questions)
            };
            bench.queue.offer(bench.granted(&grant, questions)).await.unwrap();
            let outcome = worker.step().await;
            let Outcome::Finished { answered, failed, .. } = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!((answered, failed), (0, 1));
            let reports = bench.reports().await;
            assert_eq!(faults(&reports), [(job, "grant_mismatch", false)]);
            assert_eq!(reports.len(), 1, "no start");
        }
        if !loaded {
            bench.queue.offer(honest(&bench)).await.unwrap();
            assert!(matches!(
                worker.step().await,
                Outcome::Finished { answered: 1, .. }
            ));
            bench.reports().await;
        }
    }
}

#[tokio::test]
async fn an_order_that_lay_too_long_may_be_tried_again() {
    let bench = Bench::new().await;
    let order = bench.order(vec![bench.question("Who signed?", 2)]);
    bench.clock.turn(time::Duration::hours(2));
    let (id, job) = (order.id, order.questions[0].job);
    assert_eq!(
        bench.step_at(order).await,
        Outcome::Refused {
            order: id,
            code: "grant_expired"
        }
    );
    assert_eq!(faults(&bench.reports().await), [(job, "grant_expired", true)]);
}

#[tokio::test]
async fn a_grant_from_before_a_revocation_is_refused() {
    let bench = Bench::new().await;
    let order = bench.order(vec![bench.question("Who signed?", 2)]);
    bench
        .queue
        .announce_epoch(&"acme".parse().unwrap(), 1)
        .await
        .unwrap();
    let (id, job) = (order.id, order.questions[0].job);
    assert_eq!(
        bench.step_at(order).await,
        Outcome::Refused {
            order: id,
            code: "grant_superseded"
        }
    );
    assert_eq!(faults(&bench.reports().await), [(job, "grant_superseded", false)]);
}
