//! Pages for people: the catalogue under `/models`. They are made on the server, in English and Chinese, and need no
//! script, no foreign server and no token.

mod assets;
pub mod comparison_page;
mod drawing;
mod figures;
pub mod kept;
pub mod list_page;
pub mod model_page;

use crate::problem::Problem;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Bytes},
};
use askama::Template;
use domain::language::Language;
use time::OffsetDateTime;

/// Nothing but our own style, images and forms: a text that slipped through escaping could load and send nothing.
pub const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                  base-uri 'none'; frame-ancestors 'none'";

/// The same for pages that go on telling: our own script, and connections to us.
const LIVE_CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                   base-uri 'none'; frame-ancestors 'none'; script-src 'self'; connect-src 'self'";

/// The paths of the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/assets/site.css", web::get().to(assets::style))
        .route("/assets/htmx.js", web::get().to(assets::htmx))
        .route("/assets/htmx-sse.js", web::get().to(assets::htmx_sse))
        .route("/models", web::get().to(list_page::get))
        .route("/models/compare", web::get().to(comparison_page::get))
        .route(
            "/models/{owner}/{name}/lineage.svg",
            web::get().to(model_page::svg),
        )
        .route(
            "/models/{owner}/{name}/lineage.mmd",
            web::get().to(model_page::mermaid),
        )
        .route("/models/{owner}/{name}", web::get().to(model_page::get));
}

/// The language of a page: the one that its query names, else the one that the browser wishes for.
pub fn language(request: &HttpRequest, named: Option<&str>) -> Language {
    let wish = request.headers().get(header::ACCEPT_LANGUAGE);
    let wished = || wish.and_then(|wish| wish.to_str().ok()).map(Language::wished);
    named
        .and_then(|name| name.parse().ok())
        .or_else(wished)
        .unwrap_or_default()
}

/// A page as a response.
pub fn page(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    under(CONTENT_POLICY, status, page)
}

/// A page that goes on telling, as a response.
pub fn live_page(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    under(LIVE_CONTENT_POLICY, status, page)
}

/// A moment as pages tell it, to the minute.
pub fn minute(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}

fn under(policy: &'static str, status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let body = page.render().map_err(Problem::internal)?;
    Ok(response(policy, status, body.into()))
}

fn response(policy: &'static str, status: StatusCode, body: Bytes) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Without any, browsers would not say either where a form comes from.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::VARY, "accept-language"))
        .body(body)
}

/// What is shown where there is no such model.
#[derive(Template)]
#[template(path = "missing.html")]
pub struct MissingPage {
    /// The language.
    pub t: Language,
    /// The page in the other language.
    pub other: String,
    /// What there is none of.
    pub name: String,
}

impl MissingPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            other: "?lang=zh".into(),
            name: "no/such".into(),
        }
    }
}

#[cfg(test)]
mod tests;
