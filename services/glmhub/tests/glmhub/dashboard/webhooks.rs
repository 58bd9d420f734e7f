//! Webhooks and the audit log on the dashboard.

use super::browser::Browser;
use crate::{
    hub::{Hub, eventually},
    receiver::Receiver,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::json;

#[tokio::test]
async fn a_delivery_that_failed_is_seen_with_its_attempts_and_sent_again() {
    let receiver = Receiver::answering(500).await;
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[]")]);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let none = browser.get("/admin/webhooks").await.expect(200).text();
    assert!(none.contains("The tenant has no endpoints"), "{none}");
    let made = endpoint(&client, &receiver.url()).await;
    let test = format!("/v1/webhook-endpoints/{}/test", made["id"].as_str().unwrap());
    let delivery = client.post(&test, &json!({})).await.expect(202).json();
    let id = delivery["id"].as_str().unwrap();
    let listed = async |state: &str| {
        let path = format!("/admin/webhooks?state={state}");
        let seen = browser.get(&path).await.expect(200).text();
        seen.contains(id).then_some(seen)
    };
    let failed = eventually("the delivery to fail", async || listed("failed").await).await;
    assert!(
        failed.contains(&receiver.url()) && listed("delivered").await.is_none(),
        "{failed}"
    );
    assert!(listed("").await.is_some());
    let path = format!("/admin/webhooks/{id}");
    let seen = browser.get(&path).await.expect(200).text();
    assert!(seen.contains("500 · "), "{seen}");
    let stranger = Browser::open(&hub, "other", "submitter").await;
    stranger.get(&path).await.expect(404);
    let redeliver = format!("{path}/redeliver");
    let theirs = stranger.proof("/admin/webhooks").await;
    stranger.post(&redeliver, &[("csrf", &theirs)]).await.expect(404);
    browser.post(&redeliver, &[("csrf", "0")]).await.expect(403);
    receiver.answer(200);
    let proof = browser.proof(&path).await;
    browser.post(&redeliver, &[("csrf", &proof)]).await.expect(303);
    eventually("the delivery to be taken", async || listed("delivered").await).await;
    let seen = browser.get(&path).await.expect(200).text();
    assert!(seen.contains("200 · ") && seen.contains("500 · "), "{seen}");
    let signatory = Browser::open(&hub, "acme", "signatory").await;
    signatory.get("/admin/webhooks").await.expect(403);
}

#[tokio::test]
async fn the_audit_log_is_read_and_an_entry_that_was_tampered_with_is_said_to_be() {
    let hub = Hub::start_with(&[("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20")]);
    let browser = Browser::open(&hub, "audit", "auditor").await;
    let kind = "/admin/audit?kind=session.opened&tenant=&subject=";
    let list = browser.get(kind).await.expect(200).text();
    assert!(
        list.contains("session.opened") && list.contains("glmhub audit verify"),
        "{list}"
    );
    let (_, rest) = list.split_once("href=\"/admin/audit/").unwrap();
    let path = format!("/admin/audit/{}", rest.split('"').next().unwrap());
    let verified = eventually("the entry to be sealed", async || {
        let seen = browser.get(&path).await.expect(200).text();
        seen.contains("badge good\">verified").then_some(seen)
    })
    .await;
    assert!(
        verified.contains("auditor") && verified.contains("It stands in the log as it was signed"),
        "{verified}"
    );
    let none = browser
        .get("/admin/audit?since=2999-01-01")
        .await
        .expect(200)
        .text();
    assert!(none.contains("Nothing of that kind"), "{none}");
    browser.get("/admin/audit?since=soon").await.expect(400);
    hub.write("DROP TRIGGER audit_entries_unchanged; UPDATE audit_entries SET member = 'nobody' WHERE kind = 'session.opened'");
    let broken = browser.get(&path).await.expect(200).text();
    assert!(
        broken.contains("badge bad\">not as it was signed") && !broken.contains("badge good"),
        "{broken}"
    );
    let submitter = Browser::open(&hub, "acme", "submitter").await;
    submitter.get("/admin/audit").await.expect(403);
    submitter.get(&path).await.expect(403);
}
