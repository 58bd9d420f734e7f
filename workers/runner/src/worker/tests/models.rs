//! Which weights a worker loads, and which it never does.

use super::*;

#[tokio::test]
async fn weights_that_are_damaged_are_never_loaded() {
    let bench = Bench::new().await;
    let shard = "model-00001-of-00002.safetensors";
    bench.damage(Sha256::of(&std::fs::read(golden().join(shard)).unwrap()));
    let order = bench.order(vec![bench.question("Who?", 2)]);
    let id = order.id;
    assert_eq!(
        bench.step_at(order).await,
        Outcome::Finished {
            order: id,
            answered: 0,
            failed: 1
        }
    );
    let reports = bench.reports().await;
    let [ReportKind::Failed { fault, .. }] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!((fault.code.as_str(), fault.may_pass), ("model_unusable", false));
    assert!(fault.message.contains(shard), "{}", fault.message);
}

#[tokio::test]
async fn a_revision_that_is_no_model_fails_with_the_file_that_is_missing() {
    let bench = Bench::new().await;
    let (revision_sha256, artifacts_sha256) =
        import(&bench.blobs, &["config.json", "tokenizer_config.json"]).await;
    let questions = vec![bench.question("Who?", 2)];
    let grant = Grant {
        revision_sha256,
        artifacts_sha256,
        ..bench.grant(&questions)
    };
    bench.step_at(bench.granted(&grant, questions)).await;
    let reports = bench.reports().await;
    let [ReportKind::Failed { fault, .. }] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!((fault.code.as_str(), fault.may_pass), ("model_unusable", false));
    assert!(fault.message.contains("tokenizer.model"), "{}", fault.message);
}

#[tokio::test]
async fn a_worker_keeps_the_model_that_it_loaded() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    for _ in 0..2 {
        bench
            .queue
            .offer(bench.order(vec![bench.question("Who?", 2)]))
            .await
            .unwrap();
        assert!(matches!(
            worker.step().await,
            Outcome::Finished { answered: 1, .. }
        ));
        // The second order finds it in memory: nothing is left to load it from.
        std::fs::remove_dir_all(bench.models_dir()).unwrap_or_default();
        bench.damage(bench.revision);
    }
}

#[tokio::test]
async fn weights_that_somebody_writes_to_under_a_loaded_model_are_not_computed_with() {
    let bench = Bench::new().await;
    let worker = bench.worker();
    bench
        .queue
        .offer(bench.order(vec![bench.question("Who?", 2)]))
        .await
        .unwrap();
    assert!(matches!(
        worker.step().await,
        Outcome::Finished { answered: 1, .. }
    ));
    bench.reports().await;
    let file = bench
        .models_dir()
        .join(bench.revision.to_string())
        .join("model-00001-of-00002.safetensors");
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&file, permissions).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    // Into the very file that is mapped, which is the blob too: nothing whole is left to load.
    std::fs::write(&file, bytes).unwrap();
    bench
        .queue
        .offer(bench.order(vec![bench.question("Who?", 2)]))
        .await
        .unwrap();
    assert!(matches!(
        worker.step().await,
        Outcome::Finished {
            answered: 0,
            failed: 1,
            ..
        }
    ));
    assert_eq!(faults(&bench.reports().await)[0].1, "model_unusable");
}
