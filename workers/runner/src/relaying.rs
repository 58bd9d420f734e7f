//! From the engine's thread to the queue.

use crate::{announcing::Pace, hold::Hold, outcome::Tally};
use domain::order::ReportKind;
use tokio::sync::mpsc::UnboundedReceiver;

/// Answers that are reported at one time.
const TOLD_AT_ONCE: usize = 32;

/// Reports what the engine's thread tells, until it has told everything or the work stops. What it told while others were
/// reported goes together.
pub(crate) async fn relay(
    hold: &Hold,
    mut told: UnboundedReceiver<ReportKind>,
    tally: &mut Tally,
    pace: &Pace,
) {
    let mut kinds = Vec::new();
    while let Some(1..) = hold.stop.unless(told.recv_many(&mut kinds, TOLD_AT_ONCE)).await {
        if !hold.report(&kinds).await {
            break;
        }
        for kind in kinds.drain(..) {
            tally.count(&kind);
            pace.report(hold.grant(), &kind);
        }
    }
}
