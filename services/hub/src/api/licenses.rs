//! `/v1/licenses`: the facts of licenses, with the digests of their texts.

use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use domain::{
    access::Act,
    digest::Sha256,
    license::{Duty, License, PublishedText, PurposeFacts},
    names::LicenseName,
    policy::CurrentPolicies,
    purpose::Purpose,
};
use records::{
    Db,
    terms::{self, KnownTerms},
};
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/licenses", web::get().to(list))
        .route("/v1/licenses/{license}", web::get().to(get));
}

async fn list(
    caller: Authenticated,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let mut texts: BTreeMap<LicenseName, Vec<KnownTerms>> = BTreeMap::new();
    for known in terms::list(&db).await? {
        texts.entry(known.license.clone()).or_default().push(known);
    }
    let policies = policies.get();
    let view = |license| LicenseView::of(license, texts.get(&license.id).map_or(&[][..], Vec::as_slice));
    let data: Vec<LicenseView<'_>> = policies.licenses().iter().map(|license| view(license)).collect();
    Ok(ok(serde_json::json!({ "data": data, "next": null })))
}

async fn get(
    caller: Authenticated,
    path: Path<LicenseName>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let policies = policies.get();
    let license = policies
        .licenses()
        .get(&path)
        .ok_or_else(|| Problem::not_found("license"))?;
    let texts = terms::of_license(&db, &license.id).await?;
    Ok(ok(LicenseView::of(license, &texts)))
}

/// A license in JSON.
#[derive(Serialize)]
struct LicenseView<'a> {
    id: &'a LicenseName,
    title: &'a str,
    source: &'a str,
    published: &'a [PublishedText],
    registration_source: Option<&'a str>,
    governing_law: Option<&'a str>,
    revocable: bool,
    prohibitions: &'a [String],
    duties: &'a [Duty],
    purposes: BTreeMap<Purpose, &'a PurposeFacts>,
    terms: Vec<TermsView<'a>>,
}

#[derive(Serialize)]
struct TermsView<'a> {
    sha256: Sha256,
    #[serde(with = "time::serde::rfc3339")]
    seen_at: OffsetDateTime,
    /// Where the licensor published this very text, if that is known.
    published_at: Option<&'a str>,
}

impl<'a> LicenseView<'a> {
    fn of(license: &'a License, texts: &[KnownTerms]) -> Self {
        let terms = texts.iter().map(|known| TermsView {
            sha256: known.sha256,
            seen_at: known.seen_at,
            published_at: license.published_at(&known.sha256),
        });
        Self {
            id: &license.id,
            title: &license.title,
            source: &license.source,
            published: &license.published,
            registration_source: license.registration_source.as_deref(),
            governing_law: license.governing_law.as_deref(),
            revocable: license.revocable,
            prohibitions: &license.prohibitions,
            duties: &license.duties,
            purposes: license.purposes(),
            terms: terms.collect(),
        }
    }
}
