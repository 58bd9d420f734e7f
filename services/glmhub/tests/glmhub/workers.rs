//! Workers as operators see them.

use crate::{
    hub::eventually,
    jobs::{MODEL, completed, hub_with_model, submitted},
    process::{ended, glmhub},
};
use serde_json::{Value, json};

#[tokio::test]
async fn operators_see_a_worker_with_what_it_has_loaded_and_how_fast_it_was() {
    let hub = hub_with_model(&[
        ("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1"),
        ("GLMHUB_WORKER__MEMORY_BYTES", "5000000000"),
    ]);
    let operator = hub.client("acme", &["operator"]);
    let heard = || async {
        let listed = operator.get("/v1/workers").await.expect(200).json();
        listed["data"].as_array()?.first().cloned()
    };
    let idle = eventually("the worker to be heard of", heard).await;
    assert_eq!(
        (&idle["memory_bytes"], &idle["device"]),
        // Pages that are kept have their share.
        (&json!(5_000_000_000_u64 - (1 << 28)), &json!("cpu"))
    );
    assert_eq!((&idle["loaded"], &idle["speeds"]), (&json!([]), &json!([])));
    let batch = submitted(&operator, &["What is it?"], 2).await;
    completed(&operator, &batch).await;
    let worked = || async { heard().await.filter(|worker| worker["speeds"][0]["pages"] == 2) };
    let worker = eventually("the worker to tell how fast it was", worked).await;
    assert_eq!((&worker["id"], &worker["since"]), (&idle["id"], &idle["since"]));
    assert_eq!(worker["loaded"][0]["model"], MODEL);
    assert!(
        worker["speeds"][0]["pages_per_minute"].as_f64() > Some(0.0),
        "{worker}"
    );
    let metrics = hub.stranger().get("/metrics").await.expect(200).text();
    for line in [
        "glmhub_workers 1".to_owned(),
        format!("glmhub_orders{{model=\"{MODEL}\",state=\"waiting\"}} 0"),
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    let token = hub.token("acme", &["auditor"]);
    let listed = |more: &[&str]| {
        let mut command = glmhub();
        command.args(["worker", "list", "--url", hub.url(), "--token", &token]);
        ended(command.args(more).output().unwrap()).well()
    };
    let line = listed(&[]);
    assert!(
        line.contains("4.7 GB") && line.contains(MODEL) && line.contains("pages a minute"),
        "{line}"
    );
    let object: Value = serde_json::from_str(listed(&["--json"]).trim()).unwrap();
    assert_eq!(object["id"], worker["id"]);
}

#[tokio::test]
async fn tenants_do_not_see_the_workers() {
    let hub = crate::hub::Hub::start();
    let submitter = hub.client("acme", &["submitter", "signatory", "reviewer", "registrar"]);
    submitter.get("/v1/workers").await.refused(403, "missing_role");
}
