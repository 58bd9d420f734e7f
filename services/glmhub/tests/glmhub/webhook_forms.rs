//! How webhooks are signed and in which form they come, as an endpoint chose; checked by receivers' own packages.

use crate::{
    client::Client,
    hub::Hub,
    process::ended,
    python::{packages, script},
    receiver::{Came, Receiver},
    webhooks::LOOPBACK,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// Packages for Python that each check a part.
const PACKAGES: [&str; 4] = [
    "GLMHUB_TEST_STANDARDWEBHOOKS",
    "GLMHUB_TEST_SVIX",
    "GLMHUB_TEST_CLOUDEVENTS",
    "GLMHUB_TEST_CRYPTOGRAPHY",
];

async fn endpoint(client: &Client, receiver: &Receiver, signature: &str, form: &str) -> Value {
    let body = json!({ "url": receiver.url(), "signature": signature, "form": form });
    client
        .post("/v1/webhook-endpoints", &body)
        .await
        .expect(201)
        .json()
}

fn path(endpoint: &Value) -> String {
    format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap())
}

/// The next webhook that a receiver gets when its endpoint is tried.
async fn tried(client: &Client, receiver: &Receiver, endpoint: &Value) -> Came {
    let before = receiver.came().len();
    client
        .post(&(path(endpoint) + "/test"), &json!({}))
        .await
        .expect(202);
    receiver.first(before + 1).await.pop().unwrap()
}

/// The versions of the signatures of a webhook, in their order.
fn versions(came: &Came) -> Vec<&str> {
    let tokens = came.headers["webhook-signature"].split(' ');
    tokens.map(|token| token.split_once(',').unwrap().0).collect()
}

/// A message for the packages: what came, and what it must be signed with.
fn message(hub: &Hub, came: &Came, secrets: &[&Value], public_keys: &[&Value], form: &str) -> Value {
    json!({
        "headers": came.headers, "body": BASE64_STANDARD.encode(&came.body), "secrets": secrets,
        "public_keys": public_keys, "form": form, "type": "webhook_endpoint.test", "source": hub.url(),
    })
}

/// Holds that the packages take every message and refuse it when it was changed.
fn check(messages: &[Value]) {
    let folders: Option<Vec<_>> = PACKAGES.iter().map(|variable| packages(variable)).collect();
    let Some(folders) = folders else { return };
    let together = std::env::join_paths(folders.concat()).unwrap();
    let given = json!({ "messages": messages });
    let python = script("webhook_packages.py", together.as_ref(), &given);
    let checked = ended(python.wait_with_output().unwrap()).well();
    assert_eq!(checked.trim(), messages.len().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_signed_and_told_as_an_endpoint_chose_and_packages_of_receivers_take_them() {
    let hub = Hub::start_with(&[LOOPBACK]);
    let client = hub.client("acme", &["submitter"]);
    let mut messages = Vec::new();
    for (signature, form, expected) in [
        ("v1", "standard", &["v1"][..]),
        ("v1a", "standard", &["v1a"]),
        ("both", "standard", &["v1", "v1a"]),
        ("v1", "cloudevents", &["v1"]),
        ("both", "cloudevents", &["v1", "v1a"]),
    ] {
        let receiver = Receiver::answering(200).await;
        let endpoint = endpoint(&client, &receiver, signature, form).await;
        assert_eq!(
            (&endpoint["signature"], &endpoint["form"]),
            (&json!(signature), &json!(form))
        );
        let seen = client.get(&path(&endpoint)).await.expect(200).json();
        assert_eq!(seen["public_key"], endpoint["public_key"]);
        let came = tried(&client, &receiver, &endpoint).await;
        assert_eq!(versions(&came), expected);
        let secrets: Vec<&Value> = [&endpoint["secret"]]
            .into_iter()
            .filter(|_| signature != "v1a")
            .collect();
        let keys: Vec<&Value> = [&endpoint["public_key"]]
            .into_iter()
            .filter(|key| key.is_string())
            .collect();
        assert_eq!(keys.is_empty(), signature == "v1");
        messages.push(message(&hub, &came, &secrets, &keys, form));
    }
    check(&messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_with_an_overlap_in_which_webhooks_are_signed_with_both() {
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_WEBHOOKS__LONGEST_OVERLAP_SECONDS", "60")]);
    let client = hub.client("acme", &["submitter"]);
    let receiver = Receiver::answering(200).await;
    let old = endpoint(&client, &receiver, "both", "standard").await;
    let rotate = path(&old) + "/rotate";
    let told = client
        .post(&rotate, &json!({ "overlap_seconds": 61 }))
        .await
        .refused(400, "overlap_too_long");
    assert_eq!(told["limit"], 60);
    let new = client
        .post(&rotate, &json!({ "overlap_seconds": 60 }))
        .await
        .expect(200)
        .json();
    assert!(
        new["secret"] != old["secret"] && new["public_key"] != old["public_key"],
        "{new}"
    );
    assert_eq!(new["previous_public_key"], old["public_key"]);
    assert!(new["previous_until"].is_string());
    let came = tried(&client, &receiver, &old).await;
    assert_eq!(versions(&came), ["v1", "v1", "v1a", "v1a"]);
    let both = message(
        &hub,
        &came,
        &[&old["secret"], &new["secret"]],
        &[&old["public_key"], &new["public_key"]],
        "standard",
    );
    // With no overlap, what was used before is used no more.
    let last = client
        .post(&rotate, &json!({ "overlap_seconds": 0 }))
        .await
        .expect(200)
        .json();
    let came = tried(&client, &receiver, &old).await;
    assert_eq!(versions(&came), ["v1", "v1a"]);
    let one = message(
        &hub,
        &came,
        &[&last["secret"]],
        &[&last["public_key"]],
        "standard",
    );
    check(&[both, one]);
    let audited = hub.client("acme", &["auditor"]);
    let entries = audited
        .get("/v1/audit/entries?kind=webhook_endpoint.rotated")
        .await;
    let entries = entries.expect(200);
    assert_eq!(entries.json()["data"].as_array().unwrap().len(), 2);
    for private in ["whsec_", "whsk_"] {
        assert!(!entries.text().contains(private) && !hub.log().contains(private));
        assert!(!client.get(&path(&old)).await.text().contains(private));
    }
    let other = hub.client("other", &["submitter"]);
    other.post(&rotate, &json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_endpoint_may_choose_otherwise_later() {
    let hub = Hub::start_with(&[LOOPBACK]);
    let client = hub.client("acme", &["submitter"]);
    let receiver = Receiver::answering(200).await;
    let plain = endpoint(&client, &receiver, "v1", "standard").await;
    assert_eq!(plain["public_key"], Value::Null);
    let place = path(&plain);
    let change = |body: Value| client.send("PATCH", &place, move |request| request.json(&body));
    let changed = change(json!({ "signature": "v1a", "form": "cloudevents" }))
        .await
        .expect(200)
        .json();
    assert!(
        changed["public_key"].as_str().unwrap().starts_with("whpk_"),
        "{changed}"
    );
    let came = tried(&client, &receiver, &plain).await;
    assert_eq!(versions(&came), ["v1a"]);
    assert_eq!(came.headers["content-type"], "application/cloudevents+json");
    let again = change(json!({ "description": "still" })).await.expect(200).json();
    assert_eq!(again["public_key"], changed["public_key"]);
    change(json!({ "signature": "v2" }))
        .await
        .refused(400, "json_malformed");
    let body = json!({ "url": receiver.url(), "form": "binary" });
    client
        .post("/v1/webhook-endpoints", &body)
        .await
        .refused(400, "json_malformed");
}
