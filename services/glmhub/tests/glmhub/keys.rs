//! A change of keys from outside: what the old key signed holds on until it is retired, and what is past stays proven.

use crate::{
    client::Client,
    jobs::{completed, hub_with_model, submitted},
    process::perform_in,
};
use serde_json::Value;

fn listed(data: &std::path::Path) -> Vec<(String, String)> {
    let told = perform_in(data, &["key", "list", "--json"], &[]).well();
    let told: Value = serde_json::from_str(&told).unwrap();
    let word = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = told["keys"].as_array().unwrap().iter();
    keys.map(|key| (word(key, "standing"), word(key, "kid")))
        .collect()
}

#[tokio::test]
async fn keys_change_while_orders_are_on_their_way_and_none_is_lost() {
    let mut hub = hub_with_model(&[("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20")]);
    let token = hub.token("acme", &["submitter"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    let batch = submitted(&client, &["What is it?", "What is the total?"], 4).await;
    let told = perform_in(&hub.data(), &["key", "rotate", "--json"], &[]).well();
    let told: Value = serde_json::from_str(&told).unwrap();
    let (old, new) = (
        told["accepted"].as_str().unwrap(),
        told["signing"].as_str().unwrap(),
    );
    hub.restart();
    let client = Client::new(hub.url(), Some(token.clone()));
    let seen = completed(&client, &batch).await;
    assert_eq!(seen["jobs"]["answered"], 8, "{seen}");
    let word = |standing: &str, kid: &str| (standing.to_owned(), kid.to_owned());
    assert_eq!(listed(&hub.data()), [word("signing", new), word("accepted", old)]);
    let keys = hub
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");

    perform_in(&hub.data(), &["key", "retire", old], &[]).well();
    hub.restart();
    let stale = Client::new(hub.url(), Some(token));
    stale.get(&batch).await.refused(401, "token_foreign");
    let fresh = hub.client("acme", &["submitter"]);
    fresh.get(&batch).await.expect(200);
    let keys = hub
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .json();
    assert_eq!(keys["keys"][0]["kid"], new);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
    let auditor = hub.client("audit", &["auditor"]);
    for (kind, kid) in [("key.rotated", new), ("key.retired", old)] {
        let found = auditor
            .get(&format!("/v1/audit/entries?kind={kind}"))
            .await
            .expect(200)
            .json();
        assert_eq!(found["data"][0]["entry"]["subject"], kid, "{found}");
    }
    // What the old key signed of the past is still as it was.
    assert!(hub.end().success());
    perform_in(&hub.data(), &["audit", "verify"], &[]).well();
}

#[test]
fn the_key_that_signs_is_not_retired_and_an_unknown_one_is_named() {
    let data = tempfile::tempdir().unwrap();
    let listed = listed(data.path());
    let kid = listed[0].1.as_str();
    let ended = perform_in(data.path(), &["key", "retire", kid], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("rotate first"), "{}", ended.stderr);
    let ended = perform_in(data.path(), &["key", "retire", "0123456789abcdef"], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no key 0123456789abcdef"),
        "{}",
        ended.stderr
    );
    let jwks = perform_in(data.path(), &["key", "list", "--jwks"], &[]).well();
    let jwks: Value = serde_json::from_str(&jwks).unwrap();
    assert_eq!(jwks["keys"][0]["kid"], kid);
}
