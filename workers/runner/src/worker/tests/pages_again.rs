//! Pages that a worker has encoded before: used again for their tenant, and never for another or for another page.

use super::*;
use pages::RgbPage;

/// The worker's answer to the golden question under `grant`, whose tenant and page may differ from the bench's.
async fn answer(bench: &Bench, worker: &Worker, change: impl FnOnce(Grant) -> Grant) -> String {
    let (text, _) = golden_question_and_answer();
    let questions = vec![bench.question(&text, 16)];
    let grant = change(bench.grant(&questions));
    bench.queue.offer(bench.granted(&grant, questions)).await.unwrap();
    assert!(matches!(
        worker.step().await,
        Outcome::Finished { answered: 1, .. }
    ));
    let reports = bench.reports().await;
    let text = reports.iter().find_map(|kind| match kind {
        ReportKind::Answered { answer, .. } => Some(answer.text.clone()),
        _ => None,
    });
    text.unwrap()
}

/// A page that looks like no other, encoded by the bench's weights.
fn another_page() -> engine::EncodedPage {
    let engine = engine::Engine::load(&golden(), &engine::LoadOptions::default()).unwrap();
    let (width, height) = (64, 64);
    let pixels = (0..width * height * 3)
        .map(|place| (place * 7 % 251) as u8)
        .collect();
    engine
        .encode_page(&RgbPage {
            width,
            height,
            pixels,
        })
        .unwrap()
}

#[tokio::test]
async fn a_page_that_was_encoded_is_used_again_for_its_tenant_and_for_no_other() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    let (_, expected) = golden_question_and_answer();
    let key = PageKey::of(&bench.grant(&[]));
    assert_eq!(answer(&bench, &worker, |grant| grant).await, expected);
    assert!(worker.kept.get(&key).is_some());
    assert_eq!(answer(&bench, &worker, |grant| grant).await, expected);
    // Another page is put in its place, so that an answer shows whose rows it was made from.
    worker.kept.keep(key, another_page());
    let misled = answer(&bench, &worker, |grant| grant).await;
    assert_ne!(misled, expected, "the page was encoded again");
    let tenant = |name: &str| name.parse().unwrap();
    let of_other = answer(&bench, &worker, |grant| Grant {
        tenant: tenant("other"),
        ..grant
    })
    .await;
    assert_eq!(of_other, expected, "another tenant was given the page of acme");
}

#[tokio::test]
async fn a_page_whose_bytes_are_gone_is_not_answered_from_memory() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    answer(&bench, &worker, |grant| grant).await;
    bench.damage(bench.page);
    let questions = vec![bench.question("Who?", 2)];
    bench.queue.offer(bench.order(questions)).await.unwrap();
    worker.step().await;
    assert_eq!(faults(&bench.reports().await)[0].1, "page_damaged");
}
