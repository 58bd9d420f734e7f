//! For which purpose a request of this surface asks.

use super::settings::HfSettings;
use crate::problem::Problem;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use domain::purpose::Purpose;
use std::future::{Ready, ready};

/// The purpose that the path names, or else that of the settings.
pub(super) struct Purposed(pub Purpose);

impl FromRequest for Purposed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let purpose = match request.match_info().get("purpose") {
            Some(named) => named.parse().map_err(|_| Problem::not_found("purpose")),
            None => request
                .app_data::<Data<HfSettings>>()
                .map(|settings| settings.purpose)
                .ok_or_else(|| Problem::internal(anyhow::anyhow!("the application has no settings of hf"))),
        };
        ready(purpose.map(Purposed))
    }
}
