//! Changes of models' cards: proposed with their sources, agreed to by others, and only then in force.

use crate::{
    client::Client,
    hub::Hub,
    licence::scene::{MODEL, Scene},
};
use serde_json::{Value, json};

const CHANGES: &str = "/v1/card-changes";
const SEEN: &str = "2026-11-01";

async fn card(reader: &Client) -> Value {
    let model = reader.get(&format!("/v1/models/{MODEL}")).await.expect(200);
    model.json()["card"].clone()
}

fn proposal(card: &Value) -> Value {
    json!({ "model": MODEL, "card": card, "reason": "the publisher's page says so" })
}

fn act(change: &Value, act: &str) -> String {
    format!("{CHANGES}/{}/{act}", change["id"].as_str().unwrap())
}

fn source(page: &str) -> Value {
    json!({ "source": page, "seen": SEEN, "reviewed_by": "myself" })
}

#[tokio::test]
async fn other_facts_are_in_force_when_another_member_has_agreed() {
    let hub = Hub::start();
    let (ann, bob) = (
        hub.client("acme", &["registrar"]),
        hub.client("hub", &["registrar"]),
    );
    let before = card(&ann).await;
    let mut wanted = before.clone();
    wanted["context_tokens"] = json!(4096);
    wanted["summary"] = json!("Reads pages.");
    wanted["sources"]["context_tokens"] = source("https://example.org/card");
    wanted["review"] = json!({ "by": "myself", "on": SEEN, "policy": "none" });
    let made = ann.post(CHANGES, &proposal(&wanted)).await.expect(201);
    let location = made.header("location").unwrap().to_owned();
    let change = made.json();
    let fields: Vec<&Value> = change["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| &difference["field"])
        .collect();
    assert_eq!(fields, ["context_tokens", "sources.context_tokens", "summary"]);
    assert_eq!(change["differences"][0]["before"], before["context_tokens"]);
    assert_eq!(
        (&change["state"], &change["approvals_needed"]),
        (&json!("proposed"), &json!(1))
    );
    assert_eq!(card(&ann).await, before, "nothing is in force yet");

    let approve = act(&change, "approve");
    ann.post(&approve, &json!({})).await.refused(409, "own_proposal");
    let reader = hub.client("acme", &["submitter"]);
    for path in [CHANGES, location.as_str()] {
        reader.get(path).await.refused(403, "missing_role");
    }
    reader
        .post(&approve, &json!({}))
        .await
        .refused(403, "missing_role");
    let done = bob.post(&approve, &json!({})).await.expect(200).json();
    assert_eq!(
        (&done["state"], &done["settled_by"]),
        (&json!("approved"), &json!("li@hub"))
    );
    bob.post(&approve, &json!({}))
        .await
        .refused(409, "card_change_over");

    let now = card(&reader).await;
    assert_eq!(
        (&now["context_tokens"], &now["summary"]),
        (&json!(4096), &json!("Reads pages."))
    );
    let read = &now["sources"]["context_tokens"];
    assert_eq!(
        (&read["reviewed_by"], &read["seen"]),
        (&json!("li@hub"), &json!(SEEN))
    );
    assert_eq!(now["review"]["by"], "li@hub");
    // Of facts that stay it is known who reviewed them.
    assert_eq!(now["sources"]["parameters"], before["sources"]["parameters"]);
    let at = format!("/models/{MODEL}");
    let page = reader
        .send_unjudged("GET", &at, |request| request)
        .await
        .expect(200);
    assert!(page.text().contains("4,096"), "the page tells it too");
    let listed = bob
        .get(&format!("{CHANGES}?state=approved&model={MODEL}"))
        .await
        .expect(200);
    assert_eq!(listed.json()["data"][0]["id"], change["id"]);
    let auditor = hub.client("hub", &["auditor"]);
    for kind in ["card_change.proposed", "card_change.approved"] {
        let path = format!("/v1/audit/entries?kind={kind}");
        let entries = auditor.get(&path).await.expect(200).json();
        assert_eq!(entries["data"][0]["entry"]["subject"], change["id"], "{entries}");
    }
}

#[tokio::test]
async fn two_others_agree_to_another_license_and_the_gate_follows() {
    let scene = Scene::set().await;
    let hub = &scene.hub;
    scene
        .open("commercial")
        .await
        .refused(403, "license_not_accepted");
    let registrar = hub.client("acme", &["registrar"]);
    let mut wanted = proposal(&card(&registrar).await);
    wanted["license"] = json!({ "id": "apache-2.0", "source": "the file LICENSE" });
    registrar
        .post(CHANGES, &wanted)
        .await
        .refused(422, "fact_unsourced");
    wanted["card"]["sources"]["license"] = source("https://example.org/LICENSE");
    for (license, code) in [("gpl-9", "license_unknown")] {
        let mut other = wanted.clone();
        other["license"]["id"] = json!(license);
        registrar.post(CHANGES, &other).await.refused(422, code);
    }
    let change = registrar.post(CHANGES, &wanted).await.expect(201).json();
    assert_eq!(change["approvals_needed"], 2);
    let approve = act(&change, "approve");
    let first = hub.client("hub", &["reviewer"]);
    let half = first.post(&approve, &json!({})).await.expect(200).json();
    assert_eq!(
        (&half["state"], &half["settled_at"]),
        (&json!("proposed"), &Value::Null)
    );
    first
        .post(&approve, &json!({}))
        .await
        .refused(409, "approved_before");
    let model = registrar
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    assert_eq!(model["license"]["id"], "glm-4");
    let second = hub.client("zhipu", &["reviewer"]);
    second.post(&approve, &json!({})).await.expect(200);
    let model = registrar
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        model["license"],
        json!({ "id": "apache-2.0", "source": "the file LICENSE" })
    );
    // What it was made from is under the license of before.
    let refused = scene
        .open("commercial")
        .await
        .refused(403, "license_not_accepted");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("glm-4 (THUDM/glm-4-9b)"), "{detail}");
    let source = &model["card"]["sources"]["license"];
    assert_eq!(source["reviewed_by"], "li@hub, li@zhipu");
}

