//! Members sign in to the dashboard at their issuer, and nobody else does.

pub mod begun;

use super::issuer::{
    Issuer,
    code_flow::{CLIENT_SECRET, SECRET_MARK, TokenAnswer},
    now,
};
use crate::{
    dashboard::browser::{Browser, link, url_encoded},
    hub::{Hub, eventually},
};
use begun::{Begun, PLACE, cookie, hub_at, hub_of, onward, pressed, refused, returned};
use serde_json::{Value, json};

#[tokio::test]
async fn a_member_signs_in_at_its_issuer_and_lands_on_the_page_that_it_asked_for() {
    for (method, secret) in [
        ("client_secret_basic", Some(CLIENT_SECRET)),
        ("client_secret_post", Some(CLIENT_SECRET)),
        ("none", None),
    ] {
        let issuer = Issuer::start().await;
        issuer.behave(|behaviour| behaviour.method = method);
        let hub = hub_at(PLACE, &issuer, secret, &[]);
        let out = returned(&hub, None, "/admin/batches?state=open", "en")
            .await
            .expect(401)
            .text();
        for expected in [
            "Acme &#38; Co",
            "value=\"/admin/batches?state=open\"",
            "glmhub admin link",
        ] {
            assert!(out.contains(expected), "{expected}: {out}");
        }
        let page = returned(&hub, None, "/admin/sign-in?return_to=/admin/audit", "zh-CN").await;
        let page = page.expect(200).text();
        assert!(
            page.contains("value=\"/admin/audit\"") && page.contains("请选择登录方式"),
            "{page}"
        );
        let begun = Begun::at(&hub, &issuer, "/admin/batches?state=open").await;
        let ended = begun.ends().await.expect(200);
        assert_eq!(onward(&ended.text()), "/admin/batches?state=open");
        assert_eq!(ended.header("cache-control"), Some("no-store"));
        let (_, gone) = cookie(&ended, "__Host-glmhub_sign_in");
        assert!(gone.contains("Max-Age=0"), "{gone}");
        let (session, set) = cookie(&ended, "__Host-glmhub_session");
        for flag in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(set.contains(flag), "{set}");
        }
        let browser = Browser {
            hub: &hub,
            cookie: session,
        };
        let seen = browser.get("/admin/batches").await.expect(200).text();
        assert!(seen.contains("li · acme"), "{seen}");
        // It is a clerk there, and that is a submitter here.
        browser.get("/admin/audit").await.expect(403);
        let auditor = hub.client("acme", &["auditor"]);
        let log = auditor
            .get("/v1/audit/entries?kind=session.opened")
            .await
            .expect(200)
            .json();
        let by = json!({ "way": "issuer", "issuer": issuer.url() });
        assert_eq!(log["data"][0]["entry"]["detail"]["by"], by, "{log}");
        let proof = browser.proof("/admin/batches").await;
        browser
            .post("/admin/sign-out", &[("csrf", &proof)])
            .await
            .expect(303);
        browser.get("/admin/batches").await.expect(401);
        assert!(!hub.log().contains(SECRET_MARK) && !hub.log().contains(CLIENT_SECRET));
    }
}

#[tokio::test]
async fn what_a_browser_begins_with_is_its_own_for_ten_minutes_and_asks_for_a_code_by_s256() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    let url = issuer.url();
    let form = [("issuer", url.as_str())];
    for origin in [None, Some("https://elsewhere.example"), Some("null")] {
        refused(pressed(&hub, origin, &form).await, 403, "form_foreign");
    }
    let elsewhere = [("issuer", "https://elsewhere.example")];
    refused(
        pressed(&hub, Some(hub.url()), &elsewhere).await,
        400,
        "issuer_unknown",
    );
    let begun = pressed(&hub, Some(hub.url()), &form).await.expect(200);
    let policy = begun.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'"), "{policy}");
    let (_, set) = cookie(&begun, "__Host-glmhub_sign_in");
    for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=600"] {
        assert!(set.contains(flag), "{set}");
    }
    let (one, other) = (
        Begun::at(&hub, &issuer, "").await,
        Begun::at(&hub, &issuer, "").await,
    );
    let word = |begun: &Begun<'_>, name: &str| {
        let mut pairs = begun.url.query_pairs();
        let (_, value) = pairs
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("{}", begun.url));
        value.into_owned()
    };
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(word(&one, name).len(), 43);
        assert_ne!(word(&one, name), word(&other, name), "{name}");
    }
    let back = "https://hub.example.com/admin/sign-in/callback";
    assert_eq!(word(&one, "redirect_uri"), back);
}

