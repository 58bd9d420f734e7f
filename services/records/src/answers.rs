//! Answers. The table's key makes a second answer of a job impossible.

use crate::{
    At, Db, RecordsError, Tx,
    audit::rows::{Fact, Rows},
    later::{Members, Param, Write},
    many, on,
    read::{Reading, number},
};
use domain::{
    id::{BatchId, DecisionId, JobId, WorkerId},
    job::Out,
    names::TenantName,
    order::{AnswerReport, FinishReason, TokenLogprob},
};
use serde_json::json;
use sqlx::types::Json;
use time::OffsetDateTime;

const COLUMNS_OF_JOB: &str =
    "SELECT a.* FROM answers a JOIN jobs j ON j.id = a.job WHERE a.job = $1 AND j.tenant = $2";
const OF_BATCH: &str = "SELECT a.* FROM answers a WHERE a.job IN (SELECT id FROM jobs WHERE tenant = $1 AND batch = $2 \
    AND state = 'answered' AND (document_place, page_number, question) \
    >= (SELECT document_place, page_number, question FROM jobs WHERE id = $3 AND batch || '' = $2) \
    AND (document_place, page_number, question) \
    <= (SELECT document_place, page_number, question FROM jobs WHERE id = $4 AND batch || '' = $2))";
const INSERT: &str = "INSERT INTO answers (job, order_id, attempt, text, finish_reason, input_tokens, output_tokens, \
    compute_ms, engine, worker, answered_at, decision, logprobs, shared_from) SELECT r.value ->> 'job', r.value ->> 'order_id', \
    CAST(r.value ->> 'attempt' AS BIGINT), r.value ->> 'text', r.value ->> 'finish_reason', \
    CAST(r.value ->> 'input_tokens' AS BIGINT), CAST(r.value ->> 'output_tokens' AS BIGINT), \
    CAST(r.value ->> 'compute_ms' AS BIGINT), r.value ->> 'engine', r.value ->> 'worker', $2, $3, r.value -> 'logprobs', \
    r.value ->> 'shared_from' FROM json_each($1) AS r";
const OF_JOBS: &str = "SELECT * FROM answers WHERE job IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";

pub(crate) const STATEMENTS: &[&str] = &[COLUMNS_OF_JOB, OF_BATCH, INSERT, OF_JOBS];

/// The answer of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The job.
    pub job: JobId,
    /// The attempt that it came from.
    pub attempt: u32,
    /// What the worker reported.
    pub report: AnswerReport,
    /// Who answered.
    pub worker: WorkerId,
    /// When it was stored.
    pub answered_at: OffsetDateTime,
    /// The decision that allowed it; that of its batch, if it does not tell.
    pub decision: Option<DecisionId>,
    /// The job whose computation it is, if it was computed for another one: the same question about the same bytes.
    pub shared_from: Option<JobId>,
}

#[derive(sqlx::FromRow)]
struct AnswerRow {
    job: String,
    attempt: i64,
    text: String,
    finish_reason: String,
    input_tokens: i64,
    output_tokens: i64,
    compute_ms: i64,
    engine: String,
    worker: String,
    answered_at: At,
    decision: Option<String>,
    logprobs: Option<Json<Vec<TokenLogprob>>>,
    shared_from: Option<String>,
}

impl AnswerRow {
    fn read(self) -> Result<Answer, RecordsError> {
        let reading = Reading {
            table: "answers",
            id: &self.job,
        };
        let finish_reason = match self.finish_reason.as_str() {
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            other => return Err(reading.nonsense(format!("`{other}` is no reason to finish"))),
        };
        Ok(Answer {
            job: reading.parsed(&self.job)?,
            attempt: reading.whole(self.attempt)?,
            report: AnswerReport {
                finish_reason,
                input_tokens: reading.whole(self.input_tokens)?,
                output_tokens: reading.whole(self.output_tokens)?,
                compute_ms: reading.whole(self.compute_ms)?,
                text: self.text,
                engine: self.engine,
                logprobs: self.logprobs.map(|tokens| tokens.0),
            },
            worker: reading.parsed(&self.worker)?,
            answered_at: self.answered_at.0,
            decision: reading.parsed_if(self.decision.as_deref())?,
            shared_from: reading.parsed_if(self.shared_from.as_deref())?,
        })
    }
}

