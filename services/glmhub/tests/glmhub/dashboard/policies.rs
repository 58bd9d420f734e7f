//! Policies on the dashboard: the rules in force, decisions explained, edits simulated.

use super::browser::Browser;
use crate::{
    licence::scene::{MODEL, Scene},
    policies::{CONTRACTS, contract, write_rule},
};
use serde_json::json;

const PATH: &str = "/admin/policies";

#[tokio::test]
async fn the_rules_in_force_are_listed_with_their_text_and_since_when_they_are() {
    let scene = Scene::set().await;
    let hub = &scene.hub;
    let operator = hub.client("acme", &["operator"]);
    write_rule(hub, "contracts.cedar", CONTRACTS);
    operator.post("/v1/policies/reload", &json!({})).await.expect(200);
    let told = operator.get("/v1/policies").await.expect(200).json();
    let auditor = Browser::open(hub, "zhipu", "auditor").await;
    let page = auditor.get(PATH).await.expect(200).text();
    for expected in [
        told["policies_sha256"].as_str().unwrap(),
        &told["since"].as_str().unwrap()[..10],
        "registrars_register_models",
        "license_not_accepted",
        "id=\"rules/contracts.cedar:3\"",
        "only_on_premises",
        "context.site != &#34;on-premises&#34;",
        "licenses/glm-4.toml",
        "simulate?file=rules/contracts.cedar",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(page.matches("badge warn\">own").count(), 1, "{page}");
    // Who may ask about decisions and not read the rules is told none of them.
    let submitter = Browser::open(hub, "acme", "submitter").await;
    let theirs = submitter.get(PATH).await.expect(200).text();
    assert!(
        !theirs.contains("license_not_accepted") && !theirs.contains("policies/simulate"),
        "{theirs}"
    );
    let registrar = Browser::open(hub, "acme", "registrar").await;
    let refused = registrar.get(PATH).await.expect(403).text();
    assert!(refused.contains("missing_role"), "{refused}");
    let without = registrar.get("/admin/card-changes").await.expect(200).text();
    assert!(!without.contains("href=\"/admin/policies\""), "{without}");
}

#[tokio::test]
async fn a_decision_is_explained_with_its_reasons_cures_and_rules_to_those_whom_it_concerns() {
    let scene = Scene::set().await;
    let refused = scene
        .open("commercial")
        .await
        .refused(403, "license_not_accepted");
    let id = refused["decision_id"].as_str().unwrap();
    let path = format!("{PATH}/explain?decision={id}");
    let submitter = Browser::open(&scene.hub, "acme", "submitter").await;
    let page = submitter.get(&path).await.expect(200).text();
    for expected in [
        "badge bad\">refused",
        "license_not_accepted",
        "POST /v1/acceptances",
        "rules/licenses.cedar:",
        "forbids",
        "Under the policies that were in force then",
        MODEL,
        "commercial",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let request = scene.accepted(&["commercial"]).await;
    let review = format!("/v1/acceptances/{}/review", request["id"].as_str().unwrap());
    scene
        .reviewer
        .post(&review, &json!({ "verdict": "approve" }))
        .await
        .expect(200);
    let page = submitter.get(&path).await.expect(200).text();
    let (then, today) = page.split_once("With the facts of today").unwrap();
    assert!(
        then.contains("badge bad\">refused") && today.contains("badge good\">allowed"),
        "{page}"
    );
    let stranger = Browser::open(&scene.hub, "other", "submitter").await;
    stranger.get(&path).await.expect(404);
    let reviewer = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let theirs = reviewer.get(&path).await.expect(200).text();
    let (_, rule) = theirs.split_once("href=\"/admin/policies#").unwrap();
    let listed = reviewer.get(PATH).await.expect(200).text();
    let place = format!("id=\"{}\"", rule.split('"').next().unwrap());
    assert!(listed.contains(&place), "{place}: {listed}");
    assert!(
        !page.contains("href=\"/admin/policies#"),
        "the rules are not shown to a submitter: {page}"
    );
    let registrar = Browser::open(&scene.hub, "acme", "registrar").await;
    registrar.get(&path).await.expect(403);
    for asked in ["?decision=what", "?decision=", ""] {
        let path = format!("{PATH}/explain{asked}");
        submitter.get(&path).await.expect(400);
    }
}

#[tokio::test]
async fn an_edit_is_held_against_the_decisions_of_last_week_and_its_faults_are_told_by_line() {
    let scene = Scene::set().await;
    let hub = &scene.hub;
    let operator = hub.client("acme", &["operator"]);
    let before = operator.get("/v1/policies").await.expect(200).json();
    let made = scene
        .submitter
        .post("/v1/batches", &contract("research"))
        .await
        .expect(201);
    scene.open("research").await.expect(201);
    let made = made.json();
    let decision = made["decision_id"].as_str().unwrap();
    let reviewer = Browser::open(hub, "zhipu", "reviewer").await;
    let path = format!("{PATH}/simulate");
    let proof = reviewer.proof(&path).await;
    let form = |text| {
        [
            ("csrf", proof.as_str()),
            ("file", "rules/contracts.cedar"),
            ("text", text),
        ]
    };
    let sent = CONTRACTS.replace('\n', "\r\n");
    let page = reviewer.post(&path, &form(&sent)).await.expect(200).text();
    for expected in [
        "1 of 2",
        "only_on_premises",
        "acme",
        "badge bad\">refused",
        decision,
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let wrong = "permit (principal, action, resource)\nwhen { context.colour == \"<b>\" };\n";
    let page = reviewer.post(&path, &form(wrong)).await.expect(400).text();
    assert!(
        page.contains("rules/contracts.cedar</code>, line 2, column 8:"),
        "{page}"
    );
    assert!(
        page.contains("&#60;b&#62;") && !page.contains("would differ;"),
        "the text is there to be mended: {page}"
    );
    let misnamed = [("csrf", proof.as_str()), ("file", "own.txt"), ("text", wrong)];
    let page = reviewer.post(&path, &misnamed).await.expect(400).text();
    assert!(page.contains("no policy file is named so"), "{page}");
    let long = "// long\n".repeat(40_000);
    let page = reviewer.post(&path, &form(&long)).await.expect(413).text();
    assert!(page.contains("body_too_large") && page.contains("<h1"), "{page}");
    let foreign = [
        ("csrf", "0"),
        ("file", "rules/contracts.cedar"),
        ("text", CONTRACTS),
    ];
    reviewer.post(&path, &foreign).await.expect(403);
    reviewer.post(&path, &foreign[1..]).await.expect(400);
    let submitter = Browser::open(hub, "acme", "submitter").await;
    let theirs = submitter.proof(PATH).await;
    submitter.get(&path).await.expect(403);
    let refused = submitter
        .post(
            &path,
            &[("csrf", &theirs), ("file", "rules/a.cedar"), ("text", CONTRACTS)],
        )
        .await;
    assert!(refused.expect(403).text().contains("missing_role"));
    let after = operator.get("/v1/policies").await.expect(200).json();
    assert_eq!(after, before, "nothing is put in force");
    write_rule(hub, "contracts.cedar", CONTRACTS);
    operator.post("/v1/policies/reload", &json!({})).await.expect(200);
    let edit = reviewer
        .get(&format!("{path}?file=rules/contracts.cedar"))
        .await
        .expect(200);
    assert!(edit.text().contains("send the batch to the hub on premises"));
}
