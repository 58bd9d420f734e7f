//! Deliveries of a while that are sent again from the page of webhooks.

use super::browser::Browser;
use crate::{
    client::{Answer, Client},
    expiry::after,
    hub::{Hub, eventually},
    receiver::Receiver,
    redelivery::come_to,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};
use time::Duration;

const PATH: &str = "/admin/webhooks/replay";
const ONCE: [(&str, &str); 2] = [LOOPBACK, ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[]")];

/// A moment near now, as browsers' fields send it.
fn moment(minutes: i64) -> String {
    after(Duration::minutes(minutes))[..16].to_owned()
}

fn id(endpoint: &Value) -> &str {
    endpoint["id"].as_str().unwrap()
}

async fn test(client: &Client, endpoint: &Value) {
    let test = format!("/v1/webhook-endpoints/{}/test", id(endpoint));
    client.post(&test, &json!({})).await.expect(202);
}

/// The fields of the form, and the address of the page that asks about them.
fn asked<'a>(
    endpoint: &'a Value,
    from: &'a str,
    until: &'a str,
    which: &'a str,
) -> (Vec<(&'a str, &'a str)>, String) {
    let fields = vec![
        ("endpoint", id(endpoint)),
        ("from", from),
        ("until", until),
        ("which", which),
    ];
    let address = format!("{PATH}?{}", super::url_encoded(&fields));
    (fields, address)
}

/// Sends the form with a proof.
async fn sent(browser: &Browser<'_>, proof: &str, fields: &[(&str, &str)]) -> Answer {
    let form = [&[("csrf", proof)][..], fields].concat();
    browser.post(PATH, &form).await
}

#[tokio::test]
async fn it_is_told_how_much_a_while_comes_to_and_only_then_is_it_sent_again() {
    let (down, other) = (Receiver::answering(500).await, Receiver::answering(500).await);
    let hub = Hub::start_with(&ONCE);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let (first, second) = (
        endpoint(&client, &down.url()).await,
        endpoint(&client, &other.url()).await,
    );
    for endpoint in [&first, &first, &second] {
        test(&client, endpoint).await;
    }
    come_to(&client, "failed", 3).await;
    let offered = browser.get("/admin/webhooks").await.expect(200).text();
    assert!(
        offered.contains(&format!("<option value=\"{}\">{}", id(&first), down.url()))
            && offered.contains("type=\"datetime-local\""),
        "{offered}"
    );
    let (from, until) = (moment(-5), moment(5));
    let (fields, address) = asked(&first, &from, &until, "failed");
    let page = browser.get(&address).await.expect(200).text();
    assert!(
        page.contains("<strong>2</strong>") && page.contains(&down.url()),
        "{page}"
    );
    come_to(&client, "failed", 3).await;
    down.answer(200);
    let proof = browser.proof(&address).await;
    let done = sent(&browser, &proof, &fields).await.expect(200).text();
    assert!(
        done.contains("Sent again: <strong>2</strong>") && !done.contains("Go on with the rest"),
        "{done}"
    );
    come_to(&client, "delivered", 2).await;
    come_to(&client, "failed", 1).await;
    let auditor = hub.client("acme", &["auditor"]);
    let log = "/v1/audit/entries?kind=webhook_endpoint.redelivered";
    let log = auditor.get(log).await.expect(200).json();
    let entry = &log["data"][0]["entry"];
    assert_eq!(
        (
            &entry["subject"],
            &entry["member"],
            log["data"].as_array().unwrap().len()
        ),
        (&first["id"], &json!("li"), 1),
        "{log}"
    );
    // Nothing of it has failed any more; what was taken is counted only if that is wished.
    let none = browser.get(&address).await.expect(200).text();
    assert!(
        none.contains("There is nothing to be sent again") && !none.contains(&format!("action=\"{PATH}\"")),
        "{none}"
    );
    let (fields, address) = asked(&first, &from, &until, "all");
    let all = browser.get(&address).await.expect(200).text();
    assert!(all.contains("<strong>2</strong>"), "{all}");
    let done = sent(&browser, &proof, &fields).await.expect(200).text();
    assert!(done.contains("<strong>2</strong>"), "{done}");
    // Before anything was made there was nothing.
    let (early, earlier) = (moment(-5), moment(-50));
    let (_, before) = asked(&first, &earlier, &early, "all");
    let none = browser.get(&before).await.expect(200).text();
    assert!(none.contains("<strong>0</strong>"), "{none}");
}

