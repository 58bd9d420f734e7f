//! What requests of a file are allowed and for what, where their images may lie, and who is told of the end.

use super::{
    BATCHES, answered, at, begin, content,
    ending::{age, cancel, long},
    line, lines, names, opening, send_file, sent, until,
};
use crate::{
    client::Client,
    contract::CONTRACT,
    fetching::Elsewhere,
    jobs::{MODEL, hub_with_model},
    licence::scene::Scene,
    receiver::Receiver,
    webhooks::LOOPBACK,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A request that says for what it asks, if anything.
fn asking_for(custom_id: &str, purpose: Option<&str>) -> Value {
    let mut line = line(custom_id, 1);
    line["body"]["purpose"] = json!(purpose);
    line
}

/// The rows of a batch's errors.
async fn errors(client: &Client, batch: &Value) -> Vec<Value> {
    let done = until(client, batch, "completed").await;
    content(client, &done["error_file_id"]).await
}

#[tokio::test]
async fn the_gate_decides_about_each_request_and_names_its_decision() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let requests = [
        asking_for("free", Some("research")),
        asking_for("trade", Some("commercial")),
    ];
    let batch = sent(client, &requests).await;
    let done = until(client, &batch, "completed").await;
    assert_eq!(names(&content(client, &done["output_file_id"]).await), ["free"]);
    let refused = content(client, &done["error_file_id"]).await;
    assert_eq!(names(&refused), ["trade"]);
    let response = &refused[0]["response"];
    let error = &response["body"]["error"];
    assert_eq!(
        (&response["status_code"], &error["code"], &error["type"]),
        (
            &json!(403),
            &json!("license_not_accepted"),
            &json!("permission_error")
        )
    );
    let decision = error["decision_id"].as_str().unwrap();
    let auditor = scene.hub.client("acme", &["auditor"]);
    let path = format!("/v1/decisions/{decision}");
    assert_eq!(
        auditor.get(&path).await.expect(200).json()["purpose"],
        "commercial"
    );

    // Where nothing has an answer, there is no file of answers.
    let batch = sent(client, &requests[1..]).await;
    let done = until(client, &batch, "completed").await;
    assert_eq!(done["output_file_id"], Value::Null);
    assert_eq!(
        done["request_counts"],
        json!({ "total": 1, "completed": 0, "failed": 1 })
    );
}

#[tokio::test]
async fn a_request_asks_for_its_own_purpose_or_that_of_its_batch_its_key_or_the_settings() {
    let scene = Scene::set().await;
    let auditor = scene.hub.client("acme", &["auditor"]);
    let wish = json!({ "name": "night", "roles": ["submitter"], "purpose": "commercial" });
    let key = scene
        .submitter
        .post("/v1/api-keys", &wish)
        .await
        .expect(201)
        .json();
    let keyed = Client::new(scene.hub.url(), Some(key["key"].as_str().unwrap().to_owned()));
    let requests = [asking_for("one", None), asking_for("two", Some("commercial"))];
    let file = send_file(&scene.submitter, lines(&requests)).await;
    let noted = |purpose: &str| json!({ "purpose": purpose });
    for (client, name, value, first) in [
        (&scene.submitter, "user", json!("x"), "evaluation"),
        (&scene.submitter, "purpose", json!("commercial"), "commercial"),
        (&scene.submitter, "metadata", noted("commercial"), "commercial"),
        (&keyed, "user", json!("x"), "commercial"),
        (&keyed, "metadata", noted("evaluation"), "evaluation"),
        (&keyed, "purpose", json!("evaluation"), "evaluation"),
    ] {
        let mut body = opening(&file);
        body[name] = value.clone();
        let batch = client.post(BATCHES, &body).await.expect(200).json();
        let mut purposes = Vec::new();
        for row in errors(client, &batch).await {
            let decision = &row["response"]["body"]["error"]["decision_id"];
            let path = format!("/v1/decisions/{}", decision.as_str().unwrap());
            purposes.push(auditor.get(&path).await.expect(200).json()["purpose"].take());
        }
        assert_eq!(purposes, [first, "commercial"], "{name} {value}");
    }
}

