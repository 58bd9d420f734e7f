//! The loops behind the API. All have one form: a public `step` that does what is due and tells what it did,
//! and `run`, which calls it until shutdown. Tests call `step`.

pub mod acceptances;
pub mod collect;
pub mod combine;
pub mod deliver;
pub mod dispatch;
pub mod expire;
pub mod intake;
pub mod model_uploads;
pub mod openai_batches;
pub mod reconsider;
pub mod register;
pub mod retain;
pub mod seal;
pub mod sweep;
pub mod tidy;

use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a step found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something: the next step may follow at once.
    Worked,
    /// Nothing is due.
    Idle,
}

/// The body of a loop.
#[async_trait]
pub trait Step: Send {
    /// The loop's name in the log.
    const NAME: &'static str;

    /// Does what is due, once. It may be cut off anywhere by the end of the process: the next one mends it.
    async fn step(&mut self) -> anyhow::Result<Outcome>;
}

/// Calls `body.step()` until `shutdown`. With nothing to do it waits until `nudge`, at most for `idle`;
/// after a fault it waits for `idle` before it tries again. A step that has begun is finished.
pub async fn drive<S: Step>(mut body: S, idle: Duration, nudge: &Notify, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match body.step().await {
            Ok(Outcome::Worked) => continue,
            Ok(Outcome::Idle) => {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = nudge.notified() => {}
                    () = tokio::time::sleep(idle) => {}
                }
            }
            Err(fault) => {
                tell_fault(S::NAME, &fault);
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(idle) => {}
                }
            }
        }
    }
}

fn tell_fault(name: &'static str, fault: &anyhow::Error) {
    tracing::error!(name, cause = format!("{fault:#}"), "a loop's step failed");
}

#[cfg(test)]
mod tests;
