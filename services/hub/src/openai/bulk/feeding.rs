//! Requests become jobs, one after the other, for as long as there is room for them.

use super::{
    BulkParts, HOLD,
    lines::{Line, Lines, Read},
    request_line::{self, RequestLine},
    requesting,
};
use crate::problem::Problem;
use records::{
    claims::Reserved,
    openai_batches::{self, OpenaiBatch, RowVerdict, StoredRow},
    openai_files,
};
use time::Duration;

/// How many requests become jobs before it is another batch's turn.
const PORTION: usize = 16;
/// The longest pause where there is no room, in seconds.
const LONGEST_PAUSE: u64 = 60;

/// Feeds the next requests; when there are none left, sees whether all have their verdicts.
pub(super) async fn feed(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    let now = parts.clock.now();
    if batch.expires_at <= now {
        return match catch_up(parts, batch).await? {
            true => conclude(parts, batch).await,
            false => Ok(()),
        };
    }
    if batch.fed.0 < batch.total {
        return portion(parts, batch).await;
    }
    let progress = openai_batches::progress(&parts.db, batch.id).await?;
    match progress.settled == batch.total {
        true => conclude(parts, batch).await,
        false => wait(parts, batch, look_after(batch.total)).await,
    }
}

/// After how long the rows of a batch are counted again: counting a great many takes a while.
fn look_after(rows: u64) -> Duration {
    Duration::milliseconds((rows as i64).clamp(1_000, 30_000))
}

async fn conclude(parts: &BulkParts, batch: &OpenaiBatch) -> Result<(), Problem> {
    openai_batches::finalize(&parts.db, batch, parts.clock.now()).await?;
    Ok(())
}

/// Lets go of a batch, which is looked at again after a while.
async fn wait(parts: &BulkParts, batch: &mut OpenaiBatch, pause: Duration) -> Result<(), Problem> {
    openai_batches::hold(&parts.db, batch, parts.clock.now() + pause).await?;
    Ok(())
}

async fn portion(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
    let mut lines = rest(parts, batch).await?;
    for _ in 0..PORTION {
        let Some(line) = lines.next_filled().await? else {
            break;
        };
        let request = again(&line, batch)?;
        let row = match requesting::row(parts, batch, &request).await {
            Ok(row) => row,
            Err(problem) => {
                let pause = problem.retry_after().unwrap_or(1).clamp(1, LONGEST_PAUSE);
                return wait(parts, batch, Duration::seconds(pause as i64)).await;
            }
        };
        if !store(parts, batch, &row, &line).await? {
            return Ok(());
        }
    }
    wait(parts, batch, Duration::ZERO).await
}

/// Tells whether the hold on the batch still stood.
async fn store(
    parts: &BulkParts,
    batch: &mut OpenaiBatch,
    row: &StoredRow,
    line: &Line,
) -> Result<bool, Problem> {
    let until = parts.clock.now() + HOLD;
    Ok(openai_batches::feed(&parts.db, batch, row, line.end, until).await?)
}

/// Stores what a hub made of the next request before it lost the batch. False: it is still at it, and the batch is looked at
/// again in a moment.
pub(super) async fn catch_up(parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<bool, Problem> {
    if batch.fed.0 >= batch.total {
        return Ok(true);
    }
    let Some(line) = rest(parts, batch).await?.next_filled().await? else {
        return Ok(true);
    };
    let request = again(&line, batch)?;
    match requesting::taken(parts, batch, &request).await? {
        Reserved::Free => Ok(true),
        Reserved::Made(made) => {
            let job = made.subject.parse().map_err(Problem::internal)?;
            let row = request.stored(RowVerdict::Job(job));
            store(parts, batch, &row, &line).await
        }
        Reserved::Busy => {
            wait(parts, batch, look_after(0)).await?;
            Ok(false)
        }
    }
}

/// The lines of a batch's file that no row is stored of. The file stays while the batch is under way, even if its tenant takes
/// it away.
pub(super) async fn rest(parts: &BulkParts, batch: &OpenaiBatch) -> Result<Lines, Problem> {
    let (tenant, id) = (&batch.caller.tenant, batch.input_file);
    let found = openai_files::whatever(&parts.db, tenant, id).await?;
    let file = found.ok_or_else(|| Problem::internal(anyhow::anyhow!("{id} is not there any more")))?;
    let read = Read {
        bytes: batch.fed.1,
        lines: batch.fed_lines,
    };
    let most = parts.openai.most_body_bytes;
    Ok(Lines::after(read, parts.blobs.as_ref(), file.sha256, most).await?)
}

/// The request in a line of a file that was found to be good, and does not change.
pub(super) fn again<'a>(line: &'a Line, batch: &OpenaiBatch) -> Result<RequestLine<'a>, Problem> {
    request_line::read(line, &batch.endpoint).map_err(|fault| {
        let (number, code) = (line.number, fault.code);
        Problem::internal(anyhow::anyhow!("line {number} was good before: {code}"))
    })
}
