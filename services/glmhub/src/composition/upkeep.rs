//! Loops and workers are begun again if they should ever die.

use std::{future::Future, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a loop that died stays away: a fault that comes at once every time shall not fill the log.
const PAUSE_AFTER_DEATH: Duration = Duration::from_millis(200);

/// Runs what `begin` begins until `ends`. Should it end before, by a panic or by itself, that is logged and it is
/// begun again.
pub fn keep_up<F>(
    set: &mut JoinSet<()>,
    name: &'static str,
    ends: &CancellationToken,
    begin: impl Fn(CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let ends = ends.clone();
    set.spawn(async move {
        loop {
            let ended = tokio::spawn(begin(ends.clone())).await;
            if ends.is_cancelled() {
                return;
            }
            // A panic's message has been printed; what it was about may hold what logs must not, so only that it was.
            tracing::error!(name, panicked = ended.is_err(), "a loop died and is begun again");
            metrics::counter!("glmhub_loops_died_total", "loop" => name).increment(1);
            ends.run_until_cancelled(tokio::time::sleep(PAUSE_AFTER_DEATH))
                .await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_loop_that_dies_is_begun_again_and_ends_when_told() {
        let (begun, up_again, ends) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(Notify::new()),
            CancellationToken::new(),
        );
        let mut set = JoinSet::new();
        let (count, told) = (begun.clone(), up_again.clone());
        keep_up(&mut set, "test", &ends, move |ends| {
            let (nth, told) = (count.fetch_add(1, Ordering::SeqCst), told.clone());
            async move {
                assert!(nth > 0, "the first time it dies");
                told.notify_one();
                ends.cancelled().await;
            }
        });
        up_again.notified().await;
        ends.cancel();
        set.join_all().await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
