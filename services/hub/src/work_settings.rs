//! The settings of batches, documents and jobs. `config.default.toml` gives the defaults and says why one
//! would change them.

use domain::{job::RetryRule, names::TenantName, question::QuestionLimits};
use pages::{Fonts, Limits, child::Splitter};
use records::{backlog::Bounds, turns::Share};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use time::OffsetDateTime;

/// The section `[work]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkSettings {
    /// The most questions of a batch.
    pub most_questions: usize,
    /// The most characters of a question.
    pub most_question_characters: usize,
    /// The tokens of a context in which answers of pages are combined, with question and answer.
    pub combine_context_tokens: u32,
    /// The most entries of a batch's metadata.
    pub most_metadata_entries: usize,
    /// The most characters of a key, and of a value, of metadata.
    pub most_metadata_characters: usize,
    /// The farthest away that the end of a batch may be, in seconds.
    pub longest_expiry_seconds: u64,
    /// The most jobs of all tenants that are accepted and have no verdict; 0 for no bound.
    pub most_waiting_jobs: u64,
    /// The same of each tenant.
    pub most_waiting_jobs_of_tenant: u64,
    /// The most documents of a batch.
    pub most_documents: u64,
    /// The most documents that a preflight looks at in one call.
    pub most_preflight_documents: u64,
    /// The most bytes of a document.
    pub most_document_bytes: u64,
    /// The media types that documents may have.
    pub media_types: Vec<String>,
    /// The longest that a call may wait for its answer, in seconds.
    pub longest_wait_seconds: u64,
    /// How many documents are split at once.
    pub split_processes: usize,
    /// How long splitting one document may take, in seconds.
    pub split_seconds: u64,
    /// How long a document stays with a hub that gives no sign of life, in seconds.
    pub split_hold_seconds: u64,
    /// How much memory splitting one document may take, in bytes.
    pub split_memory_bytes: u64,
    /// The most bytes of all documents of a ZIP archive, unpacked.
    pub most_unpacked_bytes: u64,
    /// The most pixels of a page.
    pub most_page_pixels: u64,
    /// The most pixels of a page's longer side.
    pub most_page_side: u32,
    /// The most pages of a document.
    pub most_pages: u32,
    /// The pixels that the longer side of a PDF page is drawn with.
    pub pdf_page_side: u32,
    /// The folders in which fonts are looked for that PDF documents do not bring.
    pub font_folders: Vec<PathBuf>,
    /// The most orders that are out at once.
    pub most_orders: u64,
    /// The most orders of one tenant that are out at once.
    pub most_orders_of_tenant: u64,
    /// Tenants that get more or less than the others.
    pub shares: Vec<ShareSettings>,
    /// For how long an answer is given again to the same question about the same page in another batch of its tenant, in
    /// seconds; 0 for never.
    pub share_answers_seconds: u64,
    /// The most bytes of a question's JSON schema.
    pub most_schema_bytes: usize,
    /// How long a grant is good, in seconds: longer than an order waits for a worker and is worked on.
    pub grant_seconds: u64,
    /// After how many faults that may pass a job is dead-lettered.
    pub most_faults: u32,
    /// After how many attempts that vanished at work a job is dead-lettered.
    pub most_losses: u32,
    /// The pause after the first fault, in seconds; it doubles with each further one.
    pub first_pause_seconds: u64,
    /// The longest pause after a fault, in seconds.
    pub longest_pause_seconds: u64,
    /// How many reports are collected at once.
    pub most_reports: usize,
    /// How long an order may be missing from the queue before it counts as lost, in seconds.
    pub lost_after_seconds: u64,
    /// After how long of silence a worker counts as gone, in seconds.
    pub worker_gone_seconds: u64,
    /// How often held work is looked at again, in seconds.
    pub reconsider_seconds: u64,
    /// How long a loop without work waits before it looks again, in milliseconds.
    pub idle_milliseconds: u64,
}

/// What a tenant gets of the workers, where it is not what everybody gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSettings {
    /// Whose it is.
    pub tenant: TenantName,
    /// Questions that it may send for each one of a tenant without a share.
    #[serde(default = "one")]
    pub weight: u64,
    /// The most of its orders that are out at once.
    pub most_orders: Option<u64>,
}

fn one() -> u64 {
    1
}

