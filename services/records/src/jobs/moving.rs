//! Many jobs of a batch that change their state at once.

use super::{Job, change, row::Columns};
use crate::{
    RecordsError, Tx,
    batches::{Delta, add as add_counts},
    later::Write,
    many,
};
use domain::{
    id::{BatchId, JobId},
    job::{JobPhase, JobState},
};
use serde::Serialize;

/// States whose facts are an order and the moment of the change: jobs come into them together.
const TOGETHER: [JobPhase; 3] = [JobPhase::Dispatched, JobPhase::Running, JobPhase::Answered];
pub(super) const MOVE: &str = "UPDATE jobs SET state = $2, settled_at = $3, order_id = r.value ->> 'order', \
    attempt = CAST(r.value ->> 'attempt' AS BIGINT), not_before = NULL, code = NULL, message = NULL, decision = NULL, \
    held_since = NULL FROM json_each($1) AS r WHERE jobs.id = r.value ->> 'job'";

/// What is written of a job, but for what all of a state share.
#[derive(Serialize)]
struct Moved {
    job: JobId,
    order: Option<String>,
    attempt: Option<i64>,
}

/// As [`change`] for each, in few statements, with the counters of their (locked) batch moved once, by `delta` too.
pub(crate) async fn change_all(
    tx: &mut Tx,
    batch: BatchId,
    changes: &[(Job, JobState)],
    mut delta: Delta,
) -> Result<(), RecordsError> {
    for phase in TOGETHER {
        let (mut rows, mut settled_at) = (Vec::new(), None);
        for (job, to) in changes.iter().filter(|(_, to)| to.phase() == phase) {
            let columns = Columns::of(to);
            settled_at = columns.settled_at;
            rows.push(Moved {
                job: job.id,
                order: columns.order,
                attempt: columns.attempt,
            });
            delta = delta.moved(job.state.phase(), phase);
        }
        if !rows.is_empty() {
            let rows = many::rows(rows);
            let write = Write::of(MOVE).bind(rows).bind(phase.as_str());
            tx.later(write.bind(settled_at));
        }
    }
    add_counts(tx, batch, &delta);
    for (job, to) in changes.iter().filter(|(_, to)| !TOGETHER.contains(&to.phase())) {
        change(tx, job, to, job.tries).await?;
    }
    Ok(())
}
