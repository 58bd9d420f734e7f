//! SIGHUP: the operator has changed policy files and wants them in force.

use hub::reload::Reload;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Reloads the policies at each SIGHUP until `ends`. Files that are wrong are told in the log, and what was in force
/// stays.
pub async fn heed(reload: Arc<Reload>, ends: CancellationToken) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::error!(cause = %error, "SIGHUP cannot be listened for");
            return ends.cancelled().await;
        }
    };
    while let Some(Some(())) = ends.run_until_cancelled(hangups.recv()).await {
        match reload.perform(None).await {
            Ok(done) if done.earlier == done.now => {
                tracing::info!(now = %done.now, "the policies have not changed")
            }
            Ok(_) => {}
            Err(error) => tracing::error!(cause = format!("{error:#}"), "the earlier policies stay in force"),
        }
    }
}
