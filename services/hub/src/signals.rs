//! Wake-ups between the parts of one process. They only save waiting: every loop looks for itself now and then,
//! so a signal that is lost, or raised in another process, costs at most one idle pause.

use domain::id::JobId;
use std::time::Duration;
use tokio::{
    sync::{
        Notify,
        broadcast::{self, error::RecvError},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How many verdicts a slow listener may be behind before it is told to look for itself.
const BACKLOG: usize = 1024;

/// See the module's text.
pub struct Signals {
    /// Documents wait for intake.
    pub intake: Notify,
    /// Jobs may be due, or there is room for orders.
    pub dispatch: Notify,
    /// More reports have come than are collected at once.
    pub collect: Notify,
    /// What documents were asked may have its verdicts.
    pub combine: Notify,
    /// Something is to be deleted.
    pub retain: Notify,
    /// Events wait to be sent.
    pub deliver: Notify,
    /// What was allowed may not be any more, or the other way round.
    pub reconsider: Notify,
    /// Uploads of weights are to be read, or are over.
    pub model_uploads: Notify,
    /// The process ends: whoever waits goes.
    pub ending: CancellationToken,
    settled: broadcast::Sender<JobId>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            intake: Notify::new(),
            dispatch: Notify::new(),
            collect: Notify::new(),
            combine: Notify::new(),
            retain: Notify::new(),
            deliver: Notify::new(),
            reconsider: Notify::new(),
            model_uploads: Notify::new(),
            ending: CancellationToken::new(),
            settled: broadcast::channel(BACKLOG).0,
        }
    }
}

impl Signals {
    /// A job has its verdict, or is held.
    pub fn settled(&self, job: JobId) {
        // Nobody listens most of the time; that is no fault.
        let _ = self.settled.send(job);
    }

    /// Listens for verdicts from now on. Begin to listen before looking whether a job has its verdict.
    pub fn listen(&self) -> Verdicts {
        Verdicts(self.settled.subscribe())
    }
}

/// Verdicts as they fall.
pub struct Verdicts(broadcast::Receiver<JobId>);

impl Verdicts {
    /// Returns when `job` may have its verdict: it was told so, or `look_after` has passed. At the latest at
    /// `deadline`.
    pub async fn wait_for(&mut self, job: JobId, look_after: Duration, deadline: Instant) {
        let until = deadline.min(Instant::now() + look_after);
        let told = async {
            loop {
                match self.0.recv().await {
                    Ok(settled) if settled != job => {}
                    Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                }
            }
        };
        let _ = tokio::time::timeout_at(until, told).await;
    }
}