#[tokio::test]
async fn what_comes_back_to_another_browser_or_twice_opens_nothing() {
    let issuer = Issuer::start().await;
    issuer.behave(|behaviour| behaviour.is_careless = true);
    let hub = hub_of(&issuer);
    let begun = Begun::at(&hub, &issuer, "").await;
    let back = begun.log_in().await;
    refused(returned(&hub, None, &back, "en").await, 400, "sign_in_lost");
    let forged = format!("{}x", begun.cookie);
    refused(
        returned(&hub, Some(&forged), &back, "en").await,
        400,
        "sign_in_lost",
    );
    // What the hub has signed for another end is no sign-in.
    let other = format!("__Host-glmhub_sign_in={}", link(&hub, "acme", &["submitter"]));
    refused(
        returned(&hub, Some(&other), &back, "en").await,
        400,
        "sign_in_lost",
    );
    let strange = Begun::at(&hub, &issuer, "").await;
    refused(strange.returns(&back).await, 400, "sign_in_mixed");
    let stateless = back.replacen("state=", "estate=", 1);
    refused(begun.returns(&stateless).await, 400, "sign_in_mixed");
    let codeless = back.replacen("&code=", "&kode=", 1);
    refused(begun.returns(&codeless).await, 400, "code_missing");
    begun.returns(&back).await.expect(200);
    // The issuer takes the code again, and the hub does not.
    refused(begun.returns(&back).await, 403, "sign_in_used");
    assert_eq!(unopened(&hub).await, ["sign_in_used"]);
    // A code that was made for another browser is not good with this one's verifier.
    let mine = strange.log_in().await;
    let (_, theirs) = back.split_once("&code=").unwrap();
    let (head, _) = mine.split_once("&code=").unwrap();
    refused(
        strange.returns(&format!("{head}&code={theirs}")).await,
        502,
        "issuer_unavailable",
    );
}

/// Why members of acme that were signed in got no session, by their tenant's audit log.
async fn unopened(hub: &Hub) -> Vec<String> {
    let auditor = hub.client("acme", &["auditor"]);
    let log = auditor.get("/v1/audit/entries?kind=session.refused").await;
    let log = log.expect(200).json();
    let codes = log["data"].as_array().unwrap().iter();
    let code = |one: &Value| one["entry"]["detail"]["code"].as_str().unwrap().to_owned();
    codes.map(code).collect()
}

#[tokio::test]
async fn an_id_token_that_is_not_of_this_sign_in_or_of_nobody_known_opens_nothing() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    let tried = async |claims: Vec<(&'static str, Value)>, answer: TokenAnswer| {
        issuer.behave(|behaviour| (behaviour.claims, behaviour.answer) = (claims, answer));
        Begun::at(&hub, &issuer, "").await.ends().await
    };
    for (name, value) in [
        ("nonce", json!("another")),
        ("nonce", json!(null)),
        ("aud", json!("glmhub")),
        ("aud", json!(["glmhub", "account"])),
        ("azp", json!("scanner")),
        ("exp", json!(now() - 120)),
        ("exp", json!(null)),
        ("iat", json!(now() + 600)),
        ("iss", json!("https://elsewhere.example")),
    ] {
        refused(
            tried(vec![(name, value)], TokenAnswer::Good).await,
            403,
            "id_token_unfit",
        );
    }
    let several = vec![("aud", json!(["dashboard", "account"])), ("azp", json!(null))];
    refused(tried(several, TokenAnswer::Good).await, 403, "id_token_unfit");
    for answer in [TokenAnswer::Altered, TokenAnswer::Unsigned, TokenAnswer::Shared] {
        refused(tried(vec![], answer).await, 403, "id_token_unfit");
    }
    for (name, value, code) in [
        ("preferred_username", json!(null), "member_unknown"),
        ("organization", json!("glmhub"), "member_unknown"),
        ("organization", json!(null), "member_unknown"),
        (
            "realm_access",
            json!({ "roles": ["offline_access"] }),
            "member_without_role",
        ),
        ("realm_access", json!(null), "member_without_role"),
    ] {
        refused(tried(vec![(name, value)], TokenAnswer::Good).await, 403, code);
    }
    // Whom the issuer names is told of in its tenant's log; of the others nobody knows whose they are.
    assert_eq!(unopened(&hub).await, ["member_without_role"; 2]);
    let good = vec![("aud", json!(["dashboard", "account"]))];
    tried(good, TokenAnswer::Good).await.expect(200);
    let log = hub.log();
    assert!(
        log.contains("it answers another request") && !log.contains(SECRET_MARK),
        "{log}"
    );
}