/// No tenant counts for more than this many others.
const MOST_WEIGHT: u64 = 1000;

impl WorkSettings {
    /// Whether shares can be kept.
    pub fn check(&self) -> Result<(), String> {
        for (place, share) in self.shares.iter().enumerate() {
            let tenant = &share.tenant;
            if !(1..=MOST_WEIGHT).contains(&share.weight) {
                return Err(format!(
                    "work.shares gives {tenant} the weight {}, which must be 1 to {MOST_WEIGHT}",
                    share.weight
                ));
            }
            if share.most_orders == Some(0) {
                return Err(format!("work.shares gives {tenant} no orders; the least is 1"));
            }
            if self.shares[..place].iter().any(|other| other.tenant == *tenant) {
                return Err(format!("work.shares names {tenant} twice"));
            }
        }
        Ok(())
    }

    /// What tenants get that do not get what everybody gets.
    pub fn shares(&self) -> Vec<Share> {
        let share = |share: &ShareSettings| Share {
            tenant: share.tenant.clone(),
            weight: share.weight,
            most_orders: share.most_orders,
        };
        self.shares.iter().map(share).collect()
    }

    /// The farthest away that the end of a batch may be.
    pub fn longest_expiry(&self) -> time::Duration {
        seconds(self.longest_expiry_seconds)
    }

    /// From when on answers are given again in other batches; none, if they are not.
    pub fn shared_since(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let long = (self.share_answers_seconds > 0).then(|| seconds(self.share_answers_seconds))?;
        Some(now.checked_sub(long).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// How much may wait.
    pub fn bounds(&self) -> Bounds {
        let bound = |most: u64| (most > 0).then_some(most);
        Bounds {
            of_tenant: bound(self.most_waiting_jobs_of_tenant),
            of_all: bound(self.most_waiting_jobs),
        }
    }

    /// The limits of questions.
    pub fn question_limits(&self) -> QuestionLimits {
        QuestionLimits {
            most: self.most_questions,
            characters: self.most_question_characters,
        }
    }

    /// When attempts are repeated.
    pub fn retry_rule(&self) -> RetryRule {
        RetryRule {
            most_faults: self.most_faults,
            most_losses: self.most_losses,
            first_pause: seconds(self.first_pause_seconds),
            longest_pause: seconds(self.longest_pause_seconds),
        }
    }

    /// Splits documents in children of `program`, within the limits.
    pub fn splitter(&self, program: PathBuf) -> Splitter {
        Splitter {
            program,
            time_limit: Duration::from_secs(self.split_seconds),
            memory_limit: self.split_memory_bytes,
            limits: self.page_limits(),
            fonts: Fonts(self.font_folders.clone()),
        }
    }

    /// How large documents and pages may be.
    pub fn page_limits(&self) -> Limits {
        Limits {
            max_bytes: self.most_document_bytes,
            max_unpacked: self.most_unpacked_bytes,
            max_pixels: self.most_page_pixels,
            max_side: self.most_page_side,
            max_pages: self.most_pages,
            pdf_side: self.pdf_page_side,
        }
    }

    /// How long a document stays with an intake that gives no sign of life.
    pub fn split_hold(&self) -> time::Duration {
        seconds(self.split_hold_seconds.max(1))
    }

    /// How long a grant is good.
    pub fn grant_lifetime(&self) -> time::Duration {
        seconds(self.grant_seconds)
    }

    /// How long an order may be missing from the queue.
    pub fn lost_after(&self) -> time::Duration {
        seconds(self.lost_after_seconds)
    }

    /// After how long of silence a worker counts as gone.
    pub fn worker_gone(&self) -> time::Duration {
        seconds(self.worker_gone_seconds)
    }

    /// How long the loop over held work waits.
    pub fn reconsider(&self) -> Duration {
        Duration::from_secs(self.reconsider_seconds)
    }

    /// How long a loop without work waits.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_milliseconds)
    }

    /// Whether documents may have this media type.
    pub fn takes(&self, media_type: &str) -> bool {
        self.media_types
            .iter()
            .any(|known| known.eq_ignore_ascii_case(media_type))
    }
}

fn seconds(number: u64) -> time::Duration {
    time::Duration::seconds(i64::try_from(number).unwrap_or(i64::MAX))
}
