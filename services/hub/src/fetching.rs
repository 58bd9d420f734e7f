//! Documents that the hub fetches from where a tenant says they lie, past the same guard as webhooks.

use crate::{
    multipart::essence,
    outgoing::{NotSent, Outgoing, chain, refusal_in},
    problem::Problem,
};
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use reqwest::{Response, Url, header::CONTENT_TYPE};

/// A document on its way.
pub(crate) struct Fetching {
    response: Response,
}

/// Asks for what lies at `url`.
///
/// Problems: 400 `url_refused`; 422 `url_not_fetched`, if it does not answer with a document at once: redirects are not
/// followed.
pub(crate) async fn fetch(outgoing: &Outgoing, url: &str) -> Result<Fetching, Problem> {
    let request = outgoing.get(url).map_err(|not_sent| match not_sent {
        NotSent::Refused(refusal) => refused(&refusal),
        NotSent::NoAuthorities => not_fetched(&not_sent),
    })?;
    let response = request.send().await.map_err(|error| match refusal_in(&error) {
        Some(refusal) => refused(refusal),
        None => not_fetched(&chain(&error.without_url())),
    })?;
    match response.status() {
        status if status == reqwest::StatusCode::OK => Ok(Fetching { response }),
        status => Err(not_fetched(&format!("it answered {status}"))),
    }
}

impl Fetching {
    /// What it is said to be.
    pub(crate) fn media_type(&self) -> String {
        let said = self.response.headers().get(CONTENT_TYPE);
        essence(said.and_then(|value| value.to_str().ok()).unwrap_or_default())
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> Option<String> {
        name(self.response.url())
    }

    /// Its bytes, as they come.
    pub(crate) fn content(self) -> impl Stream<Item = reqwest::Result<Bytes>> {
        self.response.bytes_stream().map_err(reqwest::Error::without_url)
    }
}

fn name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    (!last.is_empty()).then(|| last.to_owned())
}

fn refused(refusal: &impl std::fmt::Display) -> Problem {
    Problem::bad_request("url_refused", format!("nothing is fetched from there: {refusal}"))
}

fn not_fetched(cause: &impl std::fmt::Display) -> Problem {
    let detail = format!("the URL could not be fetched: {cause}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "url_not_fetched", detail).with(
        "cure",
        "give a URL that answers with the document itself, or upload it",
    )
}
