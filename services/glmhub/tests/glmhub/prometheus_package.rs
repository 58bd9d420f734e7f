//! Prometheus' own package for Python, unmodified, reads the metrics.

use crate::{
    hub::Hub,
    python::{major_that_agrees, packages},
};
use serde_json::json;

#[tokio::test]
async fn the_unmodified_parser_of_prometheus_reads_the_metrics() {
    let Some(folders) = packages("GLMHUB_TEST_PROMETHEUS") else {
        return;
    };
    let hub = Hub::start();
    hub.client("acme", &["submitter"])
        .get("/v1/batches")
        .await
        .expect(200);
    let given = json!({ "url": hub.url() });
    for folder in folders {
        assert_eq!(major_that_agrees("prometheus_package.py", &folder, &given), "0");
    }
}
