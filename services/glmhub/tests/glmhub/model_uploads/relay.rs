//! Stands before a server of S3 that others wrote and gives its list of parts the name that S3 has for it. moto's has another
//! one (`ListPartsResponse`), which Amazon's own client for Rust does not read. Everything else goes through as it is.

use hyper::{Method, Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::Body;
use std::net::TcpListener;
use tokio::runtime::{self, Runtime};

/// The most bytes of a request or response.
const MOST: usize = 64 << 20;

/// See the module's text. It runs beside the test, which stands still at times.
pub struct Relay {
    pub url: String,
    serving: Option<Runtime>,
}

impl Relay {
    /// Before the server at `to`.
    pub fn before(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = runtime::Builder::new_multi_thread();
        let serving = serving.worker_threads(1).enable_all().build().unwrap();
        serving.spawn(serve(listener, to.trim_end_matches('/').to_owned()));
        Self {
            url,
            serving: Some(serving),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, to: String) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let (client, to) = (client.clone(), to.clone());
        let answer = service_fn(move |request| relayed(client.clone(), to.clone(), request));
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A client that goes away in the middle is no fault of the server.
            let _ = server.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn relayed(
    client: reqwest::Client,
    to: String,
    request: Request<Incoming>,
) -> Result<Response<Body>, reqwest::Error> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let lists_parts = head.method == Method::GET && query.contains("uploadId=");
    let body = Body::from(body).store_all_limited(MOST).await.unwrap();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = client
        .request(head.method, to + path)
        .headers(head.headers)
        .body(body);
    let mut answer = sent.send().await?;
    let (status, mut headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut bytes = answer.bytes().await?;
    if lists_parts {
        let named = String::from_utf8_lossy(&bytes).replace("ListPartsResponse", "ListPartsResult");
        (bytes, _) = (named.into(), headers.remove("content-length"));
    }
    headers.remove("transfer-encoding");
    let mut response = Response::new(Body::from(bytes));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
