//! The tenant's page: API keys, limits and use.

use super::browser::Browser;
use crate::{
    client::Client,
    hub::Hub,
    openai::{CHAT, READER, asked},
    policies::write_rule,
    tree,
};
use serde_json::{Value, json};

const PATH: &str = "/admin/tenant";
const KEYS: &str = "/admin/tenant/keys";

fn wish<'a>(proof: &'a str, role: &'a str, days: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("csrf", proof),
        ("name", "scan <station>"),
        ("expires_in_days", days),
        ("purpose", "research"),
        ("role", role),
    ]
}

/// The secret that a page shows.
fn secret(page: &str) -> String {
    let (_, rest) = page
        .split_once("<code>glmhub_")
        .unwrap_or_else(|| panic!("no secret: {page}"));
    format!("glmhub_{}", rest.split('<').next().unwrap())
}

#[tokio::test]
async fn a_key_is_made_shown_once_rotated_and_revoked_after_a_question() {
    let hub = Hub::start();
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let none = browser.get(PATH).await.expect(200).text();
    assert!(none.contains("The tenant has no keys"), "{none}");
    let proof = browser.proof(PATH).await;
    let made = browser
        .post(KEYS, &wish(&proof, "submitter", "7"))
        .await
        .expect(200);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let first = secret(&made.text());
    let with = |key: &str| Client::new(hub.url(), Some(key.to_owned()));
    with(&first).get("/v1/batches").await.expect(200);
    let listed = browser.get(PATH).await.expect(200).text();
    assert!(
        listed.contains("scan &#60;station&#62;") && listed.contains("badge good\">active"),
        "{listed}"
    );
    let hidden = first.rsplit('_').next().unwrap();
    assert!(!listed.contains(hidden), "a secret is shown once: {listed}");
    let api = hub.client("acme", &["submitter"]);
    let key = api.get("/v1/api-keys").await.expect(200).json()["data"][0].clone();
    let id = key["id"].as_str().unwrap();
    assert_eq!(
        (&key["roles"], &key["purpose"]),
        (&json!(["submitter"]), &json!("research"))
    );

    let (rotate, revoke) = (format!("{KEYS}/{id}/rotate"), format!("{KEYS}/{id}/revoke"));
    let rotated = browser
        .post(&rotate, &[("csrf", &proof), ("overlap_hours", "1")])
        .await
        .expect(200);
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    let second = secret(&rotated.text());
    for key in [&first, &second] {
        with(key).get("/v1/batches").await.expect(200);
    }
    let sure = browser.get(&revoke).await.expect(200).text();
    assert!(
        sure.contains("scan &#60;station&#62;") && sure.contains("It cannot be undone"),
        "{sure}"
    );
    with(&second).get("/v1/batches").await.expect(200);
    browser.post(&revoke, &[("csrf", "0")]).await.expect(403);
    // Another tenant neither sees it nor does anything to it.
    let stranger = Browser::open(&hub, "other", "submitter").await;
    let theirs = stranger.proof(PATH).await;
    assert!(!stranger.get(PATH).await.text().contains(id));
    stranger.get(&revoke).await.expect(404);
    stranger.post(&revoke, &[("csrf", &theirs)]).await.expect(404);
    stranger
        .post(&rotate, &[("csrf", &theirs), ("overlap_hours", "0")])
        .await
        .expect(404);
    with(&second).get("/v1/batches").await.expect(200);
    browser.post(&revoke, &[("csrf", &proof)]).await.expect(303);
    for key in [&first, &second] {
        with(key).get("/v1/batches").await.refused(401, "api_key_revoked");
    }
    let page = browser.get(PATH).await.expect(200).text();
    assert!(
        page.contains("badge bad\">revoked") && !page.contains(&revoke),
        "{page}"
    );
    browser.get(&revoke).await.expect(404);
    let log = hub.log();
    for key in [&first, &second] {
        assert!(!log.contains(key.rsplit('_').next().unwrap()), "{log}");
    }
    let auditor = hub.client("audit", &["auditor"]);
    for kind in ["api_key.created", "api_key.rotated", "api_key.revoked"] {
        let found = auditor.get(&format!("/v1/audit/entries?kind={kind}")).await;
        assert_eq!(
            found.expect(200).json()["data"][0]["entry"]["subject"],
            id,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_key_has_roles_and_an_end_that_its_maker_may_give() {
    let hub = Hub::start();
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let proof = browser.proof(PATH).await;
    let page = browser.get(PATH).await.expect(200).text();
    assert!(
        page.contains("value=\"submitter\"") && !page.contains("value=\"reviewer\""),
        "{page}"
    );
    for (form, status, code) in [
        (wish(&proof, "reviewer", "7"), 403, "role_not_held"),
        (wish(&proof, "king", "7"), 400, "roles_invalid"),
        (wish(&proof, "submitter", "0"), 400, "expiry_out_of_range"),
        (wish(&proof, "submitter", "soon"), 400, "expiry_out_of_range"),
        (wish("0", "submitter", "7"), 403, "form_foreign"),
    ] {
        let refused = browser.post(KEYS, &form).await.expect(status).text();
        assert!(refused.contains(code), "{code}: {refused}");
    }
    let whole = wish(&proof, "submitter", "7");
    let roleless = browser.post(KEYS, &whole[..4]).await.expect(400).text();
    assert!(roleless.contains("roles_empty"), "{roleless}");
    let unproved = browser.post(KEYS, &whole[1..]).await.expect(400).text();
    assert!(unproved.contains("form_incomplete"), "{unproved}");
    let limited = |pages| [&whole[..], &[("pages_per_day", pages)]].concat();
    for pages in ["0", "many"] {
        let refused = browser.post(KEYS, &limited(pages)).await.expect(400).text();
        assert!(refused.contains("limits_invalid"), "{refused}");
    }
    let api = hub.client("acme", &["submitter"]);
    let keys = async || api.get("/v1/api-keys").await.expect(200).json();
    assert_eq!(keys().await["data"], json!([]), "none was made");
    browser.post(KEYS, &limited("5")).await.expect(200);
    let limits = keys().await["data"][0]["limits"].clone();
    assert_eq!(
        (&limits["pages_per_day"], &limits["tokens_per_day"]),
        (&json!(5), &Value::Null)
    );
    let listed = browser.get(PATH).await.expect(200).text();
    assert!(listed.contains("5 pages a day"), "{listed}");
    // Who sees no batches is told of no use of them.
    let reviewer = Browser::open(&hub, "acme", "reviewer").await;
    let theirs = reviewer.get(PATH).await.expect(200).text();
    assert!(!theirs.contains("<svg"), "{theirs}");
    let closed = "@code(\"closed\") @cure(\"come back\")\n\
        forbid (principal in Tenant::\"acme\", action == Action::\"keep_api_keys\", resource);";
    write_rule(&hub, "closed.cedar", closed);
    hub.client("acme", &["operator"])
        .post("/v1/policies/reload", &json!({}))
        .await
        .expect(200);
    for refused in [
        browser.get(PATH).await,
        browser.post(KEYS, &wish(&proof, "submitter", "7")).await,
    ] {
        let refused = refused.expect(403).text();
        assert!(refused.contains("closed"), "{refused}");
    }
}

#[tokio::test]
async fn limits_with_what_is_left_and_the_use_of_days_are_drawn_and_told() {
    let hub = Hub::start_with(&[
        ("GLMHUB_LIMITS__PAGES_PER_DAY", "1"),
        ("GLMHUB_LIMITS__REQUESTS_PER_MINUTE", "321"),
        ("GLMHUB_RETENTION__ANSWERS_DAYS", "17"),
    ]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let key = hub
        .client("acme", &["submitter"])
        .post(
            "/v1/api-keys",
            &json!({ "name": "one", "roles": ["submitter"], "purpose": "commercial" }),
        )
        .await
        .expect(201)
        .json();
    let client = Client::new(hub.url(), Some(key["key"].as_str().unwrap().to_owned()));
    client.post(CHAT, &asked(READER, "买方是谁？")).await.expect(200);
    let used = hub
        .client("acme", &["submitter"])
        .get("/v1/usage")
        .await
        .expect(200)
        .json();
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let page = browser.get(PATH).await.expect(200).text();
    let input = used["total"]["input_tokens"].to_string();
    for expected in [
        "of each hub process: 321",
        "<td>1</td><td>1</td><td>0 <span class=\"badge bad\">used up",
        "17 days after their batch is over",
        "role=\"img\"",
        &format!("<td>{input}</td>"),
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(page.matches("<svg").count(), 2, "{page}");
    assert_eq!(page.matches("<rect ").count(), 60, "{page}");
    let stranger = Browser::open(&hub, "other", "submitter").await;
    let theirs = stranger.get(PATH).await.expect(200).text();
    assert!(
        !theirs.contains("used up") && !theirs.contains(&format!("<td>{input}</td>")),
        "{theirs}"
    );
}
