//! The end of a batch: what is under way is taken back if it was cancelled, and the files of its answers are written.

use super::{BulkParts, feeding, hold_on, writing::Writing};
use crate::{problem::Problem, removed_files::are_back, stopping::withdraw};
use domain::id::{BatchId, JobId};
use exchange::blobs::Stored;
use records::{
    Stamp, batches, jobs,
    openai_batches::{self, Finished, OpenaiBatch, RowVerdict},
    openai_files::{self, File},
};
use time::{Duration, OffsetDateTime};

/// How many requests are looked at before the hold on the batch is kept up.
pub(super) const PORTION: u32 = 100;

/// Cancels what has no verdict, and finishes the batch.
pub(super) async fn cancel(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    if !feeding::catch_up(parts, batch).await? {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let rows = openai_batches::rows(&parts.db, batch.id, after, PORTION).await?;
        let Some(last) = rows.last() else { break };
        after = last.place;
        for row in &rows {
            if let RowVerdict::Job(job) = row.verdict {
                cancel_job(parts, batch, job).await?;
            }
        }
        hold_on(parts, batch).await?;
    }
    finish(parts, batch).await
}

/// Cancels the jobs of a request. That it is over already is no fault.
async fn cancel_job(parts: &BulkParts, batch: &OpenaiBatch, job: JobId) -> Result<(), Problem> {
    let tenant = &batch.caller.tenant;
    let Some(found) = jobs::get(&parts.db, tenant, job).await? else {
        return Ok(());
    };
    let stamp = Stamp::of(&parts.ids, parts.clock.now(), &batch.caller);
    let of_job: BatchId = found.job.batch;
    if let Some(Ok(cancelled)) = batches::cancel(&parts.db, stamp, tenant, of_job).await? {
        withdraw(parts.queue.as_ref(), &cancelled.withdrawn).await;
        parts.signals.settled(job);
    }
    Ok(())
}

/// Writes the files of a batch, and ends it.
pub(super) async fn finish(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    let mut writing = Writing::begin(parts.splitting.scratch())?;
    writing.write(parts, batch).await?;
    let written = writing.end(parts, batch).await?;
    let now = parts.clock.now();
    let output = written
        .output
        .map(|stored| file(parts, batch, "output", stored, now));
    let errors = written
        .errors
        .map(|stored| file(parts, batch, "error", stored, now));
    let end = Finished {
        ending: written.ending,
        tally: written.tally,
        output: output.as_ref(),
        errors: errors.as_ref(),
    };
    match store(parts, batch, end).await? {
        true => {
            parts.signals.deliver.notify_one();
            let status = written.ending.status().as_str();
            tracing::info!(batch = %batch.id, status, "a batch of requests has ended");
        }
        // They are written anew, perhaps without what was deleted meanwhile.
        false => leave(parts, batch, end).await?,
    }
    Ok(())
}

/// Tells whether the hold on the batch still stood.
async fn store(parts: &BulkParts, batch: &OpenaiBatch, end: Finished<'_>) -> Result<bool, Problem> {
    let (db, stamp) = (&parts.db, Stamp::of(&parts.ids, parts.clock.now(), &batch.caller));
    let mut finished = openai_batches::finish(db, stamp, batch, end).await;
    if are_back(db, parts.blobs.as_ref(), &finished).await? {
        finished = openai_batches::finish(db, stamp, batch, end).await;
    }
    Ok(finished?)
}

/// Has the bytes of files removed that nobody is given.
async fn leave(parts: &BulkParts, batch: &OpenaiBatch, end: Finished<'_>) -> Result<(), Problem> {
    let files: Vec<&File> = [end.output, end.errors].into_iter().flatten().collect();
    let (db, tenant) = (&parts.db, &batch.caller.tenant);
    let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
    let mut left = openai_files::leave(db, stamp, tenant, &files).await;
    if are_back(db, parts.blobs.as_ref(), &left).await? {
        left = openai_files::leave(db, stamp, tenant, &files).await;
    }
    Ok(left?)
}

fn file(parts: &BulkParts, batch: &OpenaiBatch, kind: &str, stored: Stored, now: OffsetDateTime) -> File {
    let kept = batch
        .output_seconds
        .and_then(|seconds| i64::try_from(seconds).ok());
    File {
        id: parts.ids.make(),
        member: batch.caller.member.clone(),
        filename: format!("{}_{kind}.jsonl", batch.id),
        purpose: "batch_output".to_owned(),
        bytes: stored.bytes,
        sha256: stored.sha256,
        created_at: now,
        expires_at: kept.map(|seconds| now + Duration::seconds(seconds)),
    }
}
