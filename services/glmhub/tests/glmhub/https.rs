//! What the hub fetches and sends over https: only from and to sites whose certificates the machine's authorities vouch for.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    jobs::{hub_with_model, open},
    openai::{CHAT, READER, asked},
    tree,
    webhooks::{LOOPBACK, endpoint},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer},
};

/// A site that gives a page and takes webhooks, whose certificate is for `localhost`.
struct Site {
    port: u16,
    /// A file with the authority that vouches for it.
    authority: PathBuf,
    posted: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.path().join("authority.pem");
        fs::write(&file, authority.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let posted = Arc::<AtomicUsize>::default();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self {
            port,
            authority: file,
            server: tokio::spawn(serve(listener, acceptor, posted.clone())),
            posted,
            _folder: folder,
        }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/invoice.png", self.port)
    }

    /// Settings of a hub on a machine that knows the site's authority, and no other.
    fn known(&self) -> [(&str, &str); 2] {
        [LOOPBACK, ("SSL_CERT_FILE", self.authority.to_str().unwrap())]
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, posted: Arc<AtomicUsize>) {
    let page = Arc::new(fs::read(tree::root().join("models/demo/reader/pages/invoice-1.png")).unwrap());
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let (acceptor, posted, page) = (acceptor.clone(), posted.clone(), page.clone());
        // Who does not believe the certificate leaves in the middle.
        tokio::spawn(async move { answer(connection, &acceptor, &posted, &page).await });
    }
}

/// Gives the page to one request, whatever that is.
async fn answer(
    connection: TcpStream,
    acceptor: &TlsAcceptor,
    posted: &AtomicUsize,
    page: &[u8],
) -> io::Result<()> {
    let mut connection = acceptor.accept(connection).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.split_once("content-length: ").map(|(_, rest)| rest);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    connection.read_exact(&mut body).await?;
    if head.starts_with("post ") {
        posted.fetch_add(1, Ordering::SeqCst);
    }
    let length = page.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(page).await?;
    connection.shutdown().await
}

/// A question about the image at `url`, as OpenAI's clients ask it.
fn about(url: &str) -> Value {
    let mut body = asked(READER, "买方是谁？");
    body["purpose"] = json!("commercial");
    body["messages"][0]["content"][1]["image_url"]["url"] = json!(url);
    body
}

async fn message(client: &Client, body: &Value) -> Value {
    let answer = client.post(CHAT, body).await.expect(200).json();
    answer["choices"][0]["message"].clone()
}

#[tokio::test]
async fn images_and_documents_are_fetched_from_sites_that_the_machine_believes() {
    let site = Site::start().await;
    let hub = Hub::start_with(&site.known());
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let mut sent = asked(READER, "买方是谁？");
    sent["purpose"] = json!("commercial");
    let sent = message(&client, &sent).await;
    assert_eq!(message(&client, &about(&site.url("localhost"))).await, sent);
    // The certificate is for another name.
    let other = about(&site.url("127.0.0.1"));
    client
        .post(CHAT, &other)
        .await
        .refused_as_openai(422, "url_not_fetched");
}

#[tokio::test]
async fn nothing_is_fetched_from_a_site_that_the_machine_does_not_believe() {
    let (site, other) = (Site::start().await, Site::start().await);
    let hub = hub_with_model(&other.known());
    let client = hub.client("acme", &["submitter"]);
    let documents = format!("{}/documents", open(&client, &["What is it?"]).await);
    let refused = client
        .post(&documents, &json!({ "url": site.url("localhost") }))
        .await
        .refused(422, "url_not_fetched");
    assert!(
        refused["detail"].as_str().unwrap().contains("certificate"),
        "{refused}"
    );
    let there = json!({ "url": other.url("localhost") });
    let taken = client.post(&documents, &there).await.expect(201).json();
    assert_eq!(taken["data"][0]["media_type"], "image/png");
}

#[tokio::test]
async fn webhooks_go_to_sites_that_the_machine_believes_and_to_no_others() {
    let (site, other) = (Site::start().await, Site::start().await);
    let hub = Hub::start_with(&site.known());
    let client = hub.client("acme", &["operator"]);
    for (site, attempt) in [
        (&site, json!([200, null])),
        (&other, json!([null, "certificate"])),
    ] {
        let endpoint = endpoint(&client, &site.url("localhost")).await;
        let path = format!("/v1/webhook-endpoints/{}/test", endpoint["id"].as_str().unwrap());
        let delivery = client.post(&path, &json!({})).await.expect(202).json();
        let path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
        let tried = eventually("an attempt", || async {
            let now = client.get(&path).await.expect(200).json();
            Some(now["attempts"][0].clone()).filter(|tried| !tried["duration_ms"].is_null())
        })
        .await;
        assert_eq!(tried["status"], attempt[0], "{tried}");
        let error = tried["error"].as_str().unwrap_or_default();
        assert!(error.contains(attempt[1].as_str().unwrap_or_default()), "{tried}");
    }
    assert_eq!(site.posted.load(Ordering::SeqCst), 1);
    assert_eq!(other.posted.load(Ordering::SeqCst), 0);
}
