//! `Idempotency-Key`: a request that is sent again makes nothing again.
//!
//! The key is reserved before the handler runs, and what the handler makes is written beside it in the transaction that
//! makes it ([`records::claims`]). Afterwards the answer is kept and given again. Where an answer was not kept, because it
//! shows a secret, is long or was lost, a repetition of a job's request is answered from the job, and every other is told
//! what was made. `docs/adr/0040-a-request-that-is-sent-again-makes-nothing-again.md` says why so.

mod answering;
mod once;
mod reading;
pub mod settings;

pub use once::Once;

use crate::{caller::Authenticated, problem::Problem};
use actix_web::{
    Error, HttpMessage as _, HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    web::Data,
};
use answering::{Held, replay};
use domain::{clock::SharedClock, digest::Sha256, id::IdMaker, names::TenantName};
use reading::Body;
use records::{
    Db,
    claims::{self, Answered, ClaimKind, Made, Reserved},
};
use settings::{IdempotencySettings, Until};
use time::OffsetDateTime;

const KEY: &str = "idempotency-key";
/// How often OpenAI's clients have sent a request before. They send no key.
const SENT_BEFORE: &str = "x-stainless-retry-count";

/// What posts to these paths make is a job, and repetitions are answered from it: its answer is kept nowhere else.
const ANSWERED_FROM_JOBS: [&str; 2] = ["/v1/jobs", "/openai/v1/chat/completions"];

type Response<B> = ServiceResponse<EitherBody<B, BoxBody>>;

