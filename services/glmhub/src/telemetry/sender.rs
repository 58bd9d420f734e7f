//! What carries spans and metrics to a collector, over HTTP.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for what was not sent yet.
pub(super) const LAST_WAIT: Duration = Duration::from_secs(3);
/// How much of an answer is read, in bytes.
const MOST_ANSWER: usize = 64 * 1024;

/// The client that everything else uses too, for a sender that runs on a thread of its own.
#[derive(Debug)]
pub(super) struct Sender {
    /// What is sent.
    what: &'static str,
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last attempt came to nothing: that is said once.
    failing: Arc<AtomicBool>,
}

impl Sender {
    pub(super) fn of(what: &'static str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            what,
            http,
            runtime: Handle::current(),
            failing: Arc::default(),
        })
    }

    fn note(&self, fault: Option<String>) {
        let what = self.what;
        let before = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(fault) if !before => tracing::warn!(what, fault, "the collector does not take them"),
            None if before => tracing::info!(what, "the collector takes them again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(send(http, request)).await?;
        // Without the URL: it may hold what only the operator should read.
        let sent = sent.map_err(reqwest::Error::without_url);
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(hub::outgoing::chain(error)),
        });
        Ok(sent?)
    }
}

async fn send(http: reqwest::Client, request: Request<Bytes>) -> reqwest::Result<Response<Bytes>> {
    let mut came = http.execute(request.try_into()?).await?;
    let mut body = BytesMut::new();
    while let Some(piece) = came.chunk().await? {
        if body.len() + piece.len() > MOST_ANSWER {
            break;
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = came.status();
    *response.headers_mut() = came.headers().clone();
    Ok(response)
}