#[tokio::test]
async fn an_issuer_that_says_no_or_fails_is_told_of_in_both_languages() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    issuer.behave(|behaviour| behaviour.error = Some("access_denied"));
    for (language, said) in [("en", "signed nobody in: access_denied"), ("zh-CN", "未完成登录")] {
        let begun = Begun::at(&hub, &issuer, "").await;
        let back = begun.log_in().await;
        let page = returned(&hub, Some(&begun.cookie), &back, language).await;
        assert!(page.text().contains(said), "{}", page.text());
        let (_, gone) = cookie(&page, "__Host-glmhub_sign_in");
        assert!(gone.contains("Max-Age=0"), "{gone}");
        refused(page, 403, "sign_in_denied");
    }
    issuer.behave(|behaviour| behaviour.error = None);
    for answer in [
        TokenAnswer::Refused,
        TokenAnswer::Huge,
        TokenAnswer::Lacking,
        TokenAnswer::Slow,
    ] {
        issuer.behave(|behaviour| behaviour.answer = answer);
        let ended = Begun::at(&hub, &issuer, "").await.ends().await;
        refused(ended, 502, "issuer_unavailable");
    }
    issuer.behave(|behaviour| behaviour.answer = TokenAnswer::Good);
    for iss in ["https://elsewhere.example", ""] {
        issuer.behave(|behaviour| behaviour.iss = Some(iss.into()));
        refused(
            Begun::at(&hub, &issuer, "").await.ends().await,
            400,
            "issuer_foreign",
        );
    }
    let log = hub.log();
    assert!(
        log.contains("invalid_grant") && !log.contains(SECRET_MARK),
        "{log}"
    );
}

#[tokio::test]
async fn an_issuer_that_is_away_is_said_to_be_before_anybody_goes_there() {
    let issuer = Issuer::start().await;
    issuer.be_away(true);
    let hub = hub_of(&issuer);
    let url = issuer.url();
    let begun = pressed(&hub, Some(hub.url()), &[("issuer", &url)]).await;
    refused(begun, 502, "issuer_unavailable");
}

#[tokio::test]
async fn a_session_that_a_sign_in_has_opened_ends_as_others_do() {
    let issuer = Issuer::start().await;
    let longest = ("GLMHUB_DASHBOARD__LONGEST_SECONDS", "3");
    let hub = hub_at(PLACE, &issuer, Some(CLIENT_SECRET), &[longest]);
    let ended = Begun::at(&hub, &issuer, "").await.ends().await.expect(200);
    let (session, _) = cookie(&ended, "__Host-glmhub_session");
    let browser = Browser {
        hub: &hub,
        cookie: session,
    };
    browser.get("/admin/batches").await.expect(200);
    eventually("the session ends", async || {
        (browser.get("/admin/batches").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_is_led_out_of_the_dashboard_after_signing_in() {
    let issuer = Issuer::start().await;
    let hub = hub_of(&issuer);
    for bad in [
        "//elsewhere.example/admin/reviews",
        "/\\elsewhere.example/admin/reviews",
        "https://elsewhere.example/admin/reviews",
        "/admin/../models",
        "javascript:alert(1)",
        "/admin/sign-in?link=a.b.c",
    ] {
        let query = url_encoded(&[("return_to", bad)]);
        let page = returned(&hub, None, &format!("/admin/sign-in?{query}"), "en").await;
        let page = page.expect(200).text();
        assert!(
            page.contains("value=\"/admin/reviews\"") && !page.contains("elsewhere"),
            "{page}"
        );
        let ended = Begun::at(&hub, &issuer, bad).await.ends().await.expect(200);
        assert_eq!(onward(&ended.text()), "/admin/reviews", "{bad}");
    }
}
