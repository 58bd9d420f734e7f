//! Members sign in to the dashboard at their issuer, and nobody else does.

use super::{
    hub_with,
    issuer::{
        Issuer,
        code_flow::{CLIENT_SECRET, SECRET_MARK, TokenAnswer},
        now,
    },
    settings,
};
use crate::{
    client::Answer,
    dashboard::browser::{Browser, link, url_encoded},
    hub::Hub,
};
use reqwest::{RequestBuilder, Url};
use serde_json::{Value, json};
use std::fs;

const PLACE: &str = "https://hub.example.com";

/// A hub that browsers reach at `place`, and whose members sign in at `issuer`.
pub fn hub_at(place: &str, issuer: &Issuer, secret: Option<&str>, environment: &[(&str, &str)]) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let named = secret.map_or(String::new(), |secret| {
        fs::write(&file, format!("{secret}\n")).unwrap();
        format!("client_secret_file = {file:?}\n")
    });
    let settings = format!(
        "{}[oidc.issuers.sign_in]\nname = \"Acme & Co\"\nclient_id = \"dashboard\"\n{named}[dashboard]\nurl = \"{place}/\"\n",
        settings(issuer)
    );
    hub_with(&settings, environment)
}

fn hub_of(issuer: &Issuer) -> Hub {
    hub_at(PLACE, issuer, Some(CLIENT_SECRET), &[])
}

/// Where a page leads on to.
fn onward(page: &str) -> String {
    let (_, rest) = page
        .split_once("content=\"0; url=")
        .unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

/// The cookie of that name as a browser sends it, and with all that the answer says of it.
fn cookie(answer: &Answer, name: &str) -> (String, String) {
    let mut set = answer.headers.iter().filter(|(header, _)| header == "set-cookie");
    let set = set.find(|(_, value)| value.starts_with(&format!("{name}=")));
    let (_, set) = set.unwrap_or_else(|| panic!("{:?}", answer.headers));
    (set.split(';').next().unwrap().to_owned(), set.clone())
}

async fn pressed(hub: &Hub, origin: Option<&str>, form: &[(&str, &str)]) -> Answer {
    let body = url_encoded(form);
    let fill = |request: RequestBuilder| {
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.body(body)
    };
    hub.stranger()
        .send_unjudged("POST", "/admin/sign-in/begin", fill)
        .await
}

/// A browser that has begun to sign in.
struct Begun<'a> {
    hub: &'a Hub,
    cookie: String,
    url: Url,
}

impl<'a> Begun<'a> {
    async fn at(hub: &'a Hub, issuer: &Issuer, return_to: &str) -> Self {
        let form = [("issuer", issuer.url()), ("return_to", return_to.to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let begun = pressed(hub, Some(hub.url()), &form).await.expect(200);
        let url = onward(&begun.text()).parse().unwrap();
        let (cookie, _) = cookie(&begun, "__Host-glmhub_sign_in");
        Self { hub, cookie, url }
    }

    /// Presses the issuer's button: what the browser is sent back with.
    async fn log_in(&self) -> String {
        let mut url = self.url.clone();
        url.set_path("/realm/login");
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let answer = client.build().unwrap().post(url).send().await.unwrap();
        let location = answer
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        let Some(location) = location else {
            panic!("{}", answer.text().await.unwrap());
        };
        let back = location.strip_prefix(PLACE).unwrap();
        assert!(back.starts_with("/admin/sign-in/callback?"), "{back}");
        back.to_owned()
    }

    async fn returns(&self, back: &str) -> Answer {
        returned(self.hub, Some(&self.cookie), back, "en").await
    }

    /// Signs in to the end.
    async fn ends(&self) -> Answer {
        self.returns(&self.log_in().await).await
    }
}

async fn returned(hub: &Hub, cookie: Option<&str>, back: &str, language: &str) -> Answer {
    let fill = |request: RequestBuilder| {
        let request = request.header("accept-language", language);
        match cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    };
    hub.stranger().send_unjudged("GET", back, fill).await
}

/// The page says that nobody was signed in, why, and nothing of what came.
fn refused(answer: Answer, status: u16, code: &str) {
    let answer = answer.expect(status);
    let page = answer.text();
    assert!(page.contains(&format!("<code>{code}</code>")), "{code}: {page}");
    assert!(!page.contains(SECRET_MARK) && !page.contains("<b>"), "{page}");
    let session = answer
        .headers
        .iter()
        .any(|(_, value)| value.starts_with("__Host-glmhub_session="));
    assert!(!session, "{:?}", answer.headers);
}

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
    for answer in [TokenAnswer::Unsigned, TokenAnswer::Shared] {
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
