//! Documents and images that the hub fetches from a URL: what it gets, and what it does not let itself be sent to.

use crate::{
    hub::Hub,
    jobs::{completed, hub_with_model, open, submit},
    openai::{CHAT, READER, asked},
    tree,
    webhooks::LOOPBACK,
};
use actix_web::{App, HttpResponse, HttpServer, http::header::LOCATION, web};
use serde_json::{Value, json};
use std::fs;

/// Serves a page, and other things.
pub struct Elsewhere {
    url: String,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Elsewhere {
    pub async fn start() -> Self {
        let page = fs::read(tree::root().join("models/demo/reader/pages/invoice-1.png")).unwrap();
        let app = move || {
            let page = page.clone();
            let serve = move || {
                let page = page.clone();
                async move { HttpResponse::Ok().content_type("image/png").body(page) }
            };
            let moved = || async {
                HttpResponse::Found()
                    .insert_header((LOCATION, "/页-1.png"))
                    .finish()
            };
            App::new()
                .route("/页-1.png", web::get().to(serve))
                .route("/moved", web::get().to(moved))
                .route(
                    "/empty",
                    web::get().to(|| async { HttpResponse::Ok().content_type("image/png").finish() }),
                )
                .route(
                    "/text",
                    web::get().to(|| async { HttpResponse::Ok().content_type("text/html").body("x") }),
                )
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        Self {
            url: format!("http://{}", server.addrs()[0]),
            server: tokio::spawn(server.run()),
        }
    }

    /// What a request says of the document there.
    pub fn at(&self, path: &str) -> Value {
        json!({ "url": format!("{}/{path}", self.url) })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn a_batch_takes_documents_from_urls() {
    let hub = hub_with_model(&[LOOPBACK]);
    let elsewhere = Elsewhere::start().await;
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let documents = format!("{batch}/documents");
    let taken = client
        .post(&documents, &elsewhere.at("页-1.png"))
        .await
        .expect(201)
        .json();
    let document = &taken["data"][0];
    assert_eq!(document["media_type"], "image/png", "{document}");
    let mut named = elsewhere.at("页-1.png?from=there");
    named["name"] = json!("invoice.png");
    let named = client.post(&documents, &named).await.expect(201).json();
    assert_eq!(named["data"][0]["name"], "invoice.png");
    assert_eq!(named["data"][0]["sha256"], document["sha256"]);
    for (path, status, code) in [
        ("moved", 422, "url_not_fetched"),
        ("nothing", 422, "url_not_fetched"),
        ("text", 415, "content_type_wrong"),
        ("empty", 400, "empty_document"),
    ] {
        client
            .post(&documents, &elsewhere.at(path))
            .await
            .refused(status, code);
    }
    for (body, code) in [
        (json!({ "url": "ftp://example.com/a.png" }), "url_refused"),
        (json!({ "url": "http://169.254.169.254/latest" }), "url_refused"),
        (json!({ "url": 1 }), "json_malformed"),
        (
            json!({ "url": "https://example.com/", "to": 1 }),
            "json_malformed",
        ),
    ] {
        client.post(&documents, &body).await.refused(400, code);
    }
    let longest = json!({ "url": "x".repeat(20_000) });
    client
        .post(&documents, &longest)
        .await
        .refused(413, "body_too_large");
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(seen["jobs"]["answered"], 2, "{seen}");
}

#[tokio::test]
async fn nothing_of_the_hubs_own_network_is_fetched_unless_the_operator_allows_it() {
    let hub = hub_with_model(&[]);
    let elsewhere = Elsewhere::start().await;
    let client = hub.client("acme", &["submitter"]);
    let documents = format!("{}/documents", open(&client, &["What is it?"]).await);
    client
        .post(&documents, &elsewhere.at("页-1.png"))
        .await
        .refused(400, "url_refused");
    let (_, port) = elsewhere.url.rsplit_once(':').unwrap();
    // A name whose address is looked at while connecting.
    let by_name = json!({ "url": format!("http://localhost:{port}/text") });
    client
        .post(&documents, &by_name)
        .await
        .refused(400, "url_refused");
}

#[tokio::test]
async fn openais_clients_may_name_an_image_by_its_url() {
    let hub = Hub::start_with(&[LOOPBACK]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let elsewhere = Elsewhere::start().await;
    let client = hub.client("acme", &["submitter"]);
    let mut body = asked(READER, "买方是谁？");
    body["purpose"] = json!("commercial");
    let sent = client.post(CHAT, &body).await.expect(200).json();
    let url = &mut body["messages"][0]["content"][1]["image_url"]["url"];
    *url = elsewhere.at("页-1.png")["url"].take();
    let fetched = client.post(CHAT, &body).await.expect(200).json();
    assert_eq!(fetched["choices"][0]["message"], sent["choices"][0]["message"]);
    body["messages"][0]["content"][1]["image_url"]["url"] = elsewhere.at("moved")["url"].take();
    client
        .post(CHAT, &body)
        .await
        .refused_as_openai(422, "url_not_fetched");
}
