//! Blobs in a bucket: who asks there is found as Amazon's clients find it, and files are read by links where that is
//! wanted.

use crate::{
    client::Client,
    fleet::bucket::{ACCESS, BUCKET, Bucket, SECRET},
    hf_package,
    hub::Hub,
    jobs::{open, page, upload},
    licence::scene::{MODEL, Scene},
    python::packages,
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use domain::digest::Sha256;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What a hub is told of the bucket, but for who asks.
fn told(bucket: &Bucket) -> Vec<(&'static str, String)> {
    vec![
        ("GLMHUB_BLOBS__BUCKET", BUCKET.into()),
        ("GLMHUB_BLOBS__ENDPOINT", format!("http://{}", bucket.address())),
        ("GLMHUB_BLOBS__PATH_STYLE", "true".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ]
}

/// The same, asked by a key of the environment, with links.
fn with_links(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let mut settings = told(bucket);
    settings.extend([
        ("AWS_ACCESS_KEY_ID", ACCESS.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("GLMHUB_BLOBS__LINK_SECONDS", "60".to_owned()),
    ]);
    settings
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// What somebody without a token reads at a link.
async fn at(link: &str, range: Option<&str>) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut get = client.get(link);
    if let Some(range) = range {
        get = get.header("range", range);
    }
    get.send().await.unwrap()
}

/// The path of a document that was uploaded.
async fn uploaded(client: &Client, bytes: Vec<u8>) -> String {
    let batch = open(client, &["What is it?"]).await;
    let documents = upload(client, &batch, bytes, "image/png")
        .await
        .expect(201)
        .json();
    format!(
        "{batch}/documents/{}",
        documents["data"][0]["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn who_may_read_a_document_is_led_to_the_bucket_when_that_was_noted() {
    let bucket = Bucket::start();
    let settings = with_links(&bucket);
    let hub = Hub::start_with(&borrowed(&settings));
    hub.import(MODEL, &crate::jobs::tiny());
    let client = hub.client("acme", &["submitter", "auditor"]);
    let document = uploaded(&client, page(7)).await;
    let content = format!("{document}/content");
    let led = client.get(&content).await.expect(302);
    assert_eq!(
        (led.header("cache-control"), led.body.len()),
        (Some("private, no-store"), 0)
    );
    let link = led.header("location").unwrap().to_owned();
    assert!(
        link.starts_with(&format!("http://{}/{BUCKET}/", bucket.address())),
        "{link}"
    );
    assert!(
        link.contains("X-Amz-Expires=60") && !link.contains(SECRET),
        "{link}"
    );
    // Nobody's token goes there, and none is needed.
    let read = at(&link, None).await;
    assert_eq!(read.status(), 200);
    assert_eq!(read.headers()["content-type"], "image/png");
    assert!(
        read.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(read.bytes().await.unwrap(), page(7));
    let entries = client
        .get("/v1/audit/entries?kind=document.read")
        .await
        .expect(200)
        .json();
    assert_eq!(entries["data"].as_array().unwrap().len(), 1, "{entries}");
    hub.client("other", &["submitter"])
        .get(&content)
        .await
        .refused(404, "not_found");
    hub.stranger().get(&content).await.refused(401, "token_missing");
}

#[tokio::test]
async fn files_of_models_are_read_by_links_and_archives_are_not() {
    let bucket = Bucket::start();
    let settings = with_links(&bucket);
    let scene = Scene::set_with(&borrowed(&settings)).await;
    let auditor = scene.hub.client("acme", &["auditor"]);
    let downloads = async || {
        let entries = auditor
            .get("/v1/audit/entries?kind=model.downloaded")
            .await
            .expect(200)
            .json();
        entries["data"].as_array().unwrap().len()
    };
    let config = std::fs::read(scene.weights.file("config.json")).unwrap();
    let path = format!("/hf/{MODEL}/resolve/main/config.json");
    let ask = |method: &'static str| scene.submitter.send_unjudged(method, &path, |request| request);
    let head = ask("HEAD").await.expect(200);
    let digest = Sha256::of(&config).to_string();
    assert_eq!(head.header("etag"), Some(&*format!("\"{digest}\"")));
    assert_eq!(downloads().await, 0, "nothing was given out yet");
    let led = ask("GET").await.expect(302);
    assert_eq!(led.header("x-linked-etag"), head.header("etag"));
    assert_eq!(led.header("x-linked-size"), Some(&*config.len().to_string()));
    assert_eq!(led.header("x-repo-commit"), head.header("x-repo-commit"));
    assert!(led.header("x-decision-id").is_some());
    assert_eq!(downloads().await, 1);
    let link = led.header("location").unwrap();
    assert_eq!(at(link, None).await.bytes().await.unwrap(), config);
    let part = at(link, Some("bytes=3-9")).await;
    assert_eq!(
        (part.status().as_u16(), part.bytes().await.unwrap().to_vec()),
        (206, config[3..10].to_vec())
    );
    // Without an allow there is no link.
    let commercial = format!("/hf/for/commercial/{MODEL}/resolve/main/config.json");
    let refused = scene
        .submitter
        .send_unjudged("GET", &commercial, |request| request)
        .await;
    assert!(
        refused.status == 403 && refused.header("location").is_none(),
        "{}",
        refused.text()
    );
    let model = scene
        .submitter
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    let revision = model["revision"]["sha256"].as_str().unwrap();
    let archive = format!("/v1/models/{MODEL}/revisions/{revision}/archive?purpose=research");
    scene.submitter.get(&archive).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_package_follows_links() {
    let Some(folders) = packages("GLMHUB_TEST_HUGGINGFACE_HUB") else {
        return;
    };
    let bucket = Bucket::start();
    let settings = with_links(&bucket);
    hf_package::pulls(&Scene::set_with(&borrowed(&settings)).await, &folders).await;
}

/// The token that a container asks with for its credentials.
const TOKEN: &str = "of-the-container";

/// What a container's own address gives.
async fn credentials(request: HttpRequest, asked: web::Data<AtomicUsize>) -> HttpResponse {
    let told = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if told != Some(TOKEN) {
        return HttpResponse::Forbidden().finish();
    }
    asked.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().json(json!({
        "AccessKeyId": ACCESS, "SecretAccessKey": SECRET, "Token": "a-session", "Expiration": "2099-01-01T00:00:00Z",
    }))
}

#[tokio::test]
async fn a_container_is_asked_for_its_credentials() {
    let asked = Arc::new(AtomicUsize::new(0));
    let data = web::Data::from(asked.clone());
    let app = move || {
        App::new()
            .app_data(data.clone())
            .default_service(web::to(credentials))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = format!("http://{}/role", server.addrs()[0]);
    let serving = tokio::spawn(server.run());
    let bucket = Bucket::start();
    let mut settings = told(&bucket);
    settings.extend([
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN.to_owned()),
    ]);
    let hub = Hub::start_with(&borrowed(&settings));
    hub.stranger().get("/readyz").await.expect(200);
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert!(!hub.log().contains(SECRET) && !hub.log().contains(TOKEN));
    serving.abort();
}

#[tokio::test]
async fn a_machine_that_says_nobody_is_not_ready() {
    let bucket = Bucket::start();
    let settings = told(&bucket);
    let hub = Hub::start_with(&borrowed(&settings));
    let problem = hub.stranger().get("/readyz").await.refused(503, "not_ready");
    assert_eq!(problem["parts"]["blobs"], "failed", "{problem}");
}
