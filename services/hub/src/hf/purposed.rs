//! For which purpose a request of this surface asks.

use super::settings::HfSettings;
use crate::{caller::Authenticated, problem::Problem};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use domain::purpose::Purpose;
use std::future::{Ready, ready};

/// The purpose that the path names, if it names one, and that of the settings.
pub(super) struct Purposed {
    named: Option<Purpose>,
    usual: Purpose,
}

impl Purposed {
    /// What a request of `caller` is for: what its path names, else what its key says, else what the settings say.
    pub(super) fn of(&self, caller: &Authenticated) -> Purpose {
        let by_key = || caller.key().and_then(|key| key.purpose);
        self.named.or_else(by_key).unwrap_or(self.usual)
    }
}

impl FromRequest for Purposed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let named = request.match_info().get("purpose").map(str::parse);
        let settings = request.app_data::<Data<HfSettings>>();
        ready(match (named, settings) {
            (Some(Err(_)), _) => Err(Problem::not_found("purpose")),
            (_, None) => Err(Problem::internal(anyhow::anyhow!(
                "the application has no settings of hf"
            ))),
            (named, Some(settings)) => Ok(Self {
                named: named.and_then(Result::ok),
                usual: settings.purpose,
            }),
        })
    }
}
