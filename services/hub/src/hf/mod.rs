//! `/hf`: what programs of the Hugging Face world need to pull a model from this hub, unchanged, with
//! `HF_ENDPOINT=https://hub/hf`.
//!
//! It is another way of speaking and no other way in: roles, the gate and the records are those of `/v1`. A name, its
//! facts and the list of its files are catalogue; every file is given out by a decision of the gate, and what its
//! license obliges to pass on stands in the repository beside it. These programs cannot say for which purpose they
//! ask: `/hf` is for the purpose of the settings, `/hf/for/{purpose}` for the one that it names.

mod access;
mod accounts;
mod errors;
mod files;
mod info;
mod listing;
mod purposed;
mod repository;
pub mod settings;

pub(crate) use errors::told;

use crate::app::unserved;
use actix_web::{
    guard,
    middleware::from_fn,
    web::{self, ServiceConfig},
};

/// The paths of this surface. Whatever else begins like it is refused in its form too.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("/hf")
            .wrap(from_fn(errors::around))
            .service(web::scope("/for/{purpose}").configure(paths))
            .configure(paths)
            .default_service(web::to(unserved)),
    );
}

fn paths(config: &mut ServiceConfig) {
    config
        .route("/api/whoami-v2", web::get().to(accounts::whoami))
        .route("/api/models", web::get().to(listing::list))
        .route("/api/models/{owner}/{name}", web::get().to(info::newest))
        .route(
            "/api/models/{owner}/{name}/revision/{revision}",
            web::get().to(info::one),
        )
        .route("/api/models/{owner}/{name}/refs", web::get().to(info::refs))
        .route(
            "/api/models/{owner}/{name}/auth-check",
            web::get().to(accounts::may_download),
        )
        .route(
            "/api/models/{owner}/{name}/user-access-request/handle",
            web::post().to(access::handle),
        )
        .route(
            "/api/models/{owner}/{name}/user-access-request/grant",
            web::post().to(access::grant),
        )
        .route(
            "/api/models/{owner}/{name}/user-access-request/{status}",
            web::get().to(access::list),
        )
        .route(
            "/api/models/{owner}/{name}/tree/{revision}",
            web::get().to(files::tree),
        )
        .route(
            "/api/models/{owner}/{name}/tree/{revision}/{path:.+}",
            web::get().to(files::tree_below),
        )
        .route(
            "/{owner}/{name}/resolve/{revision}/{path:.+}",
            web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(files::resolve),
        );
}
