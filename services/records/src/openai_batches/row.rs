//! A batch as its row tells of it.

use crate::{At, RecordsError, read::Reading};
use domain::{
    access::{Caller, Role},
    id::{ApiKeyId, FileId, OpenaiBatchId},
    openai_batch::{LineFault, Moments, Tally},
    purpose::Purpose,
};
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Words of the tenant's own.
pub type Notes = BTreeMap<String, String>;

/// A batch.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenaiBatch {
    /// Which one.
    pub id: OpenaiBatchId,
    /// Whose acts its requests are.
    pub caller: Caller,
    /// The key that it came with, if it was one.
    pub key: Option<ApiKeyId>,
    /// What requests are for that do not say it.
    pub purpose: Purpose,
    /// What its requests ask, in OpenAI's words.
    pub endpoint: String,
    /// Its requests.
    pub input_file: FileId,
    /// As it was asked for.
    pub completion_window: String,
    /// The tenant's own words.
    pub metadata: Option<Notes>,
    /// How long the files of its answers are kept.
    pub output_seconds: Option<u64>,
    /// Which model is asked, as soon as its file was read.
    pub model: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on nothing more of it is answered.
    pub expires_at: OffsetDateTime,
    /// When what happened to it.
    pub moments: Moments,
    /// What is wrong with its file.
    pub faults: Vec<LineFault>,
    /// How many requests its file has, as soon as it was read.
    pub total: u64,
    /// How far its file was read: rows that are stored, and where the next one begins.
    pub fed: (u64, u64),
    /// How many lines were read.
    pub fed_lines: u64,
    /// How many requests have an answer, when it is over.
    pub tally: Option<Tally>,
    /// The file of requests with answers.
    pub output_file: Option<FileId>,
    /// The file of requests without.
    pub error_file: Option<FileId>,
    /// Until when somebody has it in hand.
    pub held_until: OffsetDateTime,
}

/// How many requests of a batch have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whose work is over.
    pub settled: u64,
    /// With answers.
    pub answered: u64,
    /// Settled without.
    pub unanswered: u64,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    tenant: String,
    member: String,
    roles: Json<BTreeSet<Role>>,
    api_key: Option<String>,
    purpose: String,
    endpoint: String,
    input_file: String,
    completion_window: String,
    metadata: Option<Json<Notes>>,
    output_seconds: Option<i64>,
    model: Option<String>,
    created_at: At,
    expires_at: At,
    in_progress_at: Option<At>,
    finalizing_at: Option<At>,
    completed_at: Option<At>,
    failed_at: Option<At>,
    expired_at: Option<At>,
    cancelling_at: Option<At>,
    cancelled_at: Option<At>,
    faults: Json<Vec<LineFault>>,
    total: i64,
    answered: Option<i64>,
    unanswered: Option<i64>,
    fed_rows: i64,
    fed_bytes: i64,
    fed_lines: i64,
    output_file: Option<String>,
    error_file: Option<String>,
    held_until: At,
}

impl Row {
    pub(super) fn read(self) -> Result<OpenaiBatch, RecordsError> {
        let row = Reading {
            table: "openai_batches",
            id: &self.id,
        };
        let at = |at: Option<At>| at.map(|at| at.0);
        let tally = match (self.answered, self.unanswered) {
            (Some(answered), Some(unanswered)) => Some(Tally {
                answered: row.whole(answered)?,
                unanswered: row.whole(unanswered)?,
            }),
            _ => None,
        };
        Ok(OpenaiBatch {
            id: row.parsed(&self.id)?,
            caller: Caller {
                tenant: row.parsed(&self.tenant)?,
                member: row.parsed(&self.member)?,
                roles: self.roles.0,
            },
            key: row.parsed_if(self.api_key.as_deref())?,
            purpose: row.parsed(&self.purpose)?,
            input_file: row.parsed(&self.input_file)?,
            output_seconds: self
                .output_seconds
                .map(|seconds| row.whole(seconds))
                .transpose()?,
            moments: Moments {
                in_progress: at(self.in_progress_at),
                finalizing: at(self.finalizing_at),
                completed: at(self.completed_at),
                failed: at(self.failed_at),
                expired: at(self.expired_at),
                cancelling: at(self.cancelling_at),
                cancelled: at(self.cancelled_at),
            },
            total: row.whole(self.total)?,
            fed: (row.whole(self.fed_rows)?, row.whole(self.fed_bytes)?),
            fed_lines: row.whole(self.fed_lines)?,
            tally,
            output_file: row.parsed_if(self.output_file.as_deref())?,
            error_file: row.parsed_if(self.error_file.as_deref())?,
            endpoint: self.endpoint,
            completion_window: self.completion_window,
            metadata: self.metadata.map(|notes| notes.0),
            model: self.model,
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
            faults: self.faults.0,
            held_until: self.held_until.0,
        })
    }
}
