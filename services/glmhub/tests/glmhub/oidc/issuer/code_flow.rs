//! Signing in at the issuer with a browser: a page with a button, codes, and ID tokens for them.

use super::{BASE64, Shared, now};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{AUTHORIZATION, LOCATION},
    web::{self, Data, Form, Query},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, time::Duration};

pub const CLIENT_ID: &str = "dashboard";
pub const CLIENT_SECRET: &str = "s&c ret%41";
/// A part of every token and code, to be looked for where it must not be.
pub const SECRET_MARK: &str = "c0de+/&=";

type Words = BTreeMap<String, String>;
/// What was asked for with each code.
pub type Codes = BTreeMap<String, Words>;

/// How the token endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenAnswer {
    Good,
    /// As for a code that it does not know.
    Refused,
    /// After longer than anybody waits.
    Slow,
    Huge,
    /// With no ID token.
    Lacking,
    /// With one that says something else than what was signed.
    Altered,
    /// With one that is signed by nobody.
    Unsigned,
    /// With one that is signed by a key which both sides are said to have.
    Shared,
}

/// How it signs members in.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// How clients show who they are: the one way that it announces.
    pub method: &'static str,
    pub answer: TokenAnswer,
    /// Claims of ID tokens that are otherwise.
    pub claims: Vec<(&'static str, Value)>,
    /// What it says that it is when it sends browsers back, if not the truth; empty for nothing.
    pub iss: Option<String>,
    /// Codes are good any number of times.
    pub is_careless: bool,
    /// It sends browsers back with an error.
    pub error: Option<&'static str>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            method: "client_secret_basic",
            answer: TokenAnswer::Good,
            claims: Vec::new(),
            iss: None,
            is_careless: false,
            error: None,
        }
    }
}

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/realm/authorize", web::get().to(page))
        .route("/realm/login", web::post().to(log_in))
        .route("/realm/token", web::post().to(token));
}

/// The page: whoever presses the button is a member.
async fn page(request: HttpRequest) -> HttpResponse {
    let query = request.query_string().replace('&', "&amp;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><title>Sign in at Acme</title>\
         <form method=\"post\" action=\"/realm/login?{query}\"><button>I am li</button></form>"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(html)
}

async fn log_in(shared: Data<Shared>, asked: Query<Words>) -> HttpResponse {
    let asked = asked.into_inner();
    let fixed = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
        ("ui", "plain"),
    ];
    for (name, value) in fixed {
        if asked.get(name).map(String::as_str) != Some(value) {
            return HttpResponse::BadRequest().body(format!("{name} is not {value}"));
        }
    }
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
    back.query_pairs_mut().append_pair("state", &asked["state"]);
    let iss = behaviour.iss.unwrap_or_else(|| shared.url());
    if !iss.is_empty() {
        back.query_pairs_mut().append_pair("iss", &iss);
    }
    if let Some(error) = behaviour.error {
        back.query_pairs_mut()
            .append_pair("error", error)
            .append_pair("error_description", "not <b>today</b>");
    } else {
        let mut codes = shared.codes.lock().unwrap();
        let code = format!("{SECRET_MARK}{}", codes.len());
        back.query_pairs_mut().append_pair("code", &code);
        codes.insert(code, asked);
    }
    HttpResponse::SeeOther()
        .insert_header((LOCATION, back.as_str()))
        .finish()
}

fn refused(error: &str) -> HttpResponse {
    let description = format!("{SECRET_MARK} is no good");
    HttpResponse::BadRequest().json(json!({ "error": error, "error_description": description }))
}

async fn token(shared: Data<Shared>, request: HttpRequest, form: Form<Words>) -> HttpResponse {
    let behaviour = shared.behaviour.lock().unwrap().clone();
    if !is_client(behaviour.method, &request, &form) {
        return refused("invalid_client");
    }
    let asked = {
        let mut codes = shared.codes.lock().unwrap();
        let asked = codes.get(&form["code"]).cloned();
        if !behaviour.is_careless {
            // Its place stays taken, so that no other code is the same.
            codes.insert(form["code"].clone(), Words::new());
        }
        asked
    };
    let Some(asked) = asked.filter(|asked| is_theirs(asked, &form)) else {
        return refused("invalid_grant");
    };
    let claims = claims(&shared.url(), &asked, behaviour.claims);
    match behaviour.answer {
        TokenAnswer::Good => answer(&shared.token(&claims)),
        TokenAnswer::Refused => refused("invalid_grant"),
        TokenAnswer::Slow => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            answer(&shared.token(&claims))
        }
        TokenAnswer::Huge => answer(&SECRET_MARK.repeat(1024 * 1024)),
        TokenAnswer::Lacking => HttpResponse::Ok().json(json!({ "access_token": SECRET_MARK })),
        TokenAnswer::Altered => answer(&altered(&shared.token(&json!({})), &claims)),
        TokenAnswer::Unsigned => answer(&unsigned("none", &claims, "")),
        TokenAnswer::Shared => answer(&unsigned("HS256", &claims, &BASE64.encode([7; 32]))),
    }
}

fn answer(id_token: &str) -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({ "access_token": SECRET_MARK, "token_type": "Bearer", "id_token": id_token }))
}

fn altered(token: &str, claims: &Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], BASE64.encode(claims.to_string()), parts[2])
}

fn unsigned(algorithm: &str, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let header = json!({ "alg": algorithm, "typ": "JWT", "kid": "enc" });
    format!("{}.{}.{signature}", part(&header), part(claims))
}

/// As Keycloak writes them.
fn claims(issuer: &str, asked: &Words, otherwise: Vec<(&'static str, Value)>) -> Value {
    let mut claims = json!({
        "iss": issuer, "sub": "f6c0…", "aud": CLIENT_ID, "azp": CLIENT_ID, "typ": "ID", "exp": now() + 300, "iat": now(),
        "nonce": asked["nonce"], "preferred_username": "li", "organization": "acme",
        "realm_access": { "roles": ["offline_access", "clerk"] },
    });
    for (name, value) in otherwise {
        claims[name] = value;
    }
    claims
}

/// Whether the client shows who it is in the one way that it may, and in no other.
fn is_client(method: &str, request: &HttpRequest, form: &Words) -> bool {
    let header = request.headers().get(AUTHORIZATION);
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    let basic = format!("Basic {}", STANDARD.encode("dashboard:s%26c+ret%2541"));
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    let is_named = id.is_some_and(|id| id == CLIENT_ID);
    match method {
        "client_secret_basic" => header == Some(basic) && id.is_none() && secret.is_none(),
        "client_secret_post" => {
            header.is_none() && is_named && secret.is_some_and(|secret| secret == CLIENT_SECRET)
        }
        _ => header.is_none() && is_named && secret.is_none(),
    }
}

/// Whether a code was made for whoever exchanges it.
fn is_theirs(asked: &Words, form: &Words) -> bool {
    let challenge = BASE64.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    form["grant_type"] == "authorization_code"
        && asked.get("redirect_uri") == form.get("redirect_uri")
        && asked.get("code_challenge") == Some(&challenge)
}
