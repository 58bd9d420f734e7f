//! A client of the hub that believes no response which `openapi.yaml` does not describe.

use crate::contract::{CONTRACT, Seen};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::time::Duration;

/// Longer than any call may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(180);

/// See the module's text.
#[derive(Clone)]
pub struct Client {
    url: String,
    token: Option<String>,
    http: reqwest::Client,
}

/// A response that is as documented.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    request: String,
}

impl Client {
    /// A client of the hub at `url`.
    pub fn new(url: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder()
            // A test may be busy elsewhere for longer than a hub keeps a connection open.
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            // What a page leads to is for the test to judge.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            url: url.to_owned(),
            token,
            http,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, |request| request).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, |request| request).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, |request| request.json(body)).await
    }

    /// Sends whatever `fill` makes of the request, and judges the response.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let answer = self.send_unjudged(method, path, fill).await;
        let Answer {
            status,
            headers,
            body,
            request,
        } = &answer;
        let seen = Seen {
            method,
            path,
            status: *status,
            headers,
            body,
        };
        if let Err(fault) = CONTRACT.judge(&seen) {
            panic!(
                "{request} → {status} is not as openapi.yaml says: {fault}\n{}",
                answer.text()
            );
        }
        answer
    }

    /// A response of 200 whose body comes bit by bit.
    pub async fn open(&self, path: &str) -> reqwest::Response {
        self.opened(self.http.get(self.url.clone() + path)).await
    }

    /// As [`Client::open`], for posted JSON.
    pub async fn open_with(&self, path: &str, body: &Value) -> reqwest::Response {
        self.opened(self.http.post(self.url.clone() + path).json(body))
            .await
    }

    async fn opened(&self, request: RequestBuilder) -> reqwest::Response {
        let token = self.token.as_deref().unwrap_or_default();
        let response = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.url());
        response
    }

    /// As [`Client::send`], for requests that no documented operation can answer.
    pub async fn send_unjudged(
        &self,
        method: &str,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let answer = self.try_send(method, path, fill).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// As [`Client::send_unjudged`], for hubs that may die in the middle.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(
            Method::from_bytes(method.as_bytes()).unwrap(),
            self.url.clone() + path,
        );
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = fill(request).send().await?;
        let text =
            |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            request: format!("{method} {path}"),
            body: response.bytes().await?.to_vec(),
        })
    }
}

impl Answer {
    /// This answer, if it has that status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self
    }

    /// The problem, if it has that status and code.
    pub fn refused(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status).json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }

    /// The error in OpenAI's form, if it has that status and code.
    pub fn refused_as_openai(self, status: u16, code: &str) -> Value {
        let error = self.expect(status).json()["error"].take();
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.request))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}
