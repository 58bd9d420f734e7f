//! `/v1/webhook-endpoints`: where a tenant's events go.

use super::{
    deliveries::DeliveryView,
    paging::{Listed, Paging},
};
use crate::{
    app::ok,
    caller::Authenticated,
    idempotency::Once,
    json_object::Object,
    outgoing::{Outgoing, OutgoingRefusal},
    problem::Problem,
    randomness::Randomness,
    signals::Signals,
    webhook_settings::WebhookSettings,
};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, LOCATION},
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::{IdMaker, WebhookEndpointId},
    names::MemberName,
    webhook::{
        BadTarget, EndpointSecret, EndpointSeed, EndpointState, EventForm, EventType, EventTypes,
        SignatureChoice, check_description,
    },
};
use exchange::webhook_key::WebhookKey;
use records::{
    Db, Stamp,
    webhooks::endpoints::{self, Choices, DISABLED_ASKED, Endpoint, NewEndpoint, NewKey},
};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/webhook-endpoints", web::post().to(create))
        .route("/v1/webhook-endpoints", web::get().to(list))
        .route("/v1/webhook-endpoints/{endpoint}", web::get().to(get))
        .route("/v1/webhook-endpoints/{endpoint}", web::patch().to(change))
        .route("/v1/webhook-endpoints/{endpoint}", web::delete().to(delete))
        .route("/v1/webhook-endpoints/{endpoint}/test", web::post().to(test));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    url: String,
    event_types: Option<Vec<EventType>>,
    description: Option<String>,
    #[serde(default)]
    signature: SignatureChoice,
    #[serde(default)]
    form: EventForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    url: Option<String>,
    event_types: Option<Vec<EventType>>,
    /// Outer: whether it is there at all; inner: `null` takes the description away.
    #[serde(default, deserialize_with = "even_null")]
    description: Option<Option<String>>,
    state: Option<WantedState>,
    signature: Option<SignatureChoice>,
    form: Option<EventForm>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WantedState {
    Enabled,
    Disabled,
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// An endpoint in JSON.
#[derive(Serialize)]
pub(super) struct EndpointView {
    id: WebhookEndpointId,
    url: String,
    description: Option<String>,
    event_types: EventTypes,
    member: MemberName,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
    disabled_code: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    failing_since: Option<OffsetDateTime>,
    signature: SignatureChoice,
    form: EventForm,
    public_key: Option<String>,
    previous_public_key: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    previous_until: Option<OffsetDateTime>,
    /// Only in the answers to its making and to its change of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl EndpointView {
    /// The same with the secret, which is not shown again.
    pub(super) fn with(self, secret: &EndpointSecret) -> Self {
        Self {
            secret: Some(secret.reveal()),
            ..self
        }
    }

    pub(super) fn of(endpoint: Endpoint) -> Self {
        let has_key = endpoint.choices.signature.has_v1a();
        let (previous_public_key, previous_until) = match endpoint.previous {
            Some(previous) => (previous.public_key, Some(previous.until)),
            None => (None, None),
        };
        let (state, disabled_at, disabled_code) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None, None),
            EndpointState::Disabled { at, code } => ("disabled", Some(at), Some(code)),
        };
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types,
            member: endpoint.member,
            created_at: endpoint.created_at,
            state,
            disabled_at,
            disabled_code,
            failing_since: endpoint.failing_since,
            signature: endpoint.choices.signature,
            form: endpoint.choices.form,
            public_key: endpoint.public_key.filter(|_| has_key),
            previous_public_key: previous_public_key.filter(|_| has_key),
            previous_until,
            secret: None,
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn create(
    caller: Authenticated,
    Json(Object(body)): Json<Object<CreateBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    outgoing: Data<Outgoing>,
    randomness: Data<Randomness>,
    settings: Data<WebhookSettings>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let CreateBody {
        url,
        event_types,
        description,
        signature,
        form,
    } = body;
    let event_types = event_types
        .map_or_else(|| Ok(EventTypes::all()), EventTypes::new)
        .map_err(bad_target)?;
    description
        .as_deref()
        .map_or(Ok(()), check_description)
        .map_err(bad_target)?;
    outgoing.check(&url).await.map_err(url_refused)?;
    let secret = EndpointSecret::of(randomness.bytes());
    let key = fresh_key(&randomness)?;
    let new = NewEndpoint {
        id: ids.make(),
        tenant: &caller.tenant,
        member: &caller.member,
        url: &url,
        description: description.as_deref(),
        event_types: &event_types,
        secret: &secret,
        choices: Choices { signature, form },
        key: Some(&key).filter(|_| signature.has_v1a()),
    };
    let stamp = Stamp::of(&ids, clock.now(), caller).under(once.claim());
    if !endpoints::create(&db, stamp, &new, settings.most_endpoints).await? {
        return Err(too_many(settings.most_endpoints));
    }
    let stored = endpoints::get(&db, &caller.tenant, new.id)
        .await?
        .ok_or_else(no_endpoint)?;
    let view = EndpointView::of(stored).with(&secret);
    let location = (LOCATION, format!("/v1/webhook-endpoints/{}", new.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(view))
}

async fn list(
    caller: Authenticated,
    query: Query<Paging<WebhookEndpointId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let (after, limit) = query.into_inner().checked()?;
    let endpoints = endpoints::list(&db, &caller.tenant, after, limit).await?;
    let views = endpoints.into_iter().map(EndpointView::of).collect();
    Ok(ok(Listed::new(views, limit, |endpoint: &EndpointView| {
        endpoint.id.to_string()
    })))
}

async fn get(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let endpoint = endpoints::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_endpoint)?;
    Ok(ok(EndpointView::of(endpoint)))
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn change(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    Json(Object(body)): Json<Object<ChangeBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    outgoing: Data<Outgoing>,
    randomness: Data<Randomness>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let ChangeBody {
        url,
        event_types,
        description,
        state,
        signature,
        form,
    } = body;
    let event_types = event_types.map(EventTypes::new).transpose().map_err(bad_target)?;
    let text = description.as_ref().and_then(Option::as_deref);
    text.map_or(Ok(()), check_description).map_err(bad_target)?;
    if let Some(url) = &url {
        outgoing.check(url).await.map_err(url_refused)?;
    }
    let now = clock.now();
    let stamp = Stamp::of(&ids, now, caller);
    let change = |endpoint: &mut Endpoint| {
        endpoint.choices = Choices {
            signature: signature.unwrap_or(endpoint.choices.signature),
            form: form.unwrap_or(endpoint.choices.form),
        };
        endpoint.url = url.unwrap_or_else(|| endpoint.url.clone());
        endpoint.event_types = event_types.unwrap_or_else(|| endpoint.event_types.clone());
        endpoint.description = description.unwrap_or_else(|| endpoint.description.clone());
        match (state, &endpoint.state) {
            (Some(WantedState::Enabled), _) => endpoint.state = EndpointState::Enabled,
            (Some(WantedState::Disabled), EndpointState::Enabled) => {
                endpoint.state = EndpointState::Disabled {
                    at: now,
                    code: DISABLED_ASKED.into(),
                };
            }
            (Some(WantedState::Disabled), EndpointState::Disabled { .. }) | (None, _) => {}
        }
    };
    let key = fresh_key(&randomness)?;
    let changed = endpoints::change(&db, stamp, &caller.tenant, *path, &key, change).await?;
    Ok(ok(EndpointView::of(changed.ok_or_else(no_endpoint)?)))
}

async fn delete(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    if endpoints::delete(&db, stamp, &caller.tenant, *path).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(no_endpoint())
    }
}

async fn test(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let tested = endpoints::test(&db, stamp, &caller.tenant, *path)
        .await?
        .ok_or_else(no_endpoint)?;
    let delivery = tested.map_err(|_| {
        Problem::conflict(
            "endpoint_disabled",
            "the endpoint is disabled; enable it with PATCH {\"state\":\"enabled\"}",
        )
    })?;
    signals.deliver.notify_one();
    let location = (LOCATION, format!("/v1/deliveries/{}", delivery.id));
    Ok(HttpResponse::Accepted()
        .insert_header(location)
        .json(DeliveryView::brief(delivery)))
}

/// A key that nobody else knows.
pub(super) fn fresh_key(randomness: &Randomness) -> Result<NewKey, Problem> {
    let seed = EndpointSeed::of(randomness.bytes());
    let public = WebhookKey::of(&seed).map_err(Problem::internal)?.public();
    Ok(NewKey { seed, public })
}

/// The 404 for an endpoint that the tenant does not have.
pub(crate) fn no_endpoint() -> Problem {
    Problem::not_found("webhook endpoint")
}

fn too_many(most: u32) -> Problem {
    Problem::conflict(
        "too_many_endpoints",
        format!(
            "a tenant has at most {most} webhook endpoints: delete one, or have webhooks.most_endpoints raised"
        ),
    )
}

fn bad_target(bad: BadTarget) -> Problem {
    let code = match bad {
        BadTarget::NoTypes | BadTarget::NotSubscribable(_) => "event_types_invalid",
        BadTarget::LongDescription => "description_too_long",
    };
    Problem::bad_request(code, bad.to_string())
}

fn url_refused(refusal: OutgoingRefusal) -> Problem {
    Problem::bad_request(
        "url_refused",
        format!("webhooks cannot be sent to this URL: {refusal}"),
    )
}
