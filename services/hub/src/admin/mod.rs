//! The dashboard under `/admin`: pages for reviewers behind a session. What is done here goes through the same
//! functions as the API, under the same rules.

mod acts;
pub mod confirm_page;
pub mod queue_page;
pub mod refused;
pub mod review_page;
pub mod sign_in;
pub mod visitor;
mod words;

use actix_web::web;

/// The paths of the dashboard.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/admin", web::get().to(queue_page::get))
        .route("/admin/sign-in", web::get().to(sign_in::get))
        .route("/admin/sign-in", web::post().to(sign_in::open))
        .route("/admin/sign-out", web::post().to(sign_in::close))
        .route("/admin/reviews", web::get().to(queue_page::get))
        .route("/admin/reviews/{acceptance}", web::get().to(review_page::get))
        .route(
            "/admin/reviews/{acceptance}/evidence/{sha256}",
            web::get().to(review_page::evidence),
        )
        .route(
            "/admin/reviews/{acceptance}/comment",
            web::post().to(acts::comment),
        )
        .route(
            "/admin/reviews/{acceptance}/{act}",
            web::get().to(confirm_page::get),
        )
        .route("/admin/reviews/{acceptance}/{act}", web::post().to(acts::judge));
}

#[cfg(test)]
mod tests;
