//! Changes of models' cards on the dashboard: proposed, read, agreed to, rejected and withdrawn.

use super::browser::Browser;
use crate::{hub::Hub, licence::scene::MODEL};
use serde_json::{Value, json};

const PATH: &str = "/admin/card-changes";

/// What a form sends that proposes another value for `fact`.
fn proposal<'a>(proof: &'a str, fact: &'a str, value: &'a str, source: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("csrf", proof),
        ("model", MODEL),
        ("fact", fact),
        ("value", value),
        ("source", source),
        ("seen", "2026-11-01"),
        ("reason", "the <publisher> says so"),
    ]
}

/// The page of what `browser` proposes.
async fn proposed(browser: &Browser<'_>, fact: &str, value: &str, source: &str) -> String {
    let proof = browser.proof(&form(fact)).await;
    let made = browser.post(PATH, &proposal(&proof, fact, value, source)).await;
    made.expect(303).header("location").unwrap().to_owned()
}

fn form(fact: &str) -> String {
    format!("{PATH}/new?model={MODEL}&fact={fact}")
}

async fn card(hub: &Hub) -> Value {
    let reader = hub.client("acme", &["submitter"]);
    let model = reader.get(&format!("/v1/models/{MODEL}")).await.expect(200);
    model.json()["card"].clone()
}

#[tokio::test]
async fn another_member_reads_what_would_change_beside_what_is_and_agrees_to_it() {
    let hub = Hub::start();
    let ann = Browser::open(&hub, "acme", "registrar").await;
    let bob = Browser::open(&hub, "hub", "reviewer").await;
    let none = ann.get(PATH).await.expect(200).text();
    assert!(
        none.contains("Nothing waits") && none.contains("card-changes/new"),
        "{none}"
    );
    let theirs = bob.get(PATH).await.expect(200).text();
    assert!(!theirs.contains("card-changes/new"), "{theirs}");
    bob.get(&form("summary")).await.expect(403);
    let before = card(&hub).await;
    let shown = ann.get(&form("context_tokens")).await.expect(200).text();
    let source = before["sources"]["context_tokens"]["source"].as_str().unwrap();
    let tokens = before["context_tokens"].to_string();
    for expected in [tokens.as_str(), source] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let proof = ann.proof(PATH).await;
    let unsourced = ann
        .post(PATH, &proposal(&proof, "context_tokens", "4096", ""))
        .await;
    assert!(unsourced.expect(422).text().contains("fact_unsourced"));
    let path = proposed(&ann, "context_tokens", "4096", "https://example.org/card").await;
    assert_eq!(card(&hub).await, before, "nothing is in force yet");

    let own = ann.get(&path).await.expect(200).text();
    assert!(
        own.contains("You proposed it yourself") && !own.contains("/agree\"") && !own.contains("/reject\""),
        "{own}"
    );
    let agree = format!("{path}/agree");
    let refused = ann.post(&agree, &[("csrf", &proof)]).await.expect(409);
    assert!(refused.text().contains("own_proposal"));
    let queue = bob.get(PATH).await.expect(200).text();
    assert!(
        queue.contains(&path) && queue.contains("li@acme") && queue.contains("context_tokens"),
        "{queue}"
    );
    let page = bob.get(&path).await.expect(200).text();
    for expected in [
        "diff removed",
        "4096",
        &tokens,
        source,
        "https://example.org/card · 2026-11-01",
        "the &#60;publisher&#62; says so",
        "Agree, and put it in force",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("/withdraw\""), "{page}");
    bob.post(&agree, &[("csrf", "0")]).await.expect(403);
    let unproved = bob.post(&agree, &[]).await.expect(400).text();
    assert!(
        unproved.contains("form_malformed") && unproved.contains("<h1"),
        "{unproved}"
    );
    assert_eq!(
        card(&hub).await,
        before,
        "a form without its proof changes nothing"
    );
    let proof = bob.proof(&path).await;
    bob.post(&agree, &[("csrf", &proof)]).await.expect(303);
    assert_eq!(card(&hub).await["context_tokens"], json!(4096));
    let over = bob.get(&path).await.expect(200).text();
    assert!(
        over.contains("in force</span>") && over.contains("li@hub") && !over.contains("/reject\""),
        "{over}"
    );
    let late = bob
        .post(&format!("{path}/reject"), &[("csrf", &proof), ("reason", "no")])
        .await;
    assert!(late.expect(409).text().contains("card_change_over"));
    let auditor = hub.client("hub", &["auditor"]);
    for kind in ["card_change.proposed", "card_change.approved"] {
        let entries = auditor.get(&format!("/v1/audit/entries?kind={kind}")).await;
        let subject = entries.expect(200).json()["data"][0]["entry"]["subject"].clone();
        assert!(path.ends_with(subject.as_str().unwrap()), "{kind}: {subject}");
    }
}

