//! Jobs made by one call: a batch of one page and its questions, stored whole or not at all.

use crate::{
    Db, RecordsError, Stamp,
    backlog::{self, Bounds, Full},
    batches::{self, Delta},
    deleting::files,
    dispatching::{self, AtOnce, Claimed, ClaimedPage, DueBatch, DueJobs, Signed},
    documents::{self, Firsts, Inserted, NewDocument, NewPage, Wanted},
    read::Reading,
    turns,
};
use domain::{
    batch::{Batch, BatchState},
    digest::Sha256,
    document::{DocumentPhase, DocumentState, Warning},
    id::JobId,
    names::TenantName,
    question::Question,
};

/// What has to be known before a call is stored.
#[derive(Debug, Clone, Copy)]
pub struct Looked {
    are_marked: bool,
}

/// What came of a call.
#[derive(Debug)]
pub struct Submitted {
    /// Its jobs in the order of the questions.
    pub jobs: Vec<JobId>,
    /// What was claimed for them at once, if nothing waits before them.
    pub claimed: Option<Claimed>,
}

/// Looks whether there is room for a call of `tenant`, and at the files of its document and its page.
pub async fn look(
    db: &Db,
    tenant: &TenantName,
    files: [Sha256; 2],
    bounds: Bounds,
) -> Result<Result<Looked, Full>, RecordsError> {
    let room = backlog::room(db, tenant, bounds);
    let (room, are_marked) = tokio::try_join!(room, files::are_marked(db, &files))?;
    Ok(room.map(|()| Looked { are_marked }))
}

/// Stores a submitted batch with one document that is already split into one page, with what is amiss with that. Its jobs go
/// out at once, if nothing waits before them, and are durable then; else dispatch finds them, and they are durable after
/// [`Db::flush`], or with their first order.
#[expect(clippy::too_many_arguments, reason = "all that is stored of a call")]
pub async fn submit(
    db: &Db,
    stamp: Stamp<'_>,
    batch: &Batch,
    questions: &[Question],
    document: &NewDocument,
    (page, warnings): (NewPage, &[Warning]),
    looked: Looked,
    at_once: Option<AtOnce<impl Fn(&ClaimedPage) -> Result<Signed, String>>>,
) -> Result<Submitted, RecordsError> {
    let mut tx = match at_once {
        Some(_) => db.begin().await?,
        None => db.begin_without_flush().await?,
    };
    // First of all, so that nothing is read any more after what is written.
    let turn = match at_once {
        Some(AtOnce { room, sign }) => {
            let turn = turns::lock_if_first(&mut tx, batch.tenant(), room, stamp.at).await?;
            turn.map(|turn| (turn, sign))
        }
        None => None,
    };
    if looked.are_marked {
        files::want(&mut tx, &[document.sha256, page.sha256]).await?;
    }
    let running = BatchState::Running {
        submitted_at: stamp.at,
    };
    let stored = batches::insert(&mut tx, stamp, batch, questions, running);
    if turn.is_none() {
        turns::mark(&mut tx, batch.id(), stamp.at);
    }
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
    let Inserted { jobs, delta } =
        documents::insert_wanted_pages(&mut tx, stamp, &stored, &document, wanted, one);
    let text = batch.id().to_string();
    let reading = Reading {
        table: "batches",
        id: &text,
    };
    let first = reading.required(jobs.first().copied(), "a job")?;
    stamp.made(&mut tx, batch.tenant(), first.id).await?;
    let claimed = match turn {
        Some((turn, sign)) => {
            let due = DueJobs {
                page: first.page,
                page_sha256: page.sha256,
                is_first: true,
                attempts: 0,
                jobs: jobs
                    .iter()
                    .map(|job| job.stored(stamp, &document, &stored))
                    .collect(),
            };
            let batch = DueBatch::of_one_page(stored, questions);
            let claim = dispatching::claim_new(&mut tx, stamp, &batch, turn, due, delta, sign);
            Some(claim.await?)
        }
        None => {
            batches::add(&mut tx, batch.id(), &delta);
            None
        }
    };
    tx.commit().await?;
    let jobs = jobs.iter().map(|job| job.id).collect();
    Ok(Submitted { jobs, claimed })
}
