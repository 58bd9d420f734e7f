//! Jobs made by one call: a batch of one page and its questions, stored whole or not at all.

use crate::{
    Db, RecordsError, Stamp,
    backlog::{self, Bounds, Full},
    batches::{self, Delta},
    deleting::files,
    documents::{self, Firsts, NewDocument, NewPage, Wanted},
    read::Reading,
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
    let wanted = [document.sha256, page.sha256];
    let room = backlog::room(db, batch.tenant(), bounds);
    let (room, are_marked) = tokio::try_join!(room, files::are_marked(db, &wanted))?;
    if let Err(full) = room {
        return Ok(Err(full));
    }
    let mut tx = db.begin_without_flush().await?;
    if are_marked {
        files::want(&mut tx, &wanted).await?;
    }
    let running = BatchState::Running {
        submitted_at: stamp.at,
    };
    let stored = batches::insert(&mut tx, stamp, batch, questions, running).await?;
    let state = DocumentState::Split {
        pages: 1,
        at: stamp.at,
    };
    let document = documents::insert(&mut tx, stamp, &stored, 0, document, (state, warnings))?;
    let one = Delta::default().documents(DocumentPhase::Split, 1);
    let wanted = Wanted {
        pages: &[page],
        scopes: questions.iter().map(Question::scope).collect(),
        firsts: Firsts::default(),
    };
    let jobs = documents::insert_wanted_pages(&mut tx, stamp, &stored, &document, wanted, one);
    let text = batch.id().to_string();
    let reading = Reading {
        table: "batches",
        id: &text,
    };
    let first = reading.required(jobs.first().copied(), "a job")?;
    stamp.made(&mut tx, batch.tenant(), first).await?;
    tx.commit().await?;
    Ok(Ok(jobs))
}