#[tokio::test]
async fn a_change_is_of_the_card_that_it_was_proposed_for() {
    let hub = Hub::start();
    let (ann, bob) = (
        hub.client("acme", &["registrar"]),
        hub.client("hub", &["registrar"]),
    );
    let before = card(&ann).await;
    ann.post(CHANGES, &proposal(&before))
        .await
        .refused(422, "card_same");
    let mut body = proposal(&before);
    body["card"]["summary"] = json!("one");
    let one = ann.post(CHANGES, &body).await.expect(201).json();
    body["card"]["summary"] = json!("two");
    let two = ann.post(CHANGES, &body).await.expect(201).json();
    body["card"]["summary"] = json!("three");
    let three = ann.post(CHANGES, &body).await.expect(201).json();
    bob.post(&act(&one, "approve"), &json!({})).await.expect(200);
    bob.post(&act(&two, "approve"), &json!({}))
        .await
        .refused(409, "card_changed");
    let still = bob
        .get(&format!("{CHANGES}/{}", two["id"].as_str().unwrap()))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&still["state"], &still["approvals"]),
        (&json!("proposed"), &json!([]))
    );
    let because = json!({ "reason": "the card changed" });
    bob.post(&act(&two, "withdraw"), &because)
        .await
        .refused(409, "proposed_by_another");
    let rejected = bob.post(&act(&two, "reject"), &because).await.expect(200).json();
    assert_eq!(rejected["settled_reason"], "the card changed");
    let withdrawn = ann
        .post(&act(&three, "withdraw"), &because)
        .await
        .expect(200)
        .json();
    assert_eq!(withdrawn["state"], "withdrawn");
    ann.post(&act(&three, "withdraw"), &because)
        .await
        .refused(409, "card_change_over");
    for reason in [" ".to_owned(), "x".repeat(1_001)] {
        let body = json!({ "reason": reason });
        bob.post(&act(&two, "reject"), &body)
            .await
            .refused(400, "reason_invalid");
    }
    for number in 0..20 {
        body["card"]["summary"] = json!(number.to_string());
        ann.post(CHANGES, &body).await.expect(201);
    }
    let full = ann
        .post(CHANGES, &body)
        .await
        .refused(409, "too_many_card_changes");
    assert_eq!(full["limit"], 20);
}
