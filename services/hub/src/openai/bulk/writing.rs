//! The files of a batch's answers: every request has a line in one of them, in the order of its file.

use super::{BulkParts, feeding, finishing::PORTION, hold_on};
use crate::{
    api::{job_view::JobView, jobs::whole, stopped},
    openai::{completion, errors, unanswered},
    problem::Problem,
};
use domain::{
    id::JobId,
    job::JobPhase,
    openai_batch::{Ending, Tally},
};
use exchange::blobs::{Blobs, Stored};
use records::{
    jobs,
    openai_batches::{self, OpenaiBatch, RowVerdict, StoredRow},
};
use serde_json::{Value, json};
use std::{
    io::{self, BufWriter, Write as _},
    path::Path,
};
use tempfile::NamedTempFile;

/// See the module's text. What is written waits in files of this machine, however much it is.
pub(super) struct Writing {
    output: Lined,
    errors: Lined,
    has_expired: bool,
}

/// How a batch ends, and its files that are not empty.
pub(super) struct Written {
    pub(super) ending: Ending,
    pub(super) tally: Tally,
    pub(super) output: Option<Stored>,
    pub(super) errors: Option<Stored>,
}

struct Lined {
    file: BufWriter<NamedTempFile>,
    lines: u64,
}

fn unavailable(error: &io::Error) -> Problem {
    tracing::warn!(cause = %error, "the files of a batch cannot be written now");
    Problem::unavailable("storage_unavailable", "the hub cannot write files now", 10)
}

impl Lined {
    fn begin(scratch: &Path) -> Result<Self, Problem> {
        let file = NamedTempFile::new_in(scratch).map_err(|error| unavailable(&error))?;
        Ok(Self {
            file: BufWriter::new(file),
            lines: 0,
        })
    }

    fn add(&mut self, line: &Value) -> Result<(), Problem> {
        self.lines += 1;
        writeln!(self.file, "{line}").map_err(|error| unavailable(&error))
    }

    async fn store(mut self, blobs: &dyn Blobs) -> Result<Option<Stored>, Problem> {
        if self.lines == 0 {
            return Ok(None);
        }
        self.file.flush().map_err(|error| unavailable(&error))?;
        Ok(Some(blobs.put_file(self.file.get_ref().path()).await?))
    }
}

/// What a request's line tells.
enum Told {
    Answer(Value),
    Refused(u16, Value),
    /// It was not answered because it was cancelled.
    Cancelled,
    /// It was not answered because the time was up.
    Expired,
}

impl Writing {
    /// Files in the folder `scratch`. Problem: 503 `storage_unavailable`.
    pub(super) fn begin(scratch: &Path) -> Result<Self, Problem> {
        Ok(Self {
            output: Lined::begin(scratch)?,
            errors: Lined::begin(scratch)?,
            has_expired: false,
        })
    }

    /// Writes all lines.
    pub(super) async fn write(&mut self, parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
        let mut after = 0;
        loop {
            let rows = openai_batches::rows(&parts.db, batch.id, after, PORTION).await?;
            let Some(last) = rows.last() else { break };
            after = last.place;
            for row in &rows {
                let told = told(parts, batch, row).await?;
                self.add(batch, &row.custom_id, row.place, told)?;
            }
            hold_on(parts, batch).await?;
        }
        self.never_begun(parts, batch).await
    }

    /// The requests that became nothing before the batch was over.
    async fn never_begun(&mut self, parts: &BulkParts, batch: &mut OpenaiBatch) -> Result<(), Problem> {
        if batch.fed.0 >= batch.total {
            return Ok(());
        }
        let mut lines = feeding::rest(parts, batch).await?;
        while let Some(line) = lines.next_filled().await? {
            let request = feeding::again(&line, batch)?;
            let told = match batch.moments.cancelling {
                Some(_) => Told::Cancelled,
                None => Told::Expired,
            };
            self.add(batch, &request.custom_id, line.number, told)?;
            hold_on(parts, batch).await?;
        }
        Ok(())
    }

