//! Keeping what a request was answered, and giving it again.

use super::Response;
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

/// The headers that are part of an answer; the others are of this response alone.
const KEPT_HEADERS: [&str; 4] = ["content-type", "location", "x-attribution", "x-decision-id"];

/// A key that the running request holds. Dropped, it is given free unless the request has made something.
pub(super) struct Held(Option<Key>);

struct Key {
    db: Data<Db>,
    tenant: TenantName,
    claim: (Sha256, ClaimId),
    most: usize,
}

impl Held {
    pub(super) fn new(db: Data<Db>, tenant: TenantName, claim: (Sha256, ClaimId), most: usize) -> Self {
        Self(Some(Key {
            db,
            tenant,
            claim,
            most,
        }))
    }

    /// No key.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// Keeps the response, if it is one to keep, and hands it on.
    pub(super) async fn settle<B: MessageBody + 'static>(
        mut self,
        response: ServiceResponse<B>,
    ) -> Result<Response<B>, Error> {
        let BodySize::Sized(bytes) = response.response().body().size() else {
            return Ok(response.map_into_left_body());
        };
        let wanted = self.0.as_ref().is_some_and(|key| bytes <= key.most as u64);
        if !wanted || !response.status().is_success() || is_secret(response.headers()) {
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
    /// What was made is durable; if its answer cannot be kept, a repetition is told what was made.
    async fn keep(self, kept: &Kept) {
        let key = (self.claim, &self.tenant);
        let done = match claims::keep(&self.db, key.1, key.0, kept).await {
            Ok(()) => claims::release(&self.db, key.1, key.0).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(cause = %error, "an answer could not be kept for a repetition of its request");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(key) = self.0.take() else { return };
        rt::spawn(async move {
            if let Err(error) = claims::release(&key.db, &key.tenant, key.claim).await {
                tracing::warn!(cause = %error, "an idempotency key is held until its hold ends");
            }
        });
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
