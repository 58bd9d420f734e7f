//! The work at a batch of OpenAI's form: its file is checked, its requests become jobs one by one, and what came of them
//! becomes files. Every piece is small, so that a hub that ends leaves little to be done again, and what is done again
//! makes nothing twice: each request holds a key of its own, as one with `Idempotency-Key` does.

mod checking;
mod feeding;
mod finishing;
pub mod lines;
pub mod request_line;
mod requesting;
mod writing;

use super::settings::OpenaiSettings;
use crate::{
    limits::Keeper, outgoing::Outgoing, problem::Problem, signals::Signals, splitting::Splitting,
    work_settings::WorkSettings,
};
use domain::{clock::SharedClock, id::IdMaker, openai_batch::Status, policy::CurrentPolicies};
use exchange::{blobs::Blobs, queue::Queue};
use records::{
    Db,
    openai_batches::{self, OpenaiBatch},
};
use std::sync::Arc;
use time::Duration;

/// How long a hub holds a batch at a time.
const HOLD: Duration = Duration::seconds(120);
/// After how many seconds a batch is taken again at which something went wrong, unless that says it.
const PAUSE: u64 = 10;
/// The code of the problem that somebody else holds the batch by now, or its tenant has cancelled it.
const TAKEN: &str = "batch_taken";

/// What the work needs.
#[derive(Clone)]
pub struct BulkParts {
    /// The records.
    pub db: Db,
    /// Tell what is allowed.
    pub policies: CurrentPolicies,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// Limits of jobs.
    pub settings: Arc<WorkSettings>,
    /// What tenants and keys may ask for in a day.
    pub keeper: Arc<Keeper>,
    /// Limits of files and batches.
    pub openai: OpenaiSettings,
    /// Where files and images are.
    pub blobs: Arc<dyn Blobs>,
    /// Forgets the orders of what is cancelled.
    pub queue: Arc<dyn Queue>,
    /// Splits images.
    pub splitting: Arc<Splitting>,
    /// Wakes the other loops.
    pub signals: Arc<Signals>,
    /// Fetches images from elsewhere.
    pub outgoing: Outgoing,
}

/// Works at the batch that waits the longest. False: none does.
pub(crate) async fn step(parts: &BulkParts) -> anyhow::Result<bool> {
    let now = parts.clock.now();
    let Some(mut batch) = openai_batches::take(&parts.db, now, now + HOLD).await? else {
        return Ok(false);
    };
    let worked = match batch.moments.status() {
        Status::Validating => checking::check(parts, &mut batch).await,
        Status::InProgress => feeding::feed(parts, &mut batch).await,
        Status::Cancelling => finishing::cancel(parts, &mut batch).await,
        Status::Finalizing => finishing::finish(parts, &mut batch).await,
        Status::Completed | Status::Failed | Status::Expired | Status::Cancelled => Ok(()),
    };
    match worked {
        Err(problem) if problem.code() != TAKEN => {
            let pause = problem.retry_after().unwrap_or(PAUSE);
            let until = parts.clock.now() + Duration::seconds(pause as i64);
            openai_batches::hold(&parts.db, &mut batch, until).await?;
            Err(fault(&problem))
        }
        _ => Ok(true),
    }
}

/// A fault of ours, for the log: the batch is taken again after a pause.
fn fault(problem: &Problem) -> anyhow::Error {
    match problem.cause() {
        Some(cause) => anyhow::anyhow!("{}: {cause:#}", problem.code()),
        None => anyhow::anyhow!("{}", problem.code()),
    }
}

/// Goes on holding a batch, if its hold ends soon. Problem: 409 [`TAKEN`], if somebody else has it by now.
async fn hold_on(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    let now = parts.clock.now();
    if batch.held_until - now > HOLD / 2 {
        return Ok(());
    }
    match openai_batches::hold(&parts.db, batch, now + HOLD).await? {
        true => Ok(()),
        false => Err(Problem::conflict(TAKEN, "another hub works at the batch by now")),
    }
}
