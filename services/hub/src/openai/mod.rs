//! `/openai/v1`: what programs that speak with OpenAI's API need to ask this hub instead, unchanged.
//!
//! It is another way of speaking and no other way in: roles, the gate, limits and the records are those of `/v1`.
//! Handlers refuse with the same [`Problem`](crate::problem::Problem)s, which [`errors`] puts into OpenAI's form.

mod batch_view;
mod batches;
pub mod bulk;
mod chat;
mod completion;
mod conversation;
pub mod data_url;
mod errors;
mod files;
mod files_view;
mod models;
mod new_batch;
mod sent;
pub mod settings;
mod streaming;
mod unanswered;

pub(crate) use errors::told;

use crate::{app::unserved, idempotency};
use actix_web::{middleware::from_fn, web};

/// The paths of this surface. Whatever else begins like it is refused in OpenAI's form too.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/openai/v1/chat/completions")
                .wrap(from_fn(idempotency::around))
                .wrap(from_fn(errors::around))
                .route(web::post().to(chat::complete))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/files")
                .wrap(from_fn(idempotency::around))
                .wrap(from_fn(errors::around))
                .route(web::post().to(files::create))
                .route(web::get().to(files::list))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/files/{file}")
                .wrap(from_fn(errors::around))
                .route(web::get().to(files::get))
                .route(web::delete().to(files::delete))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/files/{file}/content")
                .wrap(from_fn(errors::around))
                .route(web::get().to(files::content))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/files/{file}/deletions")
                .wrap(from_fn(errors::around))
                .route(web::get().to(files::deletions))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/batches")
                .wrap(from_fn(idempotency::around))
                .wrap(from_fn(errors::around))
                .route(web::post().to(batches::create))
                .route(web::get().to(batches::list))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/batches/{batch}")
                .wrap(from_fn(errors::around))
                .route(web::get().to(batches::get))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/batches/{batch}/cancel")
                .wrap(from_fn(errors::around))
                .route(web::post().to(batches::cancel))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/models")
                .wrap(from_fn(errors::around))
                .route(web::get().to(models::list))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/models/{model}")
                .wrap(from_fn(errors::around))
                .route(web::get().to(models::get))
                .default_service(web::to(unserved)),
        )
        .service(
            web::resource("/openai/v1/models/{owner}/{name}")
                .wrap(from_fn(errors::around))
                .route(web::get().to(models::get))
                .default_service(web::to(unserved)),
        )
        .service(web::scope("/openai").wrap(from_fn(errors::around)));
}