    fn add(&mut self, batch: &OpenaiBatch, custom_id: &str, place: u64, told: Told) -> Result<(), Problem> {
        let id = format!("batch_req_{}_{place}", batch.id);
        let response =
            |status: u16, body: Value| json!({ "status_code": status, "request_id": id, "body": body });
        let (file, response, error) = match told {
            Told::Answer(body) => (&mut self.output, response(200, body), Value::Null),
            Told::Refused(status, body) => (&mut self.errors, response(status, body), Value::Null),
            Told::Expired => {
                self.has_expired = true;
                let message = "the time of the batch was up before the request was answered";
                let error = json!({ "code": "batch_expired", "message": message });
                (&mut self.errors, Value::Null, error)
            }
            Told::Cancelled => {
                let message = "the request was cancelled before it was answered";
                // Clients know this code for whatever was not answered when its batch ended, in whichever way.
                let error = json!({ "code": "batch_expired", "message": message });
                (&mut self.errors, Value::Null, error)
            }
        };
        file.add(&json!({ "id": id, "custom_id": custom_id, "response": response, "error": error }))
    }

    /// How the batch ends, and its files, which are stored.
    pub(super) async fn end(self, parts: &BulkParts, batch: &OpenaiBatch) -> Result<Written, Problem> {
        let blobs = parts.blobs.as_ref();
        Ok(Written {
            ending: batch.moments.ending(self.has_expired),
            tally: Tally {
                answered: self.output.lines,
                unanswered: self.errors.lines,
            },
            output: self.output.store(blobs).await?,
            errors: self.errors.store(blobs).await?,
        })
    }
}

/// What became of a request.
async fn told(parts: &BulkParts, batch: &OpenaiBatch, row: &StoredRow) -> Result<Told, Problem> {
    let first = match &row.verdict {
        RowVerdict::Refused(status, body) => return Ok(Told::Refused(*status, body.clone())),
        RowVerdict::Job(job) => *job,
    };
    let views = views(parts, batch, first).await?;
    if let Some(view) = views.iter().find(|view| view.answer().is_none()) {
        return without_answer(parts, batch, view).await;
    }
    let body = completion::of(&views).ok_or_else(|| Problem::not_found("job"))?;
    let body = serde_json::to_value(body).map_err(Problem::internal)?;
    Ok(Told::Answer(body))
}

async fn views(parts: &BulkParts, batch: &OpenaiBatch, first: JobId) -> Result<Vec<JobView>, Problem> {
    let (db, tenant) = (&parts.db, &batch.caller.tenant);
    let most = parts.openai.most_choices;
    let mut views = Vec::new();
    for job in jobs::of_one_call(db, tenant, first, most).await? {
        views.push(whole(db, tenant, job).await?);
    }
    Ok(views)
}

/// What a job's line tells that has no answer. That it expired or was cancelled is told of the batch only if that did.
async fn without_answer(parts: &BulkParts, batch: &OpenaiBatch, view: &JobView) -> Result<Told, Problem> {
    let is_cancelled = batch.moments.cancelling.is_some();
    let is_late = batch.expires_at <= parts.clock.now();
    let is_its_own = match view.state() {
        // An answer that is not there any more was deleted.
        JobPhase::Failed | JobPhase::Refused | JobPhase::Answered => true,
        JobPhase::Cancelled | JobPhase::Expired => !is_cancelled && !is_late,
        _ => false,
    };
    if is_its_own {
        let stopped = stopped::problem(&parts.db, view).await?;
        let problem = stopped.unwrap_or_else(|| unanswered::problem(view));
        return Ok(Told::Refused(problem.status().as_u16(), errors::body(&problem)));
    }
    match is_cancelled {
        true => Ok(Told::Cancelled),
        false => Ok(Told::Expired),
    }
}
