//! A hub that runs elsewhere, as the commands see it that work through its API.

use crate::misuse::Misuse;
use anyhow::Context as _;
use clap::Args;
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::{io::Write, time::Duration};

/// Longer than a hub may take for anything but waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Said of a response that is not whole.
const BROKEN_OFF: &str = "the hub's answer broke off";

/// Which hub is asked, and by whom: options of every command that works through the API.
#[derive(Args, Debug, Clone)]
pub struct Remote {
    /// Where the hub answers
    #[arg(
        long,
        value_name = "URL",
        env = "GLMHUB_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    url: Url,
    /// The access token of the member that asks; `glmhub token issue` makes one
    #[arg(long, value_name = "TOKEN", env = "GLMHUB_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
}

impl Remote {
    /// What the hub says at `path`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json(Method::GET, path, |request| request).await
    }

    /// Every entry of the list at `path`, which may have a query, portion by portion.
    pub async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut entries = Vec::new();
        self.each(path, |entry| {
            entries.push(entry);
            Ok(())
        })
        .await?;
        Ok(entries)
    }

    /// As [`Remote::all`], each entry handed on when its portion has come.
    pub async fn each(
        &self,
        path: &str,
        mut take: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut next = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.get(&format!("{path}{joint}limit=100{next}")).await?;
            if let Value::Array(data) = page["data"].take() {
                data.into_iter().try_for_each(&mut take)?;
            }
            match page["next"].as_str() {
                Some(after) => next = format!("&after={after}"),
                None => return Ok(()),
            }
        }
    }

    /// What the hub says to `body` at `path`.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.json(Method::POST, path, |request| request.json(body)).await
    }

    /// The JSON that the hub answers with to whatever `fill` makes of the request.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Value> {
        let bytes = self.bytes(method, path, fill).await?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} did not answer with JSON", self.url))
    }

    /// The bytes that the hub answers with. A refusal becomes an error that says its code, its cure and its
    /// decision.
    pub async fn bytes(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Vec<u8>> {
        let response = self
            .response(method, path, |request| fill(request).timeout(PATIENCE))
            .await?;
        Ok(response.bytes().await.context(BROKEN_OFF)?.to_vec())
    }

    /// Writes what the hub answers with at `path` to `to` while it comes, however long that takes.
    pub async fn copy(&self, path: &str, to: &mut impl Write) -> anyhow::Result<()> {
        let mut response = self.response(Method::GET, path, |request| request).await?;
        while let Some(piece) = response.chunk().await.context(BROKEN_OFF)? {
            to.write_all(&piece)?;
        }
        Ok(to.flush()?)
    }

    /// The response to a request that the hub has taken.
    async fn response(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        let url = self
            .url
            .join(path)
            .with_context(|| format!("{path} below {}", self.url))?;
        let token = self.token.as_ref().ok_or_else(|| {
            Misuse("give --token, or set GLMHUB_TOKEN: `glmhub token issue` makes a token".into())
        })?;
        let client = reqwest::Client::builder().read_timeout(PATIENCE).build()?;
        let request = client.request(method, url).bearer_auth(token.expose_secret());
        let response = fill(request)
            .send()
            .await
            .with_context(|| format!("the hub at {} cannot be reached", self.url))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.context(BROKEN_OFF)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(problem) if problem["code"].is_string() => Err(anyhow::anyhow!(told(&problem))),
            _ => Err(anyhow::anyhow!("{} answered {status}", self.url)),
        }
    }
}

/// A problem of the hub as lines for a person.
fn told(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    let mut lines = vec![format!("{}: {}", text("code"), text("detail"))];
    for (key, name) in [("cure", "cure"), ("decision_id", "decision")] {
        if let Some(value) = problem[key].as_str() {
            lines.push(format!("{name}: {value}"));
        }
    }
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_told_with_its_cure_and_its_decision() {
        let problem = json!({
            "code": "license_not_accepted", "detail": "nobody has accepted", "cure": "accept", "decision_id": "dec_1",
        });
        assert_eq!(
            told(&problem),
            "license_not_accepted: nobody has accepted\n  cure: accept\n  decision: dec_1"
        );
    }
}