/// Middleware of the whole application: for what is posted to `/v1`.
pub async fn of_v1<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<Response<B>, Error> {
    match request.path().starts_with("/v1/") {
        true => around(request, next).await,
        false => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// Middleware: see the module's text. It stands inside of what puts problems into another form.
pub async fn around<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<Response<B>, Error> {
    let prepared = match prepare(&mut request).await {
        Ok(prepared) => prepared,
        Err(problem) => return Ok(refuse(request, problem)),
    };
    match prepared {
        Prepared::Plain => Ok(next.call(request).await?.map_into_left_body()),
        Prepared::Again(response) => Ok(request.into_response(response).map_into_right_body()),
        Prepared::Once(once, held) => {
            request.extensions_mut().insert(once);
            let response = next.call(request).await?;
            held.settle(response).await
        }
    }
}

/// The response keeps the problem, so that what is around may put it into another form.
fn refuse<B>(request: ServiceRequest, problem: Problem) -> Response<B> {
    request.error_response(problem).map_into_right_body()
}

/// What becomes of a request.
enum Prepared {
    /// Nothing is known of it, and nothing will be.
    Plain,
    /// It was answered before.
    Again(HttpResponse),
    /// It may make something once.
    Once(Once, Held),
}

/// The pieces that every step needs.
struct Desk {
    db: Data<Db>,
    ids: Data<IdMaker>,
    settings: Data<IdempotencySettings>,
    now: OffsetDateTime,
    tenant: TenantName,
    /// Digest of who asks for what, without the body.
    head: Sha256,
}

/// Problems: 400 `idempotency_key_malformed`, 409 `idempotency_key_in_use` and `already_made`,
/// 422 `idempotency_key_reused`.
async fn prepare(request: &mut ServiceRequest) -> Result<Prepared, Problem> {
    let (key, sent_before) = (header(request, KEY), header(request, SENT_BEFORE));
    if request.method() != Method::POST || (key.is_none() && sent_before.is_none()) {
        return Ok(Prepared::Plain);
    }
    // Whoever is not let in is told so by the handler.
    let Ok(caller) = request.extract::<Authenticated>().await else {
        return Ok(Prepared::Plain);
    };
    let desk = Desk::of(request, &caller)?;
    match key {
        Some(key) => desk.under_key(request, &key).await,
        None => {
            let again = sent_before.is_some_and(|count| count != "0");
            desk.under_request(request, again).await
        }
    }
}

/// Whether a client of OpenAI's says that it has sent the request before.
pub fn was_sent_before(request: &HttpRequest) -> bool {
    let count = request.headers().get(SENT_BEFORE);
    count.is_some_and(|count| count.as_bytes() != b"0")
}

fn header(request: &ServiceRequest, name: &str) -> Option<String> {
    let value = request.headers().get(name)?;
    // What is no text is no key: it is refused as such.
    Some(value.to_str().unwrap_or_default().to_owned())
}

fn piece<T: ?Sized + 'static>(request: &ServiceRequest) -> Result<Data<T>, Problem> {
    let found = request.app_data::<Data<T>>().cloned();
    found.ok_or_else(Problem::lacking)
}

impl Desk {
    fn of(request: &ServiceRequest, caller: &Authenticated) -> Result<Self, Problem> {
        let clock: Data<SharedClock> = piece(request)?;
        let by = caller.itself();
        let media_type = header(request, CONTENT_TYPE.as_str()).unwrap_or_default();
        let head = serde_json::json!([
            request.path(),
            request.query_string(),
            crate::multipart::essence(&media_type),
            by.member,
            by.roles,
            caller.key().map(|key| key.id),
        ]);
        Ok(Self {
            db: piece(request)?,
            ids: piece(request)?,
            settings: piece(request)?,
            now: clock.now(),
            tenant: by.tenant.clone(),
            head: Sha256::of(head.to_string().as_bytes()),
        })
    }

    /// A request with a key of the caller's.
    async fn under_key(&self, request: &mut ServiceRequest, key: &str) -> Result<Prepared, Problem> {
        let most = self.settings.most_key_characters;
        if key.is_empty() || key.len() > most || key.chars().any(char::is_control) {
            let detail = format!("an Idempotency-Key has 1 to {most} visible characters of ASCII");
            return Err(Problem::bad_request("idempotency_key_malformed", detail));
        }
        let body = Body::of(request, self.settings.most_body_bytes).await;
        let claim = (Sha256::of(format!("key {key}").as_bytes()), self.ids.make());
        let until = self.settings.of_key(self.now);
        let held = (until.held, until.kept);
        match claims::reserve(&self.db, &self.tenant, claim, self.now, held).await? {
            Reserved::Free => Ok(self.begin(request, body, claim, ClaimKind::Reserved, until)),
            Reserved::Busy => Err(in_use()),
            Reserved::Made(made) => self.again(request, body, made).await,
        }
    }

    /// A request of OpenAI's clients, which is known again by what it says.
    async fn under_request(&self, request: &mut ServiceRequest, again: bool) -> Result<Prepared, Problem> {
        let mut body = Body::of(request, self.settings.most_body_bytes).await;
        let Some(said) = body.whole(self.head) else {
            body.hand_on(request);
            return Ok(Prepared::Plain);
        };
        let claim = (Sha256::of(format!("request {said}").as_bytes()), self.ids.make());
        if again && let Some(made) = claims::made(&self.db, &self.tenant, claim.0, self.now).await? {
            return self.again(request, body, made).await;
        }
        let until = self.settings.of_request(self.now);
        Ok(self.begin(request, body, claim, ClaimKind::OfRequest, until))
    }

    fn begin(
        &self,
        request: &mut ServiceRequest,
        body: Body,
        (key, id): (Sha256, domain::id::ClaimId),
        kind: ClaimKind,
        until: Until,
    ) -> Prepared {
        let said = body.hand_on(request);
        let once = Once::first(said, self.head, (key, id), kind, until);
        let held = match (ANSWERED_FROM_JOBS.contains(&request.path()), kind) {
            // Nothing is reserved, and nothing will be kept.
            (true, ClaimKind::OfRequest) => Held::nothing(),
            (true, ClaimKind::Reserved) => Held::new(self, (key, id), 0),
            (false, _) => Held::new(self, (key, id), self.settings.most_kept_bytes),
        };
        Prepared::Once(once, held)
    }

    /// A request whose key has made something.
    async fn again(
        &self,
        request: &mut ServiceRequest,
        mut body: Body,
        made: Made,
    ) -> Result<Prepared, Problem> {
        if body.read_out(self.head).await? != made.request {
            return Err(reused());
        }
        match (&made.answer, made.subject.parse()) {
            (Answered::Kept(kept), _) => replay(kept).map(Prepared::Again),
            (_, Ok(job)) => {
                body.hand_on(request);
                Ok(Prepared::Once(Once::again(job), Held::nothing()))
            }
            (Answered::NotYet, Err(_)) => Err(in_use()),
            (Answered::Unknown, Err(_)) => Err(made_before(&made.subject)),
        }
    }
}

fn in_use() -> Problem {
    let detail = "a request with this Idempotency-Key is being answered: send it again in a moment";
    Problem::conflict("idempotency_key_in_use", detail).after(1)
}

fn reused() -> Problem {
    let detail = "this Idempotency-Key was sent with another request: send a new key with a new request, and the same \
                  request with the same key, by the same member with the same roles";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

fn made_before(subject: &str) -> Problem {
    let detail = format!(
        "this request has made {subject} already, and its answer was not kept, as it is where an answer shows a secret: \
         read {subject}, and where its secret is lost make another one"
    );
    Problem::conflict("already_made", detail).with("subject", subject)
}
