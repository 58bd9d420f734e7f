//! Every door by which something comes into the hub. A hub that cannot keep it says so and when to come again.

use crate::{
    client::{Answer, Client},
    jobs::{MODEL, call, new_batch, open, page, upload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// What a tenant needs to knock at every door.
pub const ROLES: [&str; 3] = ["submitter", "signatory", "registrar"];

/// A place where somebody knocks with something that was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Batch,
    Document,
    Submission,
    Cancelling,
    OneCall,
    Chat,
    WebhookEndpoint,
    Acceptance,
    Terms,
    Model,
}

/// All of them.
pub const DOORS: [Door; 10] = [
    Door::Batch,
    Door::Document,
    Door::Submission,
    Door::Cancelling,
    Door::OneCall,
    Door::Chat,
    Door::WebhookEndpoint,
    Door::Acceptance,
    Door::Terms,
    Door::Model,
];

/// Somebody with an open batch and known terms, made while all was well.
pub struct Caller {
    client: Client,
    pub batch: String,
    terms: Value,
}

impl Caller {
    pub async fn new(client: Client) -> Self {
        let batch = open(&client, &["What is it?"]).await;
        upload(&client, &batch, page(1), "image/png").await.expect(201);
        let terms = text(&client, "You may.").await.expect(201);
        let terms = terms.json()["sha256"].clone();
        Self { client, batch, terms }
    }

    /// Knocks once.
    pub async fn knock(&self, door: Door) -> Answer {
        let client = &self.client;
        let act = |name: &str| format!("{}/{name}", self.batch);
        match door {
            Door::Batch => client.post("/v1/batches", &new_batch(&["What is it?"])).await,
            Door::Document => upload(client, &self.batch, page(2), "image/png").await,
            Door::Submission => client.send("POST", &act("submit"), |request| request).await,
            Door::Cancelling => client.send("POST", &act("cancel"), |request| request).await,
            Door::OneCall => {
                let fill = |request: RequestBuilder| request.multipart(call(page(3)));
                client.send("POST", "/v1/jobs", fill).await
            }
            Door::Chat => client.post("/openai/v1/chat/completions", &chat()).await,
            Door::WebhookEndpoint => {
                let body = json!({ "url": "https://receiver.example.com/" });
                client.post("/v1/webhook-endpoints", &body).await
            }
            Door::Acceptance => client.post("/v1/acceptances", &self.acceptance()).await,
            Door::Terms => text(client, "You may not.").await,
            Door::Model => {
                let license = json!({ "id": "mit", "source": "its card" });
                let body = json!({ "id": "acme/reader", "license": license, "parents": [] });
                client.post("/v1/models", &body).await
            }
        }
    }

    /// Knocks at a door that must not open now.
    pub async fn is_refused(&self, door: Door, code: &str) {
        let answer = self.knock(door).await;
        assert!(answer.header("retry-after").is_some(), "{door:?}: {answer:?}");
        match door {
            Door::Chat => answer.refused_as_openai(503, code),
            _ => answer.refused(503, code),
        };
    }

    fn acceptance(&self) -> Value {
        json!({
            "license": "glm-4", "terms_sha256": self.terms, "purposes": ["commercial"],
            "registration_number": "R-1", "signer": { "name": "the signatory", "title": "Counsel" },
        })
    }
}

async fn text(client: &Client, text: &str) -> Answer {
    let text = text.to_owned();
    let fill = |request: RequestBuilder| request.header("content-type", "text/plain").body(text);
    client.send("PUT", "/v1/licenses/glm-4/terms", fill).await
}

fn chat() -> Value {
    let image = format!("data:image/png;base64,{}", STANDARD.encode(page(4)));
    let content = json!([
        { "type": "text", "text": "What is it?" },
        { "type": "image_url", "image_url": { "url": image } },
    ]);
    json!({
        "model": MODEL, "messages": [{ "role": "user", "content": content }], "max_completion_tokens": 4,
        "purpose": "research",
    })
}
