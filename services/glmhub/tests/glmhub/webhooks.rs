//! Webhook endpoints and deliveries, the guard, health and metrics.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    receiver::Receiver,
};
use serde_json::{Value, json};

/// Settings under which a hub may send to this machine.
pub const LOOPBACK: (&str, &str) = ("GLMHUB_OUTGOING__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");

/// Has `url` told of everything; gives the endpoint with its secret.
pub async fn endpoint(client: &Client, url: &str) -> Value {
    client
        .post("/v1/webhook-endpoints", &json!({ "url": url }))
        .await
        .expect(201)
        .json()
}

fn path(endpoint: &Value) -> String {
    format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap())
}

async fn delivery_in(client: &Client, id: &Value, state: &str) -> Value {
    let path = format!("/v1/deliveries/{}", id.as_str().unwrap());
    let look = || async {
        let delivery = client.get(&path).await.expect(200).json();
        Some(delivery).filter(|delivery| delivery["state"] == state)
    };
    eventually(state, look).await
}

#[tokio::test]
async fn a_test_event_arrives_signed_and_is_in_the_log() {
    let (hub, receiver) = (Hub::start_with(&[LOOPBACK]), Receiver::answering(200).await);
    let client = hub.client("acme", &["submitter"]);
    let endpoint = endpoint(&client, &receiver.url()).await;
    let delivery = client
        .post(&(path(&endpoint) + "/test"), &json!({}))
        .await
        .expect(202)
        .json();
    let came = receiver.first(1).await;
    let payload = came[0].verified(endpoint["secret"].as_str().unwrap());
    assert_eq!(payload["type"], "webhook_endpoint.test");
    assert_eq!(payload["data"]["url"], hub.url().to_owned() + &path(&endpoint));
    assert_eq!(came[0].headers["webhook-id"], delivery["event"]);
    let delivered = delivery_in(&client, &delivery["id"], "delivered").await;
    assert_eq!(delivered["attempts"][0]["status"], 200);
    let listed = client
        .get("/v1/deliveries?state=delivered")
        .await
        .expect(200)
        .json();
    assert_eq!(listed["data"][0]["id"], delivery["id"]);
    assert_eq!(
        client.get("/v1/deliveries?state=failed").await.expect(200).json()["data"],
        json!([])
    );
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_logged() {
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_LOG__FILTER", "trace")]);
    let client = hub.client("acme", &["submitter"]);
    let endpoint = endpoint(&client, "http://127.0.0.1:9999/").await;
    let secret = endpoint["secret"].as_str().unwrap();
    for path in [path(&endpoint), "/v1/webhook-endpoints".into()] {
        assert!(
            !client.get(&path).await.expect(200).text().contains("whsec_"),
            "{path}"
        );
    }
    client
        .post(&(path(&endpoint) + "/test"), &json!({}))
        .await
        .expect(202);
    hub.tells("an attempt", |line| line.contains("webhook sent"))
        .await;
    assert!(!hub.log().contains(secret.strip_prefix("whsec_").unwrap()));
}

#[tokio::test]
async fn an_endpoint_is_changed_disabled_enabled_and_deleted() {
    let hub = Hub::start_with(&[LOOPBACK]);
    let client = hub.client("acme", &["operator"]);
    let endpoint = endpoint(&client, "http://127.0.0.1:9999/").await;
    let path = path(&endpoint);
    let change = |body: Value| client.send("PATCH", &path, move |request| request.json(&body));
    let body = json!({ "event_types": ["job.failed"], "description": "errors" });
    let changed = change(body).await.expect(200).json();
    assert_eq!(
        (&changed["event_types"], &changed["url"]),
        (&json!(["job.failed"]), &endpoint["url"])
    );
    assert_eq!(changed["description"], "errors");
    let disabled = change(json!({ "state": "disabled", "description": null }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&disabled["disabled_code"], &disabled["description"]),
        (&json!("asked"), &Value::Null)
    );
    client
        .post(&(path.clone() + "/test"), &json!({}))
        .await
        .refused(409, "endpoint_disabled");
    assert_eq!(
        change(json!({ "state": "enabled" })).await.expect(200).json()["state"],
        "enabled"
    );
    change(json!({ "event_types": [] }))
        .await
        .refused(400, "event_types_invalid");
    change(json!({ "url": "https://10.0.0.1/" }))
        .await
        .refused(400, "url_refused");
    change(json!({ "secret": "x" }))
        .await
        .refused(400, "json_malformed");
    client.delete(&path).await.expect(204);
    client.get(&path).await.refused(404, "not_found");
    client.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_endpoint_that_fails_for_long_is_disabled_and_begins_anew_when_it_is_enabled() {
    let hub = Hub::start_with(&[
        LOOPBACK,
        ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[1, 1]"),
        ("GLMHUB_WEBHOOKS__DISABLE_AFTER_SECONDS", "1"),
    ]);
    let client = hub.client("acme", &["operator"]);
    let (dead, alive) = (Receiver::answering(503).await, Receiver::answering(200).await);
    let failing = endpoint(&client, &dead.url()).await;
    let told = endpoint(&client, &alive.url()).await;
    client
        .post(&(path(&failing) + "/test"), &json!({}))
        .await
        .expect(202);
    let disabled = eventually("the endpoint is disabled", || async {
        let now = client.get(&path(&failing)).await.expect(200).json();
        Some(now).filter(|now| now["state"] == "disabled")
    })
    .await;
    let (code, since) = (&disabled["disabled_code"], &disabled["failing_since"]);
    assert_eq!((code, since), (&json!("failing"), &Value::Null));
    let payload = alive.first(1).await[0].verified(told["secret"].as_str().unwrap());
    assert_eq!(payload["type"], "webhook_endpoint.disabled");
    assert_eq!(payload["data"]["webhook_endpoint"], failing["id"]);
    assert_eq!(payload["data"]["code"], "failing");
    assert_eq!(payload["data"]["url"], hub.url().to_owned() + &path(&failing));

    let enable = json!({ "state": "enabled" });
    let at = path(&failing);
    let enabled = client.send("PATCH", &at, move |request| request.json(&enable));
    let enabled = enabled.await.expect(200).json();
    assert_eq!(
        (&enabled["state"], &enabled["failing_since"]),
        (&json!("enabled"), &Value::Null)
    );
    client
        .post(&(path(&failing) + "/test"), &json!({}))
        .await
        .expect(202);
    eventually("it fails anew", || async {
        let now = client.get(&path(&failing)).await.expect(200).json();
        now["failing_since"].is_string().then_some(())
    })
    .await;
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused_when_they_are_registered() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    for url in [
        "http://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://0x7f.1/",
        "https://[::ffff:10.0.0.1]/",
        "http://8.8.8.8/",
        "https://8.8.8.8:25/",
        "ftp://8.8.8.8/",
        "https://a:b@8.8.8.8/",
        "nowhere",
        "",
    ] {
        let refused = client
            .post("/v1/webhook-endpoints", &json!({ "url": url }))
            .await
            .refused(400, "url_refused");
        assert!(refused["detail"].as_str().unwrap().len() > 50, "{refused}");
    }
    assert_eq!(
        client.get("/v1/webhook-endpoints").await.json()["data"],
        json!([])
    );
    let by_address = json!({ "url": "https://8.8.8.8/", "event_types": ["job.answered"] });
    client
        .post("/v1/webhook-endpoints", &by_address)
        .await
        .expect(201);
}

#[tokio::test]
async fn one_tenant_sees_and_touches_nothing_of_another() {
    let (hub, receiver) = (Hub::start_with(&[LOOPBACK]), Receiver::answering(200).await);
    let (ours, theirs) = (
        hub.client("acme", &["submitter"]),
        hub.client("globex", &["submitter", "operator"]),
    );
    let endpoint = endpoint(&ours, &receiver.url()).await;
    let path = path(&endpoint);
    let delivery = ours
        .post(&(path.clone() + "/test"), &json!({}))
        .await
        .expect(202)
        .json();
    let delivery_path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
    for path in [&path, &delivery_path] {
        theirs.get(path).await.refused(404, "not_found");
    }
    theirs.delete(&path).await.refused(404, "not_found");
    theirs
        .send("PATCH", &path, |request| request.json(&json!({})))
        .await
        .refused(404, "not_found");
    theirs
        .post(&(path.clone() + "/test"), &json!({}))
        .await
        .refused(404, "not_found");
    theirs
        .post(&(delivery_path + "/redeliver"), &json!({}))
        .await
        .refused(404, "not_found");
    for list in ["/v1/webhook-endpoints", "/v1/deliveries"] {
        assert_eq!(theirs.get(list).await.json()["data"], json!([]));
    }
    let reviewer = hub.client("acme", &["reviewer"]);
    reviewer
        .get("/v1/webhook-endpoints")
        .await
        .refused(403, "missing_role");
}

#[tokio::test]
async fn a_tenant_has_no_more_endpoints_than_allowed() {
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_WEBHOOKS__MOST_ENDPOINTS", "2")]);
    let client = hub.client("acme", &["submitter"]);
    let first = endpoint(&client, "http://127.0.0.1:9999/").await;
    endpoint(&client, "http://127.0.0.1:9999/").await;
    let body = json!({ "url": "http://127.0.0.1:9999/" });
    client
        .post("/v1/webhook-endpoints", &body)
        .await
        .refused(409, "too_many_endpoints");
    client.delete(&path(&first)).await.expect(204);
    client.post("/v1/webhook-endpoints", &body).await.expect(201);
}

#[tokio::test]
async fn a_webhook_that_was_not_taken_outlives_a_killed_hub() {
    let receiver = Receiver::answering(500).await;
    let mut hub = Hub::start_with(&[
        LOOPBACK,
        ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[1, 1, 1, 1, 1, 1, 1, 1]"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let endpoint = endpoint(&client, &receiver.url()).await;
    client
        .post(&(path(&endpoint) + "/test"), &json!({}))
        .await
        .expect(202);
    receiver.first(1).await;
    hub.kill9();
    receiver.answer(200);
    let before = receiver.came().len();
    hub.begin();
    let came = receiver.first(before + 1).await;
    assert_eq!(came[before].headers["webhook-id"], came[0].headers["webhook-id"]);
    came[before].verified(endpoint["secret"].as_str().unwrap());
}

#[tokio::test]
async fn what_failed_for_good_is_sent_again_when_asked() {
    let receiver = Receiver::answering(500).await;
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[]")]);
    let client = hub.client("acme", &["submitter"]);
    let endpoint = endpoint(&client, &receiver.url()).await;
    let delivery = client
        .post(&(path(&endpoint) + "/test"), &json!({}))
        .await
        .expect(202)
        .json();
    let failed = delivery_in(&client, &delivery["id"], "failed").await;
    assert_eq!(failed["code"], "exhausted");
    receiver.answer(200);
    let again = format!("/v1/deliveries/{}/redeliver", delivery["id"].as_str().unwrap());
    client.post(&again, &json!({})).await.expect(202);
    let delivered = delivery_in(&client, &delivery["id"], "delivered").await;
    assert_eq!(delivered["attempts"].as_array().unwrap().len(), 2);
    client.delete(&path(&endpoint)).await.expect(204);
    client
        .post(&again, &json!({}))
        .await
        .refused(409, "endpoint_disabled");
}

#[tokio::test]
async fn a_hub_tells_how_it_is_without_a_token() {
    let hub = Hub::start();
    let stranger = hub.stranger();
    assert_eq!(
        stranger.get("/healthz").await.expect(200).json()["status"],
        "alive"
    );
    let ready = stranger.get("/readyz").await.expect(200).json();
    assert_eq!(
        ready["parts"],
        json!({ "records": "ok", "blobs": "ok", "queue": "ok" })
    );
    std::fs::remove_dir_all(hub.data().join("blobs")).unwrap();
    let unready = stranger.get("/readyz").await.refused(503, "not_ready");
    assert_eq!(unready["parts"]["blobs"], "failed");
    assert_eq!(unready["parts"]["records"], "ok");
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_hold_no_ids() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    let missing = "/v1/deliveries/dlv_01jd9z5m2k7q8r3s4t5v6w7x8y";
    client.get(missing).await.refused(404, "not_found");
    let scrape = hub.stranger().get("/metrics").await.expect(200);
    assert_eq!(
        scrape.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = scrape.text();
    let counted = text.lines().any(|line| {
        line.starts_with("glmhub_request_seconds_count{")
            && line.contains("route=\"/v1/deliveries/{delivery}\"")
            && line.contains("method=\"GET\"")
            && line.contains("status=\"404\"")
            && line.ends_with(" 1")
    });
    assert!(counted, "{text}");
    for gauge in [
        "glmhub_jobs{state=\"queued\"} 0",
        "glmhub_batches{state=\"running\"} 0",
        "glmhub_deliveries_pending 0",
        "glmhub_queue_orders{state=\"waiting\"} 0",
        "glmhub_part_up{part=\"records\"} 1",
    ] {
        assert!(text.lines().any(|line| line == gauge), "{gauge}\n{text}");
    }
    assert!(!text.contains("dlv_01") && !text.contains("acme"));
}
