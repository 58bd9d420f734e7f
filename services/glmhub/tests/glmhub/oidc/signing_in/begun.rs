//! A browser that begins to sign in at an issuer, step by step.

use crate::{
    client::Answer,
    dashboard::browser::url_encoded,
    hub::Hub,
    oidc::{
        hub_with,
        issuer::{
            Issuer,
            code_flow::{CLIENT_SECRET, SECRET_MARK},
        },
        settings,
    },
};
use reqwest::{RequestBuilder, Url};
use std::fs;

pub const PLACE: &str = "https://hub.example.com";

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

pub fn hub_of(issuer: &Issuer) -> Hub {
    hub_at(PLACE, issuer, Some(CLIENT_SECRET), &[])
}

/// Where a page leads on to.
pub fn onward(page: &str) -> String {
    let (_, rest) = page
        .split_once("content=\"0; url=")
        .unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

/// The cookie of that name as a browser sends it, and with all that the answer says of it.
pub fn cookie(answer: &Answer, name: &str) -> (String, String) {
    let mut set = answer.headers.iter().filter(|(header, _)| header == "set-cookie");
    let set = set.find(|(_, value)| value.starts_with(&format!("{name}=")));
    let (_, set) = set.unwrap_or_else(|| panic!("{:?}", answer.headers));
    (set.split(';').next().unwrap().to_owned(), set.clone())
}

pub async fn pressed(hub: &Hub, origin: Option<&str>, form: &[(&str, &str)]) -> Answer {
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
pub struct Begun<'a> {
    hub: &'a Hub,
    pub cookie: String,
    pub url: Url,
}

impl<'a> Begun<'a> {
    pub async fn at(hub: &'a Hub, issuer: &Issuer, return_to: &str) -> Self {
        let form = [("issuer", issuer.url()), ("return_to", return_to.to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let begun = pressed(hub, Some(hub.url()), &form).await.expect(200);
        let url = onward(&begun.text()).parse().unwrap();
        let (cookie, _) = cookie(&begun, "__Host-glmhub_sign_in");
        Self { hub, cookie, url }
    }

    /// Presses the issuer's button: what the browser is sent back with.
    pub async fn log_in(&self) -> String {
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

    pub async fn returns(&self, back: &str) -> Answer {
        returned(self.hub, Some(&self.cookie), back, "en").await
    }

    /// Signs in to the end.
    pub async fn ends(&self) -> Answer {
        self.returns(&self.log_in().await).await
    }
}

pub async fn returned(hub: &Hub, cookie: Option<&str>, back: &str, language: &str) -> Answer {
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
pub fn refused(answer: Answer, status: u16, code: &str) {
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
