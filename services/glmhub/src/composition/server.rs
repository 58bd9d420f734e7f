//! The HTTP server with all that its handlers use.

use super::{cors, pieces::Pieces};
use crate::secrets;
use actix_web::{
    App, HttpServer,
    dev::Server,
    middleware::from_fn,
    web::{Data, ServiceConfig},
};
use anyhow::Context as _;
use hub::{
    app,
    caller::Door,
    connections, idempotency, limits,
    oidc::{ClientSecrets, Oidc, settings::OidcSettings},
    request_log,
    site::kept::KeptPages,
};
use std::{net::SocketAddr, sync::Arc, thread};

/// A server on the address of the settings, not answering yet, and the addresses that it took.
pub fn bind(pieces: &Pieces) -> anyhow::Result<(Server, Vec<SocketAddr>)> {
    let settings = &pieces.settings.server;
    let provide = provide(pieces)?;
    let origins: Arc<[String]> = settings.cors_origins.clone().into();
    let factory = move || {
        App::new()
            .configure(provide.clone())
            .configure(app::configure)
            .wrap(from_fn(idempotency::of_v1))
            .wrap(from_fn(limits::around))
            .wrap(cors::of(&origins))
            .wrap(from_fn(connections::around))
            .wrap(from_fn(request_log::around))
    };
    let threads = match settings.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let connections = &pieces.settings.connections;
    let server = HttpServer::new(factory)
        .workers(threads)
        .max_connections(connections.most_connections.div_ceil(threads))
        .client_request_timeout(connections.head())
        .keep_alive(connections.keep_alive())
        .client_disconnect_timeout(connections.close())
        .on_connect(connections::rest::watching(connections))
        // The process listens for signals itself: loops and workers end with the server.
        .disable_signals()
        .shutdown_timeout(settings.shutdown_seconds)
        .bind(settings.listen)
        .with_context(|| {
            format!(
                "{} cannot be listened on: free it, or give --listen another address",
                settings.listen
            )
        })?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

/// The issuers, with the secrets that they have given to the hub.
fn oidc(settings: &OidcSettings) -> anyhow::Result<Oidc> {
    let mut given = ClientSecrets::new();
    for issuer in &settings.issuers {
        let Some(sign_in) = &issuer.sign_in else { continue };
        let name = "client_secret_file of oidc.issuers";
        if let Some(secret) = secrets::password(name, &sign_in.client_secret_file)? {
            given.insert(issuer.issuer.clone(), secret.into());
        }
    }
    Oidc::new(settings, given).context("the client for issuers")
}

/// Hands every piece that a handler may name to the application.
fn provide(pieces: &Pieces) -> anyhow::Result<impl Fn(&mut ServiceConfig) + Clone + Send + 'static> {
    let door = Data::new(Door {
        keys: pieces.key.public(),
        clock: pieces.clock.clone(),
        policies: pieces.policies.clone(),
        db: pieces.db.clone(),
        oidc: oidc(&pieces.settings.oidc)?,
    });
    let idempotency = Data::new(pieces.settings.idempotency.clone());
    let limits = Data::new(limits::Keeper::new(pieces.settings.limits.clone()));
    let api_keys = Data::new(pieces.settings.api_keys.clone());
    let retention = Data::new(pieces.retention.clone());
    let model_uploads = Data::new(pieces.settings.model_uploads.clone());
    let (db, ids) = (Data::new(pieces.db.clone()), Data::new(pieces.ids.clone()));
    let clock = Data::new(pieces.clock.clone());
    let (blobs, queue) = (Data::from(pieces.blobs.clone()), Data::from(pieces.queue.clone()));
    let (key, policies) = (Data::from(pieces.key.clone()), Data::new(pieces.policies.clone()));
    let (work, signals) = (
        Data::from(pieces.work.clone()),
        Data::from(pieces.signals.clone()),
    );
    let sending = Data::from(pieces.sending.clone());
    let depths = Data::from(pieces.depths.clone());
    let splitting = Data::from(pieces.splitting.clone());
    let prompt_tokens = Data::from(pieces.prompt_tokens.clone());
    let acceptances = Data::from(pieces.acceptances.clone());
    let (webhooks, outgoing) = (
        Data::from(pieces.webhooks.clone()),
        Data::new(pieces.outgoing.clone()),
    );
    let (reload, policy_settings) = (
        Data::from(pieces.reload.clone()),
        Data::new(pieces.settings.policies.clone()),
    );
    let audit = Data::from(pieces.audit.clone());
    let connections = Data::new(pieces.settings.connections.clone());
    let dashboard = Data::new(pieces.settings.dashboard.clone());
    let openai = Data::new(pieces.settings.openai.clone());
    let hf = Data::new(pieces.settings.hf.clone());
    let kept = Data::new(KeptPages::new(&pieces.settings.catalogue));
    let randomness = Data::new(pieces.randomness.clone());
    let metrics = Data::new(pieces.metrics.clone());
    Ok(move |config: &mut ServiceConfig| {
        config
            .app_data(door.clone())
            .app_data(db.clone())
            .app_data(ids.clone())
            .app_data(clock.clone())
            .app_data(blobs.clone())
            .app_data(queue.clone())
            .app_data(key.clone())
            .app_data(policies.clone())
            .app_data(reload.clone())
            .app_data(policy_settings.clone())
            .app_data(work.clone())
            .app_data(signals.clone())
            .app_data(sending.clone())
            .app_data(depths.clone())
            .app_data(splitting.clone())
            .app_data(prompt_tokens.clone())
            .app_data(metrics.clone())
            .app_data(acceptances.clone())
            .app_data(webhooks.clone())
            .app_data(outgoing.clone())
            .app_data(audit.clone())
            .app_data(connections.clone())
            .app_data(dashboard.clone())
            .app_data(openai.clone())
            .app_data(hf.clone())
            .app_data(api_keys.clone())
            .app_data(limits.clone())
            .app_data(retention.clone())
            .app_data(model_uploads.clone())
            .app_data(idempotency.clone())
            .app_data(kept.clone())
            .app_data(randomness.clone());
    })
}
