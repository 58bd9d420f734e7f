//! How somebody who waits for a job learns that the gate stopped it.

use super::job_view::JobView;
use crate::{gate, problem::Problem};
use anyhow::Context as _;
use domain::gate::Refusal;
use records::{Db, decisions};

/// The 403 of the decision that holds or refused a job, with the job and its state; nothing, if none does.
pub(crate) async fn problem(db: &Db, view: &JobView) -> Result<Option<Problem>, Problem> {
    let Some(decision) = view.stopped_by() else {
        return Ok(None);
    };
    let record = decisions::get(db, decision).await?;
    let record = record
        .with_context(|| format!("decision {decision} stopped a job and is not there"))
        .map_err(Problem::internal)?;
    let refusal = Refusal {
        decision,
        reasons: record.reasons,
    };
    let problem = gate::problem(&refusal)
        .with("job", view.id())
        .with("state", view.state().as_str());
    Ok(Some(problem))
}