/// The answer of a job of `tenant`.
pub async fn of_job(db: &Db, tenant: &TenantName, job: JobId) -> Result<Option<Answer>, RecordsError> {
    let row = on!(db, |c| sqlx::query_as::<_, AnswerRow>(COLUMNS_OF_JOB)
        .bind(job.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(AnswerRow::read).transpose()
}

/// The answers of those of `jobs` that have one, in no order. Whoever asks has the jobs of its tenant.
pub(crate) async fn of_jobs(tx: &mut Tx, jobs: &[JobId]) -> Result<Vec<Answer>, RecordsError> {
    let jobs = many::ids(jobs);
    let rows = on!(tx: tx, |c| sqlx::query_as::<_, AnswerRow>(OF_JOBS).bind(&jobs).fetch_all(c))?;
    rows.into_iter().map(AnswerRow::read).collect()
}

/// The answers of a batch of `tenant` from the job `first` to the job `last`, both included, in no order.
pub async fn between(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    first: JobId,
    last: JobId,
) -> Result<Vec<Answer>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, AnswerRow>(OF_BATCH)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(c))?;
    rows.into_iter().map(AnswerRow::read).collect()
}

/// A text of an answer as it is stored. PostgreSQL cannot store U+0000, and no reader would miss it.
pub fn as_stored(text: &str) -> String {
    text.replace('\0', "")
}

/// Tokens as they are stored, without U+0000 in their texts; their bytes say what it was.
fn logprobs_as_stored(tokens: &[TokenLogprob]) -> Vec<TokenLogprob> {
    let mut tokens = tokens.to_vec();
    for token in &mut tokens {
        for one in std::iter::once(&mut token.chosen).chain(&mut token.top_logprobs) {
            one.token = as_stored(&one.token);
        }
    }
    tokens
}

/// An answer that has come, from whom and for which job.
pub(crate) struct NewAnswer<'a> {
    pub job: JobId,
    pub out: Out,
    pub worker: WorkerId,
    pub report: &'a AnswerReport,
    pub shared_from: Option<JobId>,
}

impl NewAnswer<'_> {
    /// What is stored of it, but for what all that are stored together share. Where nothing is, no column has a value: the
    /// log's digests leave it out.
    fn columns(&self) -> Vec<(&'static str, Param)> {
        let Self {
            job,
            out,
            worker,
            report,
            shared_from,
        } = self;
        let logprobs = report.logprobs.as_ref();
        vec![
            ("job", job.to_string().into()),
            ("order_id", out.order.to_string().into()),
            ("attempt", number(out.attempt).into()),
            ("text", as_stored(&report.text).into()),
            ("finish_reason", json!(report.finish_reason).as_str().into()),
            ("input_tokens", number(report.input_tokens).into()),
            ("output_tokens", number(report.output_tokens).into()),
            ("compute_ms", number(report.compute_ms).into()),
            ("engine", as_stored(&report.engine).into()),
            ("worker", worker.to_string().into()),
            (
                "logprobs",
                logprobs.map(|tokens| json!(logprobs_as_stored(tokens))).into(),
            ),
            ("shared_from", shared_from.map(|first| first.to_string()).into()),
        ]
    }
}

/// Has answers that `decision` allowed stored. Gives their rows.
pub(crate) fn insert(
    tx: &mut Tx,
    answers: &[NewAnswer<'_>],
    decision: DecisionId,
    at: OffsetDateTime,
) -> Result<Rows, RecordsError> {
    let mut columns: Vec<_> = answers.iter().map(NewAnswer::columns).collect();
    let write = Write::of(INSERT)
        .bind(many::rows(columns.iter().map(|columns| Members(columns))))
        .bind(At(at))
        .bind(decision.to_string());
    tx.later(write);
    for columns in &mut columns {
        columns.push(("answered_at", At(at).into()));
        columns.push(("decision", decision.to_string().into()));
    }
    Rows::of_new(tx.db(), Fact::Answer, columns.iter().map(Vec::as_slice))
}
