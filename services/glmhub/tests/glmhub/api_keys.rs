//! API keys from outside: made by command, used by programs that know nothing else, and worthless to others.

use crate::{
    client::Client,
    hub::Hub,
    licence::scene::MODEL,
    openai::{CHAT, READER, asked},
    process::{Ended, ended, glmhub},
    tree,
};
use serde_json::{Value, json};
use std::fs;

fn command(hub: &Hub, token: &str, args: &[&str]) -> Ended {
    let place = [("GLMHUB_URL", hub.url()), ("GLMHUB_TOKEN", token)];
    let mut command = glmhub();
    command.arg("api-key").args(args).envs(place);
    ended(command.output().unwrap())
}

fn wish(roles: &[&str]) -> Value {
    json!({ "name": "scan station", "roles": roles })
}

/// A key with these roles of li of acme, which has more.
async fn made(hub: &Hub, wish: &Value) -> Value {
    let li = hub.client("acme", &["submitter", "signatory"]);
    li.post("/v1/api-keys", wish).await.expect(201).json()
}

fn with_key(hub: &Hub, made: &Value) -> Client {
    let key = made["key"].as_str().unwrap();
    Client::new(hub.url(), Some(key.to_owned()))
}

fn path(made: &Value) -> String {
    format!("/v1/api-keys/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_made_by_command_asks_for_its_own_purpose_as_openais_clients_do() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let token = hub.token("acme", &["submitter"]);
    let create = [
        "create",
        "--name",
        "扫描",
        "--role",
        "submitter",
        "--purpose",
        "commercial",
    ];
    let told = command(&hub, &token, &create).well();
    let key = told.trim();
    let client = Client::new(hub.url(), Some(key.to_owned()));
    let answer = client
        .post(CHAT, &asked(READER, "买方是谁？"))
        .await
        .expect(200)
        .json();
    let decision = format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap());
    let decision = client.get(&decision).await.expect(200).json();
    assert_eq!(decision["purpose"], "commercial", "{decision}");
    let listed = command(&hub, &token, &["list"]).well();
    assert!(
        listed.contains("  active   ") && listed.ends_with("  扫描\n"),
        "{listed}"
    );
    assert!(
        !listed.contains("last used never") && !listed.contains(key),
        "{listed}"
    );
    let id = listed.split_once("  ").unwrap().0.to_owned();
    let rotated = command(&hub, &token, &["rotate", &id, "--overlap-hours", "1"]).well();
    let fresh = Client::new(hub.url(), Some(rotated.trim().to_owned()));
    for good in [&client, &fresh] {
        good.get("/v1/batches").await.expect(200);
    }
    assert_eq!(
        command(&hub, &token, &["revoke", &id]).well(),
        format!("{id} is revoked\n")
    );
    for bad in [&client, &fresh] {
        bad.get("/v1/batches").await.refused(401, "api_key_revoked");
    }
    let again = command(&hub, &token, &["rotate", &id]).badly(1);
    assert!(again.contains("not_found"), "{again}");
    let log = hub.log();
    assert!(!log.contains(key) && !log.contains(rotated.trim()), "{log}");
    assert!(log.contains("/v1/api-keys"), "{log}");
    let auditor = hub.client("audit", &["auditor"]);
    for kind in ["api_key.created", "api_key.rotated", "api_key.revoked"] {
        let found = auditor
            .get(&format!("/v1/audit/entries?kind={kind}"))
            .await
            .expect(200)
            .json();
        assert_eq!(found["data"][0]["entry"]["subject"], id.as_str(), "{found}");
    }
}

#[tokio::test]
async fn a_key_does_no_more_than_it_was_made_for_and_makes_no_others() {
    let hub = Hub::start_with(&[("GLMHUB_API_KEYS__MOST_KEYS", "2")]);
    let li = hub.client("acme", &["submitter", "signatory"]);
    for (body, status, code) in [
        (wish(&["submitter", "reviewer"]), 403, "role_not_held"),
        (wish(&[]), 400, "roles_empty"),
        (
            json!({ "name": " ", "roles": ["submitter"] }),
            400,
            "name_invalid",
        ),
        (
            json!({ "name": "x", "roles": ["submitter"], "expires_in_days": 0 }),
            400,
            "expiry_out_of_range",
        ),
        (
            json!({ "name": "x", "roles": ["submitter"], "expires_in_days": 367 }),
            400,
            "expiry_out_of_range",
        ),
        (json!({ "name": "x", "roles": ["king"] }), 400, "json_malformed"),
    ] {
        li.post("/v1/api-keys", &body).await.refused(status, code);
    }
    let made = made(&hub, &wish(&["submitter"])).await;
    let key = with_key(&hub, &made);
    key.get("/v1/batches").await.expect(200);
    let model = format!("/v1/models/{MODEL}");
    key.get(&model).await.expect(200);
    key.get("/v1/workers").await.refused(403, "missing_role");
    key.post("/v1/api-keys", &wish(&["submitter"]))
        .await
        .refused(403, "key_makes_no_keys");
    let rotate = format!("{}/rotate", path(&made));
    key.post(&rotate, &json!({}))
        .await
        .refused(403, "key_makes_no_keys");
    li.post(&rotate, &json!({ "overlap_hours": 169 }))
        .await
        .refused(400, "overlap_out_of_range");
    li.post(&rotate, &json!({ "overlap_hours": 168 }))
        .await
        .expect(200);
    li.post("/v1/api-keys", &wish(&["signatory"])).await.expect(201);
    li.post("/v1/api-keys", &wish(&["signatory"]))
        .await
        .refused(409, "too_many_api_keys");
    li.delete(&path(&made)).await.expect(204);
    li.post("/v1/api-keys", &wish(&["signatory"])).await.expect(201);
}

#[tokio::test]
async fn a_key_is_worth_nothing_to_others_and_lies_nowhere_in_the_clear() {
    let hub = Hub::start();
    let made = made(&hub, &wish(&["submitter"])).await;
    let text = made["key"].as_str().unwrap();
    let stranger = hub.client("other", &["submitter", "signatory", "operator"]);
    stranger.get(&path(&made)).await.refused(404, "not_found");
    stranger.delete(&path(&made)).await.refused(404, "not_found");
    let rotate = format!("{}/rotate", path(&made));
    stranger.post(&rotate, &json!({})).await.refused(404, "not_found");
    let listed = stranger.get("/v1/api-keys").await.expect(200).json();
    assert_eq!(listed["data"], json!([]));
    let (front, secret) = text.rsplit_once('_').unwrap();
    for guess in [
        format!("{front}_{}", "0".repeat(64)),
        format!("{front}_{}", &secret[1..]),
        "glmhub_".to_owned(),
    ] {
        let guessed = Client::new(hub.url(), Some(guess));
        guessed.get("/v1/batches").await.refused(401, "api_key_unknown");
    }
    let shown = hub
        .client("acme", &["submitter"])
        .get(&path(&made))
        .await
        .expect(200);
    assert!(!shown.text().contains(secret));
    let files = fs::read_dir(hub.data())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kept: Vec<Vec<u8>> = files.filter_map(|path| fs::read(path).ok()).collect();
    assert!(
        kept.iter().any(|file| contains(file, b"scan station")),
        "the key is kept"
    );
    assert!(
        !kept.iter().any(|file| contains(file, secret.as_bytes())),
        "in the clear"
    );
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
