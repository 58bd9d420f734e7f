//! A member who calls a hub over one connection that stays open.

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

/// See the module's text.
#[derive(Clone)]
pub struct BenchCaller {
    pub http: Client,
    pub url: String,
    pub token: String,
}

impl BenchCaller {
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        json(self.send(Method::GET, path, |request| request).await?).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json(
            self.send(Method::POST, path, |request| request.json(body))
                .await?,
        )
        .await
    }

    /// The response, if it is no refusal.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let sent = fill(request.bearer_auth(&self.token)).send().await;
        let response = sent.with_context(|| format!("the hub did not answer {path}"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let told = response.text().await.unwrap_or_default();
        bail!("the hub answered {path} with {status}: {told}")
    }
}

async fn json(response: Response) -> anyhow::Result<Value> {
    response.json().await.context("the hub did not answer with JSON")
}
