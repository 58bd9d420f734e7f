//! A queue that is full says so, and keeps what it has taken.

use crate::{
    client::{Answer, Client},
    jobs::{MODEL, call, hub_with_model, open, page, submit, upload},
    streaming::{CHAT, asked},
};
use serde_json::json;

/// Two jobs of a tenant and three of all.
pub const NARROW: [(&str, &str); 2] = [
    ("GLMHUB_WORK__MOST_WAITING_JOBS_OF_TENANT", "2"),
    ("GLMHUB_WORK__MOST_WAITING_JOBS", "3"),
];

/// Asks by one call; every page is another one.
pub async fn ask(client: &Client, grey: u8) -> Answer {
    let fill = |request: reqwest::RequestBuilder| request.multipart(call(page(grey)));
    client.send("POST", "/v1/jobs", fill).await
}

async fn ask_as_openai(client: &Client) -> Answer {
    let mut body = asked(MODEL, "research", "What is it?", &page(9), 4);
    body["stream"] = json!(false);
    client.post(CHAT, &body).await
}

/// An open batch with a document.
async fn open_batch(client: &Client) -> String {
    let batch = open(client, &["What is it?"]).await;
    upload(client, &batch, page(7), "image/png").await.expect(201);
    batch
}

/// Every way in tells the same; gives the batch that was not submitted.
pub async fn is_full(client: &Client, status: u16, code: &str, limit: u64) -> String {
    let batch = open_batch(client).await;
    for refused in [ask(client, 8).await, submit(client, &batch).await] {
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(refused.refused(status, code)["limit"], limit);
    }
    let refused = ask_as_openai(client).await;
    assert!(refused.header("retry-after").is_some() && refused.header("x-should-retry").is_none());
    refused.refused_as_openai(status, code);
    let seen = client.get(&batch).await.expect(200).json();
    assert_eq!(
        (&seen["state"], &seen["documents"]["received"]),
        (&json!("open"), &json!(1))
    );
    batch
}

#[tokio::test]
async fn as_many_as_may_are_taken_and_the_next_when_one_has_its_verdict() {
    // No worker has room for the model, so everything waits.
    let settings = [&NARROW[..], &[("GLMHUB_WORKER__MEMORY_BYTES", "1")]].concat();
    let hub = hub_with_model(&settings);
    let (acme, other) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter"]),
    );
    let first = ask(&acme, 1).await.expect(202).json();
    ask(&acme, 2).await.expect(202);
    let refused = is_full(&acme, 429, "tenant_queue_full", 2).await;
    let batch = open_batch(&other).await;
    submit(&other, &batch).await.expect(200);
    submit(&other, &batch).await.expect(200);
    is_full(&other, 503, "queue_full", 3).await;
    let cancel = format!("/v1/jobs/{}/cancel", first["id"].as_str().unwrap());
    acme.send("POST", &cancel, |request| request).await.expect(200);
    submit(&acme, &refused).await.expect(200);
    is_full(&acme, 429, "tenant_queue_full", 2).await;
    let metrics = hub.stranger().get("/metrics").await.expect(200).text();
    assert!(
        metrics.contains("glmhub_refused_full_total{of=\"tenant\"} 6"),
        "{metrics}"
    );
}
