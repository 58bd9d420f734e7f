//! Members of an OpenID Connect issuer, which signs with RSA as most do: believed for what the settings let it say.

pub mod issuer;
pub mod signing_in;

use crate::{
    client::Client,
    hub::{Hub, eventually},
};
use issuer::Issuer;
use serde_json::{Value, json};
use std::fs;

/// Settings that believe `issuer` for members of acme and other, and know clerks and judges.
fn settings(issuer: &Issuer) -> String {
    format!(
        "[oidc]\nrefetch_seconds = 1\nkeys_seconds = 2\nlongest_keys_seconds = 4\ntimeout_seconds = 5\n[[oidc.issuers]]\nissuer = \"{}\"\n\
         audiences = [\"glmhub\"]\ntenant_claim = \"/organization\"\ntenants = [\"acme\", \"other\"]\n\
         roles_claim = \"/realm_access/roles\"\nroles = {{ clerk = \"submitter\", judge = \"reviewer\" }}\n",
        issuer.url()
    )
}

/// A hub with `settings` in its file.
fn hub_with(settings: &str, environment: &[(&str, &str)]) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("config.toml"), settings).unwrap();
    Hub::start_in(folder, environment)
}

fn hub_of(issuer: &Issuer) -> Hub {
    hub_with(&settings(issuer), &[])
}

/// As Keycloak writes them.
fn claims(issuer: &Issuer) -> Value {
    json!({
        "iss": issuer.url(), "exp": issuer::now() + 300, "iat": issuer::now(), "aud": ["account", "glmhub"],
        "azp": "scanner", "sub": "f6c0…", "typ": "Bearer", "preferred_username": "li", "organization": "acme",
        "realm_access": { "roles": ["offline_access", "clerk"] },
    })
}

fn client(hub: &Hub, token: String) -> Client {
    Client::new(hub.url(), Some(token))
}

#[tokio::test]
async fn a_member_of_an_issuer_is_let_in_for_its_tenant_with_its_roles() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    let li = client(&hub, issuer.token(&claims(&issuer)));
    li.get("/v1/batches").await.expect(200);
    li.get("/v1/audit/entries").await.refused(403, "missing_role");
    let with = |name: &str, value: Value| {
        let mut claims = claims(&issuer);
        claims[name] = value;
        client(&hub, issuer.token(&claims))
    };
    let key = json!({ "name": "scan station", "roles": ["submitter"] });
    let made = li.post("/v1/api-keys", &key).await.expect(201).json();
    assert_eq!(made["member"], "li");
    let own = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    with("organization", json!("other"))
        .get(&own)
        .await
        .refused(404, "not_found");
    let wang = with("preferred_username", json!("wang"));
    assert_eq!(wang.get(&own).await.expect(200).json()["member"], "li");
    let visitor = with("realm_access", json!({ "roles": ["offline_access"] }));
    visitor.get("/v1/models").await.refused(403, "missing_role");
    for (name, value, code) in [
        ("organization", json!("glmhub"), "token_unfit"),
        ("organization", json!(null), "token_unfit"),
        ("aud", json!("account"), "token_unfit"),
        ("preferred_username", json!(""), "token_unfit"),
        ("exp", json!(issuer::now() - 120), "token_expired"),
        ("iss", json!("https://elsewhere"), "token_foreign"),
    ] {
        with(name, value).get("/v1/batches").await.refused(401, code);
    }
    // The hub's own tokens are as good as before.
    hub.client("acme", &["submitter"])
        .get("/v1/batches")
        .await
        .expect(200);
}

#[tokio::test]
async fn an_issuer_changes_its_keys_and_is_not_bothered_by_forged_tokens() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    assert_eq!(issuer.asked(), 0);
    let old = issuer.token(&claims(&issuer));
    client(&hub, old.clone()).get("/v1/batches").await.expect(200);
    assert_eq!(issuer.asked(), 1);
    let forger = Issuer::start().await;
    let forged = client(&hub, forger.token(&claims(&issuer)));
    for _ in 0..20 {
        forged.get("/v1/batches").await.refused(401, "token_foreign");
    }
    assert!(issuer.asked() <= 3, "{}", issuer.asked());
    issuer.change_key();
    let new = client(&hub, issuer.token(&claims(&issuer)));
    eventually("the new key to be known", || async {
        let answer = new.get("/v1/batches").await;
        (answer.status == 200).then_some(())
    })
    .await;
    client(&hub, old)
        .get("/v1/batches")
        .await
        .refused(401, "token_foreign");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_said_to_and_its_last_keys_hold_for_a_while() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    let li = client(&hub, issuer.token(&claims(&issuer)));
    issuer.be_away(true);
    let answer = li.get("/v1/batches").await.refused(503, "issuer_unavailable");
    assert!(
        answer["detail"].as_str().unwrap().contains(&issuer.url()),
        "{answer}"
    );
    issuer.be_away(false);
    eventually("the keys to be fetched", || async {
        (li.get("/v1/batches").await.status == 200).then_some(())
    })
    .await;
    issuer.be_away(true);
    let asked = issuer.asked();
    // While they are fetched in vain, those of before hold; in the end they do not.
    eventually("the keys to be asked for again", || async {
        let status = li.get("/v1/batches").await.status;
        assert!(status == 200 || issuer.asked() > asked, "{status}");
        (issuer.asked() > asked).then_some(())
    })
    .await;
    eventually("the last keys to be given up", || async {
        (li.get("/v1/batches").await.status == 503).then_some(())
    })
    .await;
    hub.client("acme", &["submitter"])
        .get("/v1/batches")
        .await
        .expect(200);
}
