//! Many jobs of a batch that change their state at once.

use super::{
    Job, change,
    row::{Columns, JobRow},
};
use crate::{
    RecordsError, Tx,
    batches::{Delta, add as add_counts},
    later::Write,
    many, on,
};
use domain::{
    id::{BatchId, OrderId},
    job::{JobPhase, JobState},
};
use serde_json::json;

/// States whose facts are an order and the moment of the change: jobs come into them together.
const TOGETHER: [JobPhase; 3] = [JobPhase::Dispatched, JobPhase::Running, JobPhase::Answered];
pub(super) const MOVE: &str = "UPDATE jobs SET state = $2, settled_at = $3, order_id = r.value ->> 'order', \
    attempt = CAST(r.value ->> 'attempt' AS BIGINT), not_before = NULL, code = NULL, message = NULL, decision = NULL, \
    held_since = NULL FROM json_each($1) AS r WHERE jobs.id = r.value ->> 'job'";
pub(super) const OUT_OF_ORDERS: &str = "SELECT * FROM jobs WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND state IN ('dispatched', 'running')";

/// The jobs for which any of `orders` is out.
pub(crate) async fn out_of_orders(tx: &mut Tx, orders: &[OrderId]) -> Result<Vec<Job>, RecordsError> {
    let orders = many::ids(orders);
    let rows = on!(tx: tx, |c| sqlx::query_as::<_, JobRow>(OUT_OF_ORDERS).bind(&orders).fetch_all(c))?;
    rows.into_iter().map(JobRow::read).collect()
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
            rows.push(json!({ "job": job.id, "order": columns.order, "attempt": columns.attempt }));
            settled_at = columns.settled_at;
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
