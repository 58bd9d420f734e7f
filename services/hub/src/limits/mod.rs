//! How much tenants and API keys may ask for: requests in a minute, pages and tokens in a day.
//!
//! Requests are counted when somebody is let in, by each process for itself. Pages and tokens are added up in the records,
//! by all hubs together; who has used up a day's gives no new work until the next one, and what was taken goes on. Responses
//! tell what is left in `RateLimit` and `RateLimit-Policy`, as the HTTPAPI working group of the IETF drafts them, and under
//! `/openai` as its clients know it.

mod left;
mod quotas;
mod rates;
pub mod settings;

pub use quotas::Submitting;
pub(crate) use quotas::has_some_left;

use crate::{caller::Authenticated, problem::Problem};
use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use domain::{id::ApiKeyId, limits::Limits, names::TenantName};
use left::{Left, Told};
use rates::Rates;
use settings::LimitSettings;

/// What the limits are, and the requests that were counted.
pub struct Keeper {
    settings: LimitSettings,
    rates: Rates,
}

impl Keeper {
    /// A keeper that has counted nothing.
    pub fn new(settings: LimitSettings) -> Self {
        Self {
            settings,
            rates: Rates::default(),
        }
    }

    /// The limits of a tenant.
    pub fn of_tenant(&self, tenant: &TenantName) -> Limits {
        self.settings.of_tenant(tenant)
    }

    /// The limits of a caller: those of its tenant, and those of the key that it comes with.
    fn of(&self, caller: &Authenticated) -> impl Iterator<Item = (Whose, Limits)> + use<> {
        let key = caller.key().map(|key| (key.id, key.limits));
        self.of_both(&caller.itself().tenant, key)
    }

    fn of_both(
        &self,
        tenant: &TenantName,
        key: Option<(ApiKeyId, Limits)>,
    ) -> impl Iterator<Item = (Whose, Limits)> + use<> {
        let of_tenant = (Whose::Tenant(tenant.clone()), self.settings.of_tenant(tenant));
        let of_key = key.map(|(id, limits)| (Whose::Key(id), limits.or(self.settings.of_key())));
        of_key.into_iter().chain([of_tenant])
    }
}

/// Who is limited.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Tenant(TenantName),
    Key(ApiKeyId),
}

impl Whose {
    /// The word in names of policies and in problems.
    fn as_str(&self) -> &'static str {
        match self {
            Whose::Tenant(_) => "tenant",
            Whose::Key(_) => "key",
        }
    }
}

/// Counts a request of `caller`. Problem: 429 `rate_limited`.
pub(crate) fn count(request: &HttpRequest, keeper: &Keeper, caller: &Authenticated) -> Result<(), Problem> {
    for (whose, limits) in keeper.of(caller) {
        let Some(most) = limits.requests_per_minute else {
            continue;
        };
        let left = keeper.rates.count(&whose, most);
        tell(request, left);
        if !left.is_within {
            metrics::counter!("glmhub_refused_rate_total", "of" => whose.as_str()).increment(1);
            let of = whose.as_str();
            let detail =
                format!("{most} requests in a minute are taken of the {of}, and these have come; slow down");
            let problem = Problem::too_many("rate_limited", detail, left.seconds.max(1));
            return Err(problem.with("of", of).with("limit", most.get()));
        }
    }
    Ok(())
}

/// Remembers what the response is to tell.
fn tell(request: &HttpRequest, left: Left) {
    let mut extensions = request.extensions_mut();
    match extensions.get_mut::<Told>() {
        Some(told) => told.add(left),
        None => {
            let mut told = Told::default();
            told.add(left);
            extensions.insert(told);
        }
    }
}

/// Middleware for the whole application: responses tell what is left.
pub async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let is_of_openai = request.path().starts_with("/openai/");
    let mut response = next.call(request).await?;
    let told = response.request().extensions_mut().remove::<Told>();
    for (name, value) in told.iter().flat_map(|told| told.headers(is_of_openai)) {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
