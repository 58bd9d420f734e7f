//! The whole URL space, and how requests that reach no handler are answered.

use crate::{admin, api, hf, openai, problem::Problem, site};
use actix_web::{HttpRequest, HttpResponse, error, http::StatusCode, web};

/// The largest JSON body that a handler reads, in bytes: as many questions as a batch may have, each as long as it may
/// be and every character of it escaped, fit.
pub const JSON_LIMIT: usize = 8 * 1024 * 1024;

/// Every route of the hub, and the form of errors that arise before a handler runs.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default()
                .limit(JSON_LIMIT)
                .error_handler(|error, _| json_problem(&error).into()),
        )
        .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found("thing").into()))
        .app_data(
            web::QueryConfig::default()
                .error_handler(|error, _| Problem::bad_request("query_malformed", error.to_string()).into()),
        )
        .configure(api::api_keys::routes)
        .configure(api::card_changes::routes)
        .configure(api::archives::routes)
        .configure(api::audit::routes)
        .configure(api::bom::routes)
        .configure(api::comparison::routes)
        .configure(api::family::routes)
        .configure(api::effective_terms::routes)
        .configure(api::hardware::routes)
        .configure(api::registration::routes)
        .configure(api::models::routes)
        .configure(api::model_uploads::routes)
        .configure(api::licenses::routes)
        .configure(api::terms::routes)
        .configure(api::acceptances::routes)
        .configure(api::acceptance_acts::routes)
        .configure(api::acceptance_evidence::routes)
        .configure(api::acceptance_comments::routes)
        .configure(api::decisions::routes)
        .configure(api::policies::routes)
        .configure(api::explanation::routes)
        .configure(api::simulation::routes)
        .configure(api::batches::routes)
        .configure(api::document_content::routes)
        .configure(api::documents::routes)
        .configure(api::put_documents::routes)
        .configure(api::upload_links::routes)
        .configure(api::jobs::routes)
        .configure(api::job_stream::routes)
        .configure(api::preflight::routes)
        .configure(api::proofs::routes)
        .configure(api::results::routes)
        .configure(api::one_call::routes)
        .configure(api::deletions::routes)
        .configure(api::retention::routes)
        .configure(api::usage::routes)
        .configure(api::webhook_endpoints::routes)
        .configure(api::webhook_rotation::routes)
        .configure(api::deliveries::routes)
        .configure(api::workers::routes)
        .configure(api::health::routes)
        .configure(openai::routes)
        .configure(hf::routes)
        .configure(site::routes)
        .configure(admin::routes)
        .default_service(web::to(unserved));
}

/// Answers what no route takes: 405 if the path is one of ours and the method is not, else 404.
pub(crate) async fn unserved(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(match request.match_pattern() {
        Some(pattern) => Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!(
                "{pattern} has no {}; openapi.yaml lists its methods",
                request.method()
            ),
        ),
        None => Problem::not_found("path"),
    })
}

fn json_problem(error: &error::JsonPayloadError) -> Problem {
    match error {
        error::JsonPayloadError::ContentType => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_wrong",
            "send the body as application/json",
        ),
        error::JsonPayloadError::Overflow { .. } | error::JsonPayloadError::OverflowKnownLength { .. } => {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("a JSON body has at most {JSON_LIMIT} bytes"),
            )
        }
        other => Problem::bad_request("json_malformed", other.to_string()),
    }
}

/// 200 with a JSON body.
pub fn ok(body: impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().json(body)
}