#[tokio::test]
async fn an_image_may_lie_elsewhere_but_not_where_nothing_is_fetched() {
    let hub = hub_with_model(&[LOOPBACK]);
    let (client, elsewhere) = (hub.client("acme", &["submitter"]), Elsewhere::start().await);
    let lying_at = |custom_id: &str, url: Value| {
        let mut line = line(custom_id, 1);
        line["body"]["messages"][0]["content"][1]["image_url"]["url"] = url;
        line
    };
    let requests = [
        lying_at("there", elsewhere.at("页-1.png")["url"].take()),
        lying_at("moved", elsewhere.at("moved")["url"].take()),
        lying_at("inside", json!("http://169.254.169.254/latest")),
    ];
    let batch = sent(&client, &requests).await;
    let done = until(&client, &batch, "completed").await;
    assert_eq!(names(&content(&client, &done["output_file_id"]).await), ["there"]);
    let errors = content(&client, &done["error_file_id"]).await;
    let codes = errors
        .iter()
        .map(|row| row["response"]["body"]["error"]["code"].as_str());
    assert_eq!(
        codes.collect::<Vec<_>>(),
        [Some("url_not_fetched"), Some("url_refused")]
    );
}

#[tokio::test]
async fn the_end_of_a_batch_is_told_signed_as_openai_does() {
    let hub = hub_with_model(&[LOOPBACK]);
    let (client, receiver) = (hub.client("acme", &["submitter"]), Receiver::answering(200).await);
    let types = ["completed", "failed", "expired", "cancelled"].map(|end| format!("openai.batch.{end}"));
    let wish = json!({ "url": receiver.url(), "event_types": types });
    let endpoint = client
        .post("/v1/webhook-endpoints", &wish)
        .await
        .expect(201)
        .json();
    let completed = sent(&client, &[line("one", 1)]).await;
    until(&client, &completed, "completed").await;
    let failed = begin(&client, &send_file(&client, "{").await).await;
    let slow: Vec<Value> = (0..20)
        .map(|number| long(&format!("slow-{number}"), number))
        .collect();
    let cancelled = sent(&client, &slow).await;
    answered(&client, &cancelled, 1).await;
    cancel(&client, &cancelled).await;
    until(&client, &cancelled, "cancelled").await;
    let expired = sent(&client, &slow).await;
    answered(&client, &expired, 1).await;
    age(&hub, "expires_at");
    until(&client, &expired, "expired").await;

    let schema = json!({ "$ref": "#/components/schemas/OpenaiEvent" });
    let valid = CONTRACT.validator(&schema);
    let mut told = BTreeSet::new();
    for came in receiver.first(4).await {
        let event = came.verified(endpoint["secret"].as_str().unwrap());
        assert!(valid.is_valid(&event), "{event}");
        assert_eq!(came.headers["webhook-id"], event["id"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        told.insert((text(&event["type"]), text(&event["data"]["id"])));
        let batch = &event["data"];
        assert_eq!(batch["url"], format!("{}{}", hub.url(), at(batch)));
    }
    let ended =
        |kind: &str, batch: &Value| (format!("batch.{kind}"), batch["id"].as_str().unwrap().to_owned());
    let expected = [
        ended("completed", &completed),
        ended("failed", &failed),
        ended("cancelled", &cancelled),
        ended("expired", &expired),
    ];
    assert_eq!(told, BTreeSet::from(expected));
    assert_eq!(receiver.by_event().len(), 4, "nothing else is told");
}

#[tokio::test]
async fn a_model_that_nobody_knows_refuses_each_request() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let mut foreign = line("foreign", 1);
    foreign["body"]["model"] = json!(format!("{MODEL}-none"));
    let rows = errors(&client, &sent(&client, &[foreign]).await).await;
    assert_eq!(rows[0]["response"]["status_code"], 404);
    assert_eq!(rows[0]["response"]["body"]["error"]["code"], "model_unknown");
}

#[tokio::test]
async fn a_batch_waits_when_its_tenant_has_used_up_its_day() {
    let hub = hub_with_model(&[("GLMHUB_LIMITS__PAGES_PER_DAY", "1")]);
    let client = hub.client("acme", &["submitter"]);
    let requests: Vec<Value> = (0..60)
        .map(|number| line(&format!("r{number}"), number))
        .collect();
    let file = send_file(&client, lines(&requests)).await;
    let batch = begin(&client, &file).await;
    answered(&client, &batch, 1).await;
    let refused = client.post(BATCHES, &opening(&file)).await;
    refused.refused_as_openai(429, "quota_exhausted");
    cancel(&client, &batch).await;
    let done = until(&client, &batch, "cancelled").await;
    let counts = &done["request_counts"];
    assert!(counts["failed"].as_u64() > Some(0), "{counts}");
}
