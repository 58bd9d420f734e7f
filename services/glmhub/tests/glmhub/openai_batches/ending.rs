//! How batches end that do not go their way, and what is told of their requests then.

use super::{answered, at, content, line, names, sent, until};
use crate::{
    client::Client,
    hub::{Hub, eventually},
    jobs::hub_with_model,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// A request that takes a while.
pub(super) fn long(custom_id: &str, grey: u8) -> Value {
    let mut long = line(custom_id, grey);
    long["body"]["max_completion_tokens"] = json!(450);
    long
}

/// A hub that answers one request after the other: which are answered when a batch ends is no matter of chance.
fn hub_in_turn() -> Hub {
    hub_with_model(&[("GLMHUB_WORKER__ORDERS_AT_ONCE", "1")])
}

/// Has a moment of each batch that is under way be long past.
pub(super) fn age(hub: &Hub, moment: &str) {
    let under_way = "completed_at IS NULL AND failed_at IS NULL AND cancelled_at IS NULL";
    let past = format!("{moment} = '2000-01-01T00:00:00.000000000'");
    hub.write(&format!("UPDATE openai_batches SET {past} WHERE {under_way}"));
}

pub(super) async fn cancel(client: &Client, batch: &Value) -> Value {
    let cancel = format!("{}/cancel", at(batch));
    client.post(&cancel, &json!({})).await.expect(200).json()
}

#[tokio::test]
async fn a_cancelled_batch_gives_what_was_answered_and_tells_the_rest() {
    let hub = hub_in_turn();
    let client = hub.client("acme", &["submitter"]);
    let mut requests = vec![line("first", 1)];
    requests.extend((0..40).map(|number| long(&format!("long-{number}"), 100 + number)));
    let batch = sent(&client, &requests).await;
    answered(&client, &batch, 1).await;
    let seen = cancel(&client, &batch).await;
    assert_eq!(seen["status"], "cancelling");
    let done = until(&client, &batch, "cancelled").await;
    for moment in ["cancelling_at", "cancelled_at"] {
        assert!(done[moment].is_i64(), "{done}");
    }
    assert_eq!(done["completed_at"], Value::Null);
    let (output, errors) = (
        content(&client, &done["output_file_id"]).await,
        content(&client, &done["error_file_id"]).await,
    );
    assert_eq!(output[0]["custom_id"], "first");
    let mut told = names(&output);
    told.extend(names(&errors));
    assert_eq!(told.len(), 41);
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 41);
    for row in &errors {
        assert_eq!(
            (&row["response"], &row["error"]["code"]),
            (&Value::Null, &json!("batch_expired"))
        );
    }
    let counts = json!({ "total": 41, "completed": output.len(), "failed": errors.len() });
    assert_eq!(done["request_counts"], counts);
    // What is sent again changes nothing.
    assert_eq!(cancel(&client, &batch).await, done);
    // Nothing of it goes on.
    let jobs = client.get("/v1/batches?limit=100").await.expect(200).json();
    let states = jobs["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| &batch["state"]);
    let over = |state: &Value| ["completed", "cancelled"].contains(&state.as_str().unwrap());
    assert!(states.into_iter().all(over), "{jobs}");
}

#[tokio::test]
async fn an_expired_batch_gives_what_was_answered_and_tells_the_rest() {
    let hub = hub_in_turn();
    let client = hub.client("acme", &["submitter"]);
    let mut requests = vec![line("first", 1)];
    requests.extend((0..40).map(|number| long(&format!("long-{number}"), 100 + number)));
    let batch = sent(&client, &requests).await;
    answered(&client, &batch, 1).await;
    age(&hub, "expires_at");
    let done = until(&client, &batch, "expired").await;
    assert!(
        done["expired_at"].is_i64() && done["completed_at"].is_null(),
        "{done}"
    );
    let output = content(&client, &done["output_file_id"]).await;
    let errors = content(&client, &done["error_file_id"]).await;
    assert_eq!(output[0]["custom_id"], "first");
    assert_eq!(output.len() + errors.len(), 41);
    for row in &errors {
        assert_eq!(
            (&row["response"], &row["error"]["code"]),
            (&Value::Null, &json!("batch_expired"))
        );
    }
    client
        .post(&format!("{}/cancel", at(&batch)), &json!({}))
        .await
        .refused_as_openai(409, "batch_state");
}

#[tokio::test]
async fn a_request_whose_own_time_is_up_is_told_as_such_and_its_batch_completes() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let mut late = line("late", 2);
    late["body"]["expires_at"] = json!("2001-01-01T00:00:00Z");
    let batch = sent(&client, &[line("good", 1), late]).await;
    let done = until(&client, &batch, "completed").await;
    let errors = content(&client, &done["error_file_id"]).await;
    let response = &errors[0]["response"];
    assert_eq!(
        (&response["status_code"], &response["body"]["error"]["code"]),
        (&json!(422), &json!("expires_at_past"))
    );
}

#[tokio::test]
async fn a_hub_that_is_killed_goes_on_with_a_batch_and_asks_nothing_twice() {
    let mut hub = hub_with_model(&[]);
    let token = hub.token("acme", &["submitter"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    let requests: Vec<Value> = (0..40)
        .map(|number| line(&format!("r{number}"), number))
        .collect();
    let batch = sent(&client, &requests).await;
    answered(&client, &batch, 3).await;
    hub.kill9();
    // As if it had been long ago: whoever holds a batch or a line is waited for.
    age(&hub, "held_until");
    hub.write("UPDATE claims SET held_until = '2000-01-01T00:00:00.000000000' WHERE subject IS NULL");
    hub.begin();
    let client = Client::new(hub.url(), Some(token));
    let done = until(&client, &batch, "completed").await;
    let output = content(&client, &done["output_file_id"]).await;
    assert_eq!(names(&output), names(&requests));
    let jobs = output.iter().map(|row| row["response"]["body"]["job"].as_str());
    assert_eq!(jobs.collect::<BTreeSet<_>>().len(), 40);
    let asked = client.get("/v1/batches?limit=100").await.expect(200).json();
    assert_eq!(asked["data"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn a_batch_whose_files_cannot_be_written_waits_until_they_can() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = sent(&client, &[long("long", 1)]).await;
    let begun = || async {
        let asked = client.get("/v1/batches").await.expect(200).json();
        (asked["data"].as_array().unwrap().len() == 1).then_some(())
    };
    eventually("the request to become a job", begun).await;
    let (scratch, away) = (hub.data().join("scratch"), hub.data().join("away"));
    fs::rename(&scratch, &away).unwrap();
    let seen = until(&client, &batch, "finalizing").await;
    assert_eq!(
        seen["request_counts"],
        json!({ "total": 1, "completed": 1, "failed": 0 })
    );
    fs::rename(&away, &scratch).unwrap();
    let done = until(&client, &batch, "completed").await;
    assert_eq!(content(&client, &done["output_file_id"]).await.len(), 1);
}
