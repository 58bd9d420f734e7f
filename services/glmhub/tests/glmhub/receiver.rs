//! A small receiver of webhooks that checks their signatures and answers as it is told.

use crate::hub::eventually;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Came {
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    status: AtomicU16,
    came: Mutex<Vec<Came>>,
}

/// A receiver on a port of its own.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Receiver {
    /// A receiver that answers everything with `status`.
    pub async fn answering(status: u16) -> Self {
        let shared = Arc::new(Shared::default());
        shared.status.store(status, Ordering::SeqCst);
        let data = web::Data::from(shared.clone());
        let app = move || App::new().app_data(data.clone()).default_service(web::to(take));
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let port = server.addrs()[0].port();
        Self {
            port,
            shared,
            server: tokio::spawn(server.run()),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks", self.port)
    }

    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    pub fn came(&self) -> Vec<Came> {
        self.shared.came.lock().unwrap().clone()
    }

    /// How often each event came. What is said of one event is always the same.
    pub fn by_event(&self) -> BTreeMap<String, usize> {
        let (mut times, mut bodies) = (BTreeMap::new(), BTreeMap::new());
        for came in self.came() {
            let id = came.headers["webhook-id"].clone();
            *times.entry(id.clone()).or_insert(0) += 1;
            let body = bodies.entry(id).or_insert_with(|| came.body.clone());
            assert_eq!(*body, came.body);
        }
        times
    }

    /// The first webhooks, when `count` have come.
    pub async fn first(&self, count: usize) -> Vec<Came> {
        let look = || async { Some(self.came()).filter(|came| came.len() >= count) };
        eventually("webhooks to come", look).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    shared.came.lock().unwrap().push(Came {
        headers,
        body: body.to_vec(),
    });
    HttpResponse::build(StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap()).finish()
}

impl Came {
    /// Its payload, after its signature was found to be one by `secret`.
    pub fn verified(&self, secret: &str) -> Value {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        let (id, timestamp) = (&self.headers["webhook-id"], &self.headers["webhook-timestamp"]);
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&self.body);
        let signature = self.headers["webhook-signature"].strip_prefix("v1,").unwrap();
        mac.verify_slice(&STANDARD.decode(signature).unwrap()).unwrap();
        serde_json::from_slice(&self.body).unwrap()
    }
}
