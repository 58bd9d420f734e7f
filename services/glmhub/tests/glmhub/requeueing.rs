//! Failed work is tried again, and the audit log says by whom; what matters more goes first.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    jobs::{completed, first_answer, hub_with_model, new_batch, open, page, submit, upload},
};
use serde_json::{Value, json};

/// What the audit log says of one kind about one thing.
async fn entries(hub: &Hub, kind: &str, subject: &str) -> Vec<Value> {
    let auditor = hub.client("audit", &["auditor"]);
    let path = format!("/v1/audit/entries?kind={kind}&subject={subject}");
    let seen = auditor.get(&path).await.expect(200).json();
    let rows = seen["data"].as_array().unwrap().iter();
    rows.map(|row| row["entry"].clone()).collect()
}

async fn act(client: &Client, path: &str) -> Value {
    client
        .send("POST", path, |request| request)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn the_audit_log_says_who_had_a_job_or_a_batch_tried_again() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let long = "What is the total of all? ".repeat(300);
    let batch = open(&client, &[&long, "What is it?"]).await;
    upload(&client, &batch, page(3), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let failed = client.get("/v1/jobs?state=failed").await.expect(200).json();
    let job = failed["data"][0]["id"].as_str().unwrap();
    act(&client, &format!("/v1/jobs/{job}/requeue")).await;
    completed(&client, &batch).await;
    act(&client, &format!("{batch}/requeue")).await;
    completed(&client, &batch).await;
    let (_, id) = batch.rsplit_once('/').unwrap();
    for (kind, subject) in [("job.requeued", job), ("batch.requeued", id)] {
        let told = entries(&hub, kind, subject).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["tenant"], "acme");
        assert!(told[0]["member"].is_string(), "{told:?}");
    }
    assert_eq!(entries(&hub, "batch.requeued", id).await[0]["detail"]["jobs"], 1);
}

/// When the answers of a batch were stored.
async fn moments(client: &Client, batch: &str) -> Vec<String> {
    let rows = client.get(&format!("{batch}/answers?limit=100")).await;
    let rows = rows.expect(200).json();
    let rows = rows["data"].as_array().unwrap().iter();
    let moment = |row: &Value| row["answer"]["answered_at"].as_str().unwrap().to_owned();
    rows.map(moment).collect()
}

#[tokio::test]
async fn a_batch_of_high_priority_overtakes_what_its_tenant_began_before() {
    let hub = hub_with_model(&[("GLMHUB_WORK__MOST_ORDERS", "1")]);
    let client = hub.client("acme", &["submitter"]);
    let mut batches = Vec::new();
    for (priority, pages) in [("low", 25), ("high", 1)] {
        let mut body = new_batch(&["What is it?", "What is the total?"]);
        body["priority"] = json!(priority);
        let opened = client.post("/v1/batches", &body).await.expect(201);
        assert_eq!(opened.json()["priority"], priority);
        let batch = opened.header("location").unwrap().to_owned();
        for grey in 0..pages {
            upload(&client, &batch, page(grey * 10), "image/png")
                .await
                .expect(201);
        }
        batches.push(batch);
    }
    let [low, high] = &batches[..] else { unreachable!() };
    submit(&client, low).await.expect(200);
    let split = || async {
        let seen = client.get(low).await.expect(200).json();
        (seen["documents"]["split"].as_u64() >= Some(5)).then_some(())
    };
    eventually("some pages to wait", split).await;
    first_answer(&client, low).await;
    submit(&client, high).await.expect(200);
    completed(&client, high).await;
    completed(&client, low).await;
    let (low, high) = (moments(&client, low).await, moments(&client, high).await);
    assert_eq!((low.len(), high.len()), (50, 2));
    let later = low.iter().filter(|moment| **moment > high[1]).count();
    assert!(later > 0, "{high:?} came after all of {low:?}");
}
