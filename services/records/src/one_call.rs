//! Jobs made by one call: a batch of one page and its questions, stored whole or not at all.

use crate::{
    Db, RecordsError, Stamp,
    backlog::{self, Bounds, Full},
    batches::{self, Delta},
    documents::{self, NewDocument, NewPage},
    read::Reading,
    turns,
};
use domain::{
    batch::{Batch, BatchState},
    document::{DocumentPhase, DocumentState, Warning},
    id::JobId,
    question::Question,
};

/// Stores a submitted batch with one document that is already split into one page, with what is amiss with that, if there
/// is room for it. Gives its jobs in the order of the questions, which may go out at once and are durable after
/// [`Db::flush`], or with their first order.
pub async fn submit(
    db: &Db,
    stamp: Stamp<'_>,
    batch: &Batch,
    questions: &[Question],
    document: &NewDocument,
    (page, warnings): (NewPage, &[Warning]),
    bounds: Bounds,
) -> Result<Result<Vec<JobId>, Full>, RecordsError> {
    let mut tx = db.begin_without_flush().await?;
    if let Err(full) = backlog::room_in(&mut tx, batch.tenant(), bounds).await? {
        return Ok(Err(full));
    }
    let running = BatchState::Running {
        submitted_at: stamp.at,
    };
    let stored = batches::insert(&mut tx, stamp, batch, questions, running).await?;
    let state = DocumentState::Split {
        pages: 1,
        at: stamp.at,
    };
    let document = documents::insert(&mut tx, stamp, &stored, 0, document, (state, warnings)).await?;
    let one = Delta::default().documents(DocumentPhase::Split, 1);
    let jobs = documents::insert_pages(&mut tx, stamp, &stored, &document, &[page], one).await?;
    let text = batch.id().to_string();
    let reading = Reading {
        table: "batches",
        id: &text,
    };
    let first = reading.required(jobs.first().copied(), "a job")?;
    stamp.made(&mut tx, batch.tenant(), first).await?;
    tx.commit().await?;
    turns::mark_again(db, batch.id(), stamp.at).await;
    Ok(Ok(jobs))
}
