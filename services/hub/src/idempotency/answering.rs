//! Keeping what a request was answered, and giving it again.

use super::{Desk, Response};
use crate::problem::Problem;
use actix_web::{
    Error, HttpResponse,
    body::{self, BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderMap, HeaderName},
    },
    rt,
    web::Data,
};
use domain::{digest::Sha256, id::ClaimId, names::TenantName};
use records::{
    Db,
    claims::{self, Kept},
};
use time::OffsetDateTime;

/// The headers that are part of an answer; the others are of this response alone.
const KEPT_HEADERS: [&str; 4] = ["content-type", "location", "x-attribution", "x-decision-id"];

/// A key that the running request holds. Dropped, its hold ends.
pub(super) struct Held(Option<Key>);

struct Key {
    db: Data<Db>,
    tenant: TenantName,
    claim: (Sha256, ClaimId),
    /// When the request came.
    now: OffsetDateTime,
    most: usize,
}

impl Held {
    /// A key whose answer is kept if it has at most so many bytes.
    pub(super) fn new(desk: &Desk, claim: (Sha256, ClaimId), most: usize) -> Self {
        Self(Some(Key {
            db: desk.db.clone(),
            tenant: desk.tenant.clone(),
            claim,
            now: desk.now,
            most,
        }))
    }

    /// No key.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// Keeps the response, if it is one to keep, and hands it on. Whoever repeats its request then is told so.
    pub(super) async fn settle<B: MessageBody + 'static>(
        mut self,
        response: ServiceResponse<B>,
    ) -> Result<Response<B>, Error> {
        if !self.0.as_ref().is_some_and(|key| key.keeps(&response)) {
            if let Some(key) = self.0.take() {
                key.release().await;
            }
            return Ok(response.map_into_left_body());
        }
        let (request, response) = response.into_parts();
        let (response, body) = response.into_parts();
        let body = body::to_bytes(body).await.map_err(Into::into)?;
        if let (Some(key), Ok(text)) = (self.0.take(), std::str::from_utf8(&body)) {
            let kept = Kept {
                status: response.status().as_u16(),
                headers: kept_headers(response.headers()),
                body: text.to_owned(),
            };
            key.keep(&kept).await;
        }
        let response = response.set_body(BoxBody::new(body));
        Ok(ServiceResponse::new(request, response).map_into_right_body())
    }
}

/// Whether a response says that it must not be kept: it shows a secret.
fn is_secret(headers: &HeaderMap) -> bool {
    headers
        .get(CACHE_CONTROL)
        .is_some_and(|value| value.as_bytes() == b"no-store")
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers
        .iter()
        .filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()));
    kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

impl Key {
    fn keeps<B: MessageBody>(&self, response: &ServiceResponse<B>) -> bool {
        let BodySize::Sized(bytes) = response.response().body().size() else {
            return false;
        };
        bytes <= self.most as u64 && response.status().is_success() && !is_secret(response.headers())
    }

    /// What was made is durable; if its answer cannot be kept, a repetition is told what was made.
    async fn keep(self, kept: &Kept) {
        match claims::keep(&self.db, &self.tenant, self.claim, kept).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(cause = %error, "an answer could not be kept for a repetition of its request");
            }
        }
        self.release().await;
    }

    async fn release(self) {
        if let Err(error) = claims::release(&self.db, &self.tenant, self.claim, self.now).await {
            tracing::warn!(cause = %error, "an idempotency key is held until its hold ends");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(key) = self.0.take() {
            rt::spawn(key.release());
        }
    }
}

/// The response that was kept.
pub(super) fn replay(kept: &Kept) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(kept.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    for (name, value) in &kept.headers {
        let name: HeaderName = name.parse().map_err(Problem::internal)?;
        response.append_header((name, value.as_str()));
    }
    response.insert_header(("idempotent-replayed", "true"));
    Ok(response.body(kept.body.clone()))
}
