//! The dashboard under `/admin`: pages behind a session. What is done here goes through the same functions as the API,
//! under the same rules.

mod acts;
pub mod audit_page;
mod bar_chart;
pub mod batch_page;
pub mod batches_page;
pub mod card_change_page;
pub mod card_changes_page;
mod card_facts;
pub mod card_proposal_page;
pub mod confirm_page;
pub mod dead_letters_page;
mod depth_plots;
pub mod explanation_page;
mod fields;
pub mod issuer_sign_in;
pub mod key_acts;
mod line_plot;
mod live;
mod opening;
pub mod policies_page;
mod progress;
pub mod queue_page;
pub mod refused;
pub mod replay_page;
mod return_path;
pub mod review_page;
mod shell;
pub mod sign_in;
mod sign_in_failure;
pub mod simulation_page;
pub mod tenant_page;
pub mod together_page;
mod verdict;
pub mod visitor;
pub mod webhooks_page;
mod words;
pub mod work_acts;
pub mod workers_page;

use crate::problem::Problem;
use actix_web::{error::UrlencodedError, http::StatusCode, middleware::from_fn, web};

/// The largest form that is read, in bytes: a policy file in Chinese takes nine of them for each character.
const FORM_LIMIT: usize = 256 * 1024;

/// The paths of the dashboard.
pub fn routes(config: &mut web::ServiceConfig) {
    let dashboard = web::scope("/admin")
        .wrap(from_fn(refused::translated))
        .app_data(
            web::FormConfig::default()
                .limit(FORM_LIMIT)
                .error_handler(|error, _| form_problem(&error).into()),
        )
        .configure(sessions)
        .configure(reviews)
        .configure(cards)
        .configure(policies)
        .configure(tenant)
        .configure(work)
        .configure(logs);
    config.service(dashboard);
}

fn form_problem(error: &UrlencodedError) -> Problem {
    match error {
        UrlencodedError::Overflow { .. } => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("a form has at most {FORM_LIMIT} bytes"),
        ),
        other => Problem::bad_request("form_malformed", other.to_string()),
    }
}

fn sessions(config: &mut web::ServiceConfig) {
    config
        .route("", web::get().to(queue_page::get))
        .route("/sign-in", web::get().to(sign_in::get))
        .route("/sign-in", web::post().to(sign_in::open))
        .route("/sign-in/begin", web::post().to(issuer_sign_in::begin))
        .route("/sign-in/callback", web::get().to(issuer_sign_in::callback))
        .route("/sign-out", web::post().to(sign_in::close));
}

fn reviews(config: &mut web::ServiceConfig) {
    config
        .route("/reviews", web::get().to(queue_page::get))
        .route("/reviews/together", web::get().to(together_page::ask))
        .route("/reviews/together", web::post().to(together_page::judge))
        .route("/reviews/{acceptance}", web::get().to(review_page::get))
        .route(
            "/reviews/{acceptance}/evidence/{sha256}",
            web::get().to(review_page::evidence),
        )
        .route("/reviews/{acceptance}/comment", web::post().to(acts::comment))
        .route("/reviews/{acceptance}/{act}", web::get().to(confirm_page::get))
        .route("/reviews/{acceptance}/{act}", web::post().to(acts::judge));
}

fn cards(config: &mut web::ServiceConfig) {
    let change = web::scope("/card-changes/{change}")
        .route("", web::get().to(card_change_page::get))
        .route("/agree", web::post().to(card_change_page::agree))
        .route("/{ending}", web::post().to(card_change_page::settle));
    config
        .route("/card-changes", web::get().to(card_changes_page::get))
        .route("/card-changes", web::post().to(card_proposal_page::propose))
        .route("/card-changes/new", web::get().to(card_proposal_page::get))
        .service(change);
}

fn policies(config: &mut web::ServiceConfig) {
    config
        .route("/policies", web::get().to(policies_page::get))
        .route("/policies/explain", web::get().to(explanation_page::get))
        .route("/policies/simulate", web::get().to(simulation_page::get))
        .route("/policies/simulate", web::post().to(simulation_page::simulate));
}

fn tenant(config: &mut web::ServiceConfig) {
    let key = web::scope("/tenant/keys/{key}")
        .route("/rotate", web::post().to(key_acts::rotate))
        .route("/revoke", web::get().to(key_acts::ask))
        .route("/revoke", web::post().to(key_acts::revoke));
    config
        .route("/tenant", web::get().to(tenant_page::get))
        .route("/tenant/keys", web::post().to(key_acts::create))
        .service(key);
}

fn work(config: &mut web::ServiceConfig) {
    let batch = web::scope("/batches/{batch}")
        .route("", web::get().to(batch_page::get))
        .route("/live", web::get().to(batch_page::live))
        .route("/cancel", web::get().to(work_acts::ask_batch))
        .route("/cancel", web::post().to(work_acts::cancel_batch))
        .route("/requeue", web::post().to(work_acts::requeue_batch))
        .route("/jobs/{job}/cancel", web::get().to(work_acts::ask_job))
        .route("/jobs/{job}/cancel", web::post().to(work_acts::cancel_job))
        .route("/jobs/{job}/requeue", web::post().to(work_acts::requeue_job))
        .route(
            "/documents/{document}/pages/{number}/image",
            web::get().to(work_acts::image),
        );
    config
        .route("/batches", web::get().to(batches_page::get))
        .route("/batches/live", web::get().to(batches_page::live))
        .service(batch)
        .route("/dead-letters", web::get().to(dead_letters_page::get))
        .route(
            "/dead-letters/{job}/requeue",
            web::post().to(work_acts::requeue_dead),
        )
        .route("/workers", web::get().to(workers_page::get))
        .route("/workers/live", web::get().to(workers_page::live));
}

fn logs(config: &mut web::ServiceConfig) {
    config
        .route("/webhooks", web::get().to(webhooks_page::get))
        .route("/webhooks/replay", web::get().to(replay_page::ask))
        .route("/webhooks/replay", web::post().to(replay_page::replay))
        .route("/webhooks/{delivery}", web::get().to(webhooks_page::delivery))
        .route(
            "/webhooks/{delivery}/redeliver",
            web::post().to(webhooks_page::redeliver),
        )
        .route("/audit", web::get().to(audit_page::get))
        .route("/audit/{entry}", web::get().to(audit_page::entry));
}

#[cfg(test)]
mod tests;