#[tokio::test]
async fn who_may_not_or_asks_for_what_there_is_not_sends_nothing_again() {
    let down = Receiver::answering(500).await;
    let hub = Hub::start_with(&ONCE);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let made = endpoint(&client, &down.url()).await;
    test(&client, &made).await;
    come_to(&client, "failed", 1).await;
    let (from, until) = (moment(-5), moment(5));
    let (fields, address) = asked(&made, &from, &until, "all");
    let proof = browser.proof(&address).await;
    let foreign = sent(&browser, "0", &fields).await.expect(403).text();
    assert!(foreign.contains("form_foreign"), "{foreign}");
    let unproved = browser.post(PATH, &fields).await.expect(400).text();
    assert!(unproved.contains("form_incomplete"), "{unproved}");
    // What a form can say that cannot be done, each when it is asked about and when it is sent.
    let unknown = json!({ "id": "whe_00000000000000000000000000" });
    let odd = json!({ "id": "what" });
    for (fields, status, code) in [
        (asked(&made, &until, &from, "all").0, 400, "range_empty"),
        (asked(&made, &from, &from, "all").0, 400, "range_empty"),
        (asked(&made, "soon", &until, "all").0, 400, "moment_malformed"),
        (asked(&made, &from, "", "all").0, 400, "moment_malformed"),
        (asked(&made, &from, &until, "some").0, 404, "not_found"),
        (asked(&unknown, &from, &until, "all").0, 404, "not_found"),
        (asked(&odd, &from, &until, "all").0, 404, "not_found"),
        (fields[..3].to_vec(), 400, "form_incomplete"),
        ([&fields[..], &[("after", "what")]].concat(), 404, "not_found"),
    ] {
        let address = format!("{PATH}?{}", super::url_encoded(&fields));
        for answer in [browser.get(&address).await, sent(&browser, &proof, &fields).await] {
            let told = answer.expect(status).text();
            assert!(
                told.contains(code) && told.starts_with("<!doctype html>"),
                "{told}"
            );
        }
    }
    let stranger = Browser::open(&hub, "other", "submitter").await;
    let theirs = stranger.proof("/admin/webhooks").await;
    let seen = stranger.get("/admin/webhooks").await.expect(200).text();
    assert!(!seen.contains(id(&made)), "{seen}");
    stranger.get(&address).await.expect(404);
    sent(&stranger, &theirs, &fields).await.expect(404);
    let signatory = Browser::open(&hub, "acme", "signatory").await;
    let theirs = signatory.proof("/admin/reviews").await;
    for answer in [
        signatory.get(&address).await,
        sent(&signatory, &theirs, &fields).await,
    ] {
        assert!(answer.expect(403).text().contains("missing_role"));
    }
    // What is off is not offered, and takes nothing.
    let place = format!("/v1/webhook-endpoints/{}", id(&made));
    let off = json!({ "state": "disabled" });
    client
        .send("PATCH", &place, |request| request.json(&off))
        .await
        .expect(200);
    let offered = browser.get("/admin/webhooks").await.expect(200).text();
    assert!(!offered.contains(PATH), "{offered}");
    for answer in [browser.get(&address).await, sent(&browser, &proof, &fields).await] {
        assert!(answer.expect(409).text().contains("endpoint_disabled"));
    }
    come_to(&client, "failed", 1).await;
    assert_eq!(down.came().len(), 1, "nothing was sent again");
}

#[tokio::test]
async fn more_than_goes_at_once_is_asked_about_again() {
    let receiver = Receiver::answering(500).await;
    let hub = Hub::start_with(&ONCE);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let made = endpoint(&client, &receiver.url()).await;
    test(&client, &made).await;
    come_to(&client, "failed", 1).await;
    receiver.answer(200);
    // A thousand older ones of the same kind.
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) ";
    hub.write(&format!(
        "BEGIN IMMEDIATE; {numbers} INSERT INTO events (id, tenant, type, at, path, data) \
         SELECT 'evt_' || printf('%026d', i), tenant, type, at, path, data FROM events, n; \
         {numbers} INSERT INTO deliveries (id, tenant, endpoint, event, created_at, state, settled_at, code, attempts) \
         SELECT 'dlv_' || printf('%026d', i), tenant, endpoint, 'evt_' || printf('%026d', i), created_at, state, \
         settled_at, code, 0 FROM deliveries, n; COMMIT;"
    ));
    let (from, until) = (moment(-5), moment(5));
    let (fields, address) = asked(&made, &from, &until, "failed");
    let page = browser.get(&address).await.expect(200).text();
    assert!(
        page.contains("<strong>1001</strong>") && page.contains("then it is asked about the rest: 1000"),
        "{page}"
    );
    let proof = browser.proof(&address).await;
    let done = sent(&browser, &proof, &fields).await.expect(200).text();
    assert!(done.contains("Sent again: <strong>1000</strong>"), "{done}");
    let (_, rest) = done.split_once("class=\"button\" href=\"").unwrap();
    let rest = rest.split('"').next().unwrap().replace("&#38;", "&");
    let page = browser.get(&rest).await.expect(200).text();
    assert!(page.contains("<strong>1</strong>"), "{page}");
    let (_, next) = page.split_once("name=\"after\" value=\"").unwrap();
    let next = ("after", next.split('"').next().unwrap());
    let fields = [&fields[..], &[next]].concat();
    let done = sent(&browser, &proof, &fields).await.expect(200).text();
    assert!(
        done.contains("Sent again: <strong>1</strong>") && !done.contains("Go on with the rest"),
        "{done}"
    );
    eventually("all of them to be sent", async || {
        (receiver.by_event().len() == 1001).then_some(())
    })
    .await;
}
