//! What the rest of the hub is told when an acceptance has changed. The records say so already; this is the one place
//! that tells everybody else, for handlers and loops alike.

use crate::signals::Signals;
use exchange::queue::Queue;
use records::acceptances::Changed;

/// Tells the queue of the tenant's epoch, if something that was allowed is not any more, and wakes the loops.
///
/// The change stands in the records whatever the queue says: orders are checked again when they are dispatched, and
/// the queue is told all epochs at the next start.
pub async fn announce(changed: &Changed, queue: &dyn Queue, signals: &Signals) {
    let tenant = &changed.acceptance.tenant;
    if let Some(epoch) = changed.epoch
        && let Err(error) = queue.announce_epoch(tenant, epoch).await
    {
        tracing::error!(cause = %error, "the queue could not be told that an acceptance ended");
    }
    signals.reconsider.notify_one();
    signals.dispatch.notify_one();
    signals.deliver.notify_one();
}
