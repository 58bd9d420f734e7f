//! A receiver of webhooks for tests: a real HTTP server that answers as it is told.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};
use tokio::sync::Notify;

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    status: AtomicU16,
    told: Mutex<Vec<Told>>,
    came: Notify,
}

pub(super) struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Receiver {
    /// A receiver that answers everything with `status`.
    pub(super) async fn answering(status: u16) -> Self {
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

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks", self.port)
    }

    /// From now on it answers with `status`.
    pub(super) fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// What came so far.
    pub(super) fn told(&self) -> Vec<Told> {
        self.shared.told.lock().unwrap().clone()
    }

    /// Returns when `count` requests have come.
    pub(super) async fn wait_for(&self, count: usize) {
        while self.told().len() < count {
            self.shared.came.notified().await;
        }
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
    shared.told.lock().unwrap().push(Told {
        headers,
        body: body.to_vec(),
    });
    shared.came.notify_one();
    let status = StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap();
    let mut response = HttpResponse::build(status);
    match status.as_u16() {
        429 => response.insert_header(("retry-after", "120")).finish(),
        302 => response.insert_header(("location", "/elsewhere")).finish(),
        204 => response.finish(),
        _ => response.body("no room"),
    }
}
