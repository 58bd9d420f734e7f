//! The dashboard under `/admin`: pages behind a session. What is done here goes through the same functions as the API,
//! under the same rules.

mod acts;
pub mod audit_page;
pub mod batch_page;
pub mod batches_page;
pub mod confirm_page;
pub mod dead_letters_page;
pub mod issuer_sign_in;
mod live;
mod opening;
mod progress;
pub mod queue_page;
pub mod refused;
mod return_path;
pub mod review_page;
mod shell;
pub mod sign_in;
mod sign_in_failure;
mod verdict;
pub mod visitor;
pub mod webhooks_page;
mod words;
pub mod work_acts;
pub mod workers_page;

use actix_web::{middleware::from_fn, web};

/// The paths of the dashboard.
pub fn routes(config: &mut web::ServiceConfig) {
    let dashboard = web::scope("/admin")
        .wrap(from_fn(refused::translated))
        .configure(sessions)
        .configure(reviews)
        .configure(work)
        .configure(logs);
    config.service(dashboard);
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
        .route("/reviews/{acceptance}", web::get().to(review_page::get))
        .route(
            "/reviews/{acceptance}/evidence/{sha256}",
            web::get().to(review_page::evidence),
        )
        .route("/reviews/{acceptance}/comment", web::post().to(acts::comment))
        .route("/reviews/{acceptance}/{act}", web::get().to(confirm_page::get))
        .route("/reviews/{acceptance}/{act}", web::post().to(acts::judge));
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
