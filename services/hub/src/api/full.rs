//! How somebody learns that as much waits as may.

use crate::problem::Problem;
use records::backlog::Full;

/// When to come again, in seconds: some verdicts have fallen by then.
const LATER: u64 = 10;

/// 429 `tenant_queue_full` or 503 `queue_full`, with the bound. Nothing was kept.
pub(super) fn problem(full: Full) -> Problem {
    let (problem, most, of) = match full {
        Full::OfTenant { most } => {
            let detail = format!("{full}; wait until some are answered, or cancel some");
            (
                Problem::too_many("tenant_queue_full", detail, LATER),
                most,
                "tenant",
            )
        }
        Full::OfAll { most } => {
            let detail = format!("the hub is full: {full}; try again later");
            (Problem::unavailable("queue_full", detail, LATER), most, "all")
        }
    };
    metrics::counter!("glmhub_refused_full_total", "of" => of).increment(1);
    problem.with("limit", most)
}
