//! What waited in the last hour, on the page of workers.

use super::browser::Browser;
use crate::{
    full_queue::ask,
    hub::{Hub, eventually},
    jobs::hub_with_model,
};

/// The sum of a gauge's values in a scrape.
fn sum(metrics: &str, gauge: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(gauge));
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    values.sum::<f64>() as u64
}

#[tokio::test]
async fn what_waits_is_drawn_and_told_in_numbers_as_it_was_measured() {
    // No worker has room for the model, so everything waits.
    let hub = hub_with_model(&[("GLMHUB_WORKER__MEMORY_BYTES", "1")]);
    let client = hub.client("acme", &["submitter"]);
    for grey in 1..4 {
        ask(&client, grey).await.expect(202);
    }
    let browser = Browser::open(&hub, "acme", "operator").await;
    let seen = eventually("what waits to be on the page", async || {
        let metrics = hub.stranger().get("/metrics").await.expect(200).text();
        let jobs = sum(&metrics, "glmhub_jobs{state=\"queued\"}");
        let orders = sum(&metrics, "glmhub_orders{");
        let row = format!("<td>{jobs}</td><td>{orders}</td>");
        let seen = browser.get("/admin/workers").await.expect(200).text();
        (jobs + orders > 0 && seen.contains(&row)).then_some(seen)
    })
    .await;
    for expected in [
        "aria-labelledby=\"depth-jobs-title depth-jobs-told\"",
        "<title id=\"depth-orders-title\">Orders that are out</title>",
        "as this hub has measured since 20",
        "<details><summary>In numbers</summary>",
        "UTC, measured in ",
    ] {
        assert!(seen.contains(expected), "{expected} is not on the page:\n{seen}");
    }
    // Counts of all tenants, and nothing that says whose.
    let (_, drawn) = seen.split_once("id=\"depth\"").unwrap();
    assert!(!drawn.contains("job_") && !drawn.contains("acme"), "{drawn}");
}

#[tokio::test]
async fn a_hub_that_nobody_scrapes_measures_too_and_only_who_sees_workers_sees_it() {
    let hub = Hub::start();
    let browser = Browser::open(&hub, "acme", "operator").await;
    let seen = eventually("the hub to measure", async || {
        let seen = browser.get("/admin/workers").await.expect(200).text();
        seen.contains("as this hub has measured since").then_some(seen)
    })
    .await;
    assert!(seen.contains("<td>0</td><td>0</td>"), "{seen}");
    assert_eq!(seen.matches("<svg").count(), 2, "{seen}");
    let submitter = Browser::open(&hub, "acme", "submitter").await;
    let refused = submitter.get("/admin/workers").await.expect(403).text();
    assert!(!refused.contains("<svg"), "{refused}");
}
