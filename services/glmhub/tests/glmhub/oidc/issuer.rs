//! An issuer of OpenID Connect on a port of its own: discovery, a key set, tokens signed by RS256, and a page to sign in.

pub mod code_flow;

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use code_flow::{Behaviour, Codes};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

struct Key {
    kid: String,
    pair: KeyPair,
}

struct Shared {
    key: Mutex<Key>,
    url: Mutex<String>,
    away: AtomicBool,
    asked: AtomicUsize,
    behaviour: Mutex<Behaviour>,
    codes: Mutex<Codes>,
}

pub struct Issuer {
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a hub that runs elsewhere has the system's clock"
)]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Key {
    fn fresh() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let modulus = pair.public_key().modulus();
        let kid = BASE64.encode(&modulus.big_endian_without_leading_zero()[..12]);
        Self { kid, pair }
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| BASE64.encode(bytes);
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }
}

impl Issuer {
    pub async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// One that calls itself by another name of this machine.
    pub async fn start_as(host: &str) -> Self {
        let shared = Arc::new(Shared {
            key: Mutex::new(Key::fresh()),
            url: Mutex::default(),
            away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            behaviour: Mutex::default(),
            codes: Mutex::default(),
        });
        let data = web::Data::from(shared.clone());
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route(
                    "/realm/.well-known/openid-configuration",
                    web::get().to(configuration),
                )
                .route("/realm/certs", web::get().to(certificates))
                .configure(code_flow::routes)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        *shared.url.lock().unwrap() = format!("http://{host}:{}/realm", server.addrs()[0].port());
        Self {
            shared,
            server: tokio::spawn(server.run()),
        }
    }

    /// As `iss` has it.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.shared.token(claims)
    }

    /// Signs with another key from now on, and tells of no other.
    pub fn change_key(&self) {
        *self.shared.key.lock().unwrap() = Key::fresh();
    }

    /// Changes how it signs members in from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    pub fn be_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    /// How often its configuration was asked for.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    fn token(&self, claims: &Value) -> String {
        let key = self.key.lock().unwrap();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key.kid });
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn configuration(shared: web::Data<Shared>) -> HttpResponse {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    if shared.away.load(Ordering::SeqCst) {
        return HttpResponse::BadGateway().finish();
    }
    let url = shared.url();
    let method = shared.behaviour.lock().unwrap().method;
    HttpResponse::Ok().json(json!({
        "issuer": url, "jwks_uri": format!("{url}/certs"), "authorization_endpoint": format!("{url}/authorize?ui=plain"),
        "token_endpoint": format!("{url}/token"), "token_endpoint_auth_methods_supported": [method],
        "authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": ["S256"],
    }))
}

async fn certificates(shared: web::Data<Shared>) -> HttpResponse {
    let signing = shared.key.lock().unwrap().jwk();
    // Such a set has keys for other ends too.
    let other =
        json!({ "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "enc", "n": "AQAB", "e": "AQAB" });
    HttpResponse::Ok().json(json!({ "keys": [other, signing] }))
}
