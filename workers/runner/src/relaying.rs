//! From the engine's thread to the queue.

use crate::{announcing::Pace, hold::Hold, outcome::Tally};
use domain::order::ReportKind;
use exchange::queue::Then;
use std::time::Duration;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

/// Answers that are reported at one time.
const TOLD_AT_ONCE: usize = 128;

/// Work that ends so soon after it began is told of together with its beginning.
const SHORT_WORK: Duration = Duration::from_millis(5);

/// Reports that the work has begun, and what the engine's thread tells, until it has told everything or the work stops. What
/// it told while others were reported goes together.
pub(crate) async fn relay(
    hold: &Hold,
    mut told: UnboundedReceiver<ReportKind>,
    tally: &mut Tally,
    pace: &Pace,
) {
    let mut kinds = vec![ReportKind::Started];
    let at_once = timeout(SHORT_WORK, told.recv_many(&mut kinds, TOLD_AT_ONCE));
    let mut more = hold.stop.unless(at_once).await.map(|_| kinds.len());
    while let Some(1..) = more {
        let then = match tally.is_complete_with(&kinds) {
            true => Then::Ends,
            false => Then::GoesOn,
        };
        if !hold.report(&kinds, then).await {
            break;
        }
        for kind in kinds.drain(..) {
            tally.count(&kind);
            pace.report(hold.grant(), &kind);
        }
        more = hold.stop.unless(told.recv_many(&mut kinds, TOLD_AT_ONCE)).await;
    }
}