#[tokio::test]
async fn two_agree_about_a_license_and_a_change_is_rejected_or_withdrawn_for_a_reason() {
    let hub = Hub::start();
    let ann = Browser::open(&hub, "acme", "registrar").await;
    let bob = Browser::open(&hub, "hub", "reviewer").await;
    let eve = Browser::open(&hub, "zhipu", "registrar").await;
    let license = proposed(&ann, "license.id", "apache-2.0", "the file LICENSE").await;
    let page = bob.get(&license).await.expect(200).text();
    assert!(page.contains("Still lacking: <strong>2</strong>"), "{page}");
    let proof = bob.proof(&license).await;
    bob.post(&format!("{license}/agree"), &[("csrf", &proof)])
        .await
        .expect(303);
    let page = bob.get(&license).await.expect(200).text();
    assert!(
        page.contains("Still lacking: <strong>1</strong>")
            && page.contains("You have agreed already")
            && !page.contains("/agree\""),
        "{page}"
    );
    let theirs = eve.proof(&license).await;
    let reject = format!("{license}/reject");
    let blank = eve.post(&reject, &[("csrf", &theirs), ("reason", " ")]).await;
    assert!(blank.expect(400).text().contains("reason_invalid"));
    eve.post(&reject, &[("csrf", "0"), ("reason", "no")])
        .await
        .expect(403);
    eve.post(&reject, &[("csrf", &theirs), ("reason", "it is <not>")])
        .await
        .expect(303);
    let page = ann.get(&license).await.expect(200).text();
    assert!(
        page.contains("rejected</span>") && page.contains("it is &#60;not&#62;") && page.contains("li@zhipu"),
        "{page}"
    );

    let one = proposed(&ann, "summary", "One line.", "").await;
    let two = proposed(&ann, "summary", "Another line.", "").await;
    bob.post(&format!("{one}/agree"), &[("csrf", &proof)])
        .await
        .expect(303);
    let page = bob.get(&two).await.expect(200).text();
    assert!(
        page.contains("the card has changed since") && !page.contains("/agree\""),
        "{page}"
    );
    let late = bob.post(&format!("{two}/agree"), &[("csrf", &proof)]).await;
    assert!(late.expect(409).text().contains("card_changed"));
    let withdraw = format!("{two}/withdraw");
    bob.post(&withdraw, &[("csrf", &proof), ("reason", "mine")])
        .await
        .expect(403);
    let another = eve
        .post(&withdraw, &[("csrf", &theirs), ("reason", "mine")])
        .await;
    assert!(another.expect(409).text().contains("proposed_by_another"));
    let own = ann.proof(&two).await;
    ann.post(&withdraw, &[("csrf", &own), ("reason", "it is outdated")])
        .await
        .expect(303);
    let queue = bob.get(PATH).await.expect(200).text();
    let (open, settled) = queue.split_once("Settled</h2>").unwrap();
    assert!(!open.contains(&two), "{queue}");
    for path in [&license, &one, &two] {
        assert!(settled.contains(path.as_str()), "{path}: {queue}");
    }
}

#[tokio::test]
async fn what_is_no_change_of_a_card_is_refused_and_who_may_not_read_one_is() {
    let hub = Hub::start();
    let ann = Browser::open(&hub, "acme", "registrar").await;
    let first = ann.get(&format!("{PATH}/new")).await.expect(200).text();
    assert!(first.contains("Name a model"), "{first}");
    for (query, status) in [
        ("model=nothing&fact=summary", 400),
        ("model=no/such&fact=summary", 404),
        ("model=THUDM/glm-4v-9b&fact=review", 400),
    ] {
        ann.get(&format!("{PATH}/new?{query}")).await.expect(status);
    }
    ann.get(&format!("{PATH}/what")).await.expect(404);
    ann.get("/admin/card-changes?after=what").await.expect(400);
    let proof = ann.proof(PATH).await;
    for (fact, value, status, code) in [
        ("parameters", "many", 400, "fact_invalid"),
        ("modality", "smell", 400, "fact_invalid"),
        ("review", "myself", 400, "fact_invalid"),
        ("license.id", "gpl-9", 422, "license_unknown"),
    ] {
        let form = proposal(&proof, fact, value, "https://example.org");
        let refused = ann.post(PATH, &form).await.expect(status).text();
        assert!(refused.contains(code), "{fact}: {refused}");
    }
    let summary = card(&hub).await["summary"].as_str().unwrap().to_owned();
    let same = ann.post(PATH, &proposal(&proof, "summary", &summary, "")).await;
    assert!(same.expect(422).text().contains("card_same"));
    ann.post(PATH, &proposal("0", "summary", "Another.", ""))
        .await
        .expect(403);
    let submitter = Browser::open(&hub, "acme", "submitter").await;
    let theirs = submitter.proof("/admin/batches").await;
    for path in [PATH.to_owned(), format!("{PATH}/new"), form("summary")] {
        submitter.get(&path).await.expect(403);
    }
    let refused = submitter
        .post(PATH, &proposal(&theirs, "summary", "Another.", ""))
        .await;
    assert!(refused.expect(403).text().contains("missing_role"));
    let batches = submitter.get("/admin/batches").await.expect(200).text();
    assert!(!batches.contains(PATH), "{batches}");
}
