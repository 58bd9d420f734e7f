//! What webhooks tell: events, and where they go.
//!
//! An event is thin: ids, counts, the decision behind the work and what must be shown with it; never a text of a
//! document or an answer. Whoever wants more follows the URL, with a token.

pub mod delivery;
mod of_acceptance;
mod secret;
mod signing;
mod target;

pub use of_acceptance::{AcceptanceChange, AcceptanceEvent};
pub use secret::{BadSecret, EndpointSecret, SECRET_BYTES};
pub use signing::{BadChoice, BadSeed, EndpointSeed, EventForm, SEED_BYTES, SignatureChoice};
pub use target::{BadTarget, EndpointState, EventTypes, MOST_DESCRIPTION_CHARACTERS, check_description};

use crate::{
    batch::StoredBatch,
    id::{BatchId, DecisionId, EventId, JobId, OpenaiBatchId, WebhookEndpointId},
    names::TenantName,
    openai_batch::Ending,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;

/// The types of events, as `type` in a payload has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    /// Every document and job of a batch has its verdict.
    #[serde(rename = "batch.completed")]
    BatchCompleted,
    /// What allowed a batch stands no more: its jobs without a verdict are held.
    #[serde(rename = "batch.held")]
    BatchHeld,
    /// A batch is allowed again: its held jobs wait for their turn.
    #[serde(rename = "batch.resumed")]
    BatchResumed,
    /// The time of a batch was up: what had no verdict has expired.
    #[serde(rename = "batch.expired")]
    BatchExpired,
    /// A job has its answer.
    #[serde(rename = "job.answered")]
    JobAnswered,
    /// A job will not be answered.
    #[serde(rename = "job.failed")]
    JobFailed,
    /// A reviewer approved an acceptance.
    #[serde(rename = "acceptance.approved")]
    AcceptanceApproved,
    /// A reviewer rejected an acceptance.
    #[serde(rename = "acceptance.rejected")]
    AcceptanceRejected,
    /// A reviewer suspended an acceptance.
    #[serde(rename = "acceptance.suspended")]
    AcceptanceSuspended,
    /// A reviewer let a suspended acceptance stand again.
    #[serde(rename = "acceptance.resumed")]
    AcceptanceResumed,
    /// A reviewer took an acceptance back.
    #[serde(rename = "acceptance.revoked")]
    AcceptanceRevoked,
    /// An acceptance of newer terms took the place of one.
    #[serde(rename = "acceptance.superseded")]
    AcceptanceSuperseded,
    /// An acceptance will run out soon.
    #[serde(rename = "acceptance.expiring")]
    AcceptanceExpiring,
    /// An acceptance has run out.
    #[serde(rename = "acceptance.expired")]
    AcceptanceExpired,
    /// A batch of requests in OpenAI's form is over. It is told in that form too.
    #[serde(rename = "openai.batch.completed")]
    OpenaiBatchCompleted,
    /// The file of such a batch has lines that are no requests.
    #[serde(rename = "openai.batch.failed")]
    OpenaiBatchFailed,
    /// The time of such a batch was up.
    #[serde(rename = "openai.batch.expired")]
    OpenaiBatchExpired,
    /// Such a batch was cancelled.
    #[serde(rename = "openai.batch.cancelled")]
    OpenaiBatchCancelled,
    /// An endpoint was disabled because of what its receiver answered. Told to the tenant's other endpoints.
    #[serde(rename = "webhook_endpoint.disabled")]
    EndpointDisabled,
    /// Somebody tries whether an endpoint works. Sent to that endpoint alone, whatever it asked for.
    #[serde(rename = "webhook_endpoint.test")]
    EndpointTest,
}

impl EventType {
    /// Those that an endpoint may ask for.
    pub const SUBSCRIBABLE: [EventType; 19] = [
        EventType::BatchCompleted,
        EventType::BatchHeld,
        EventType::BatchResumed,
        EventType::BatchExpired,
        EventType::JobAnswered,
        EventType::JobFailed,
        EventType::AcceptanceApproved,
        EventType::AcceptanceRejected,
        EventType::AcceptanceSuspended,
        EventType::AcceptanceResumed,
        EventType::AcceptanceRevoked,
        EventType::AcceptanceSuperseded,
        EventType::AcceptanceExpiring,
        EventType::AcceptanceExpired,
        EventType::OpenaiBatchCompleted,
        EventType::OpenaiBatchFailed,
        EventType::OpenaiBatchExpired,
        EventType::OpenaiBatchCancelled,
        EventType::EndpointDisabled,
    ];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::BatchCompleted => "batch.completed",
            EventType::BatchHeld => "batch.held",
            EventType::BatchResumed => "batch.resumed",
            EventType::BatchExpired => "batch.expired",
            EventType::JobAnswered => "job.answered",
            EventType::JobFailed => "job.failed",
            EventType::AcceptanceApproved => "acceptance.approved",
            EventType::AcceptanceRejected => "acceptance.rejected",
            EventType::AcceptanceSuspended => "acceptance.suspended",
            EventType::AcceptanceResumed => "acceptance.resumed",
            EventType::AcceptanceRevoked => "acceptance.revoked",
            EventType::AcceptanceSuperseded => "acceptance.superseded",
            EventType::AcceptanceExpiring => "acceptance.expiring",
            EventType::AcceptanceExpired => "acceptance.expired",
            EventType::OpenaiBatchCompleted => "openai.batch.completed",
            EventType::OpenaiBatchFailed => "openai.batch.failed",
            EventType::OpenaiBatchExpired => "openai.batch.expired",
            EventType::OpenaiBatchCancelled => "openai.batch.cancelled",
            EventType::EndpointDisabled => "webhook_endpoint.disabled",
            EventType::EndpointTest => "webhook_endpoint.test",
        }
    }

    /// The word that OpenAI has for it, if it is told in OpenAI's form.
    pub fn in_openai_words(self) -> Option<&'static str> {
        self.as_str().strip_prefix("openai.")
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no type of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no type of event")]
pub struct BadEventType(String);

impl FromStr for EventType {
    type Err = BadEventType;

    fn from_str(text: &str) -> Result<Self, BadEventType> {
        let known = Self::SUBSCRIBABLE.into_iter().chain([EventType::EndpointTest]);
        known
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| BadEventType(text.into()))
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// See [`EventType::BatchCompleted`].
    BatchCompleted {
        /// The batch.
        batch: BatchId,
    },
    /// See [`EventType::BatchHeld`].
    BatchHeld {
        /// The batch.
        batch: BatchId,
        /// The decision that says why.
        decision: DecisionId,
        /// The code of its first reason.
        code: String,
    },
    /// See [`EventType::BatchResumed`].
    BatchResumed {
        /// The batch.
        batch: BatchId,
    },
    /// See [`EventType::BatchExpired`].
    BatchExpired {
        /// The batch.
        batch: BatchId,
    },
    /// See [`EventType::JobAnswered`].
    JobAnswered {
        /// The job.
        job: JobId,
        /// Its batch.
        batch: BatchId,
    },
    /// See [`EventType::JobFailed`].
    JobFailed {
        /// The job.
        job: JobId,
        /// Its batch.
        batch: BatchId,
        /// Why, as a stable word.
        code: String,
    },
    /// Something became of an acceptance.
    Acceptance(AcceptanceEvent),
    /// A batch of requests in OpenAI's form has ended.
    OpenaiBatch {
        /// The batch.
        batch: OpenaiBatchId,
        /// How.
        ending: Ending,
    },
    /// See [`EventType::EndpointDisabled`].
    EndpointDisabled {
        /// The endpoint that takes nothing any more.
        endpoint: WebhookEndpointId,
        /// Why, as a stable word.
        code: &'static str,
    },
    /// See [`EventType::EndpointTest`].
    EndpointTest {
        /// The endpoint that is tried.
        endpoint: WebhookEndpointId,
    },
}

/// Something that happened to what a tenant has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id: `webhook-id` of every delivery, so that a receiver knows one that it has seen.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantName,
    /// When it happened.
    pub at: OffsetDateTime,
    /// What happened.
    pub kind: EventKind,
}

impl EventKind {
    /// Its type.
    pub fn event_type(&self) -> EventType {
        match self {
            EventKind::BatchCompleted { .. } => EventType::BatchCompleted,
            EventKind::BatchHeld { .. } => EventType::BatchHeld,
            EventKind::BatchResumed { .. } => EventType::BatchResumed,
            EventKind::BatchExpired { .. } => EventType::BatchExpired,
            EventKind::JobAnswered { .. } => EventType::JobAnswered,
            EventKind::JobFailed { .. } => EventType::JobFailed,
            EventKind::Acceptance(event) => event.change.event_type(),
            EventKind::OpenaiBatch { ending, .. } => match ending {
                Ending::Completed => EventType::OpenaiBatchCompleted,
                Ending::Failed => EventType::OpenaiBatchFailed,
                Ending::Expired => EventType::OpenaiBatchExpired,
                Ending::Cancelled => EventType::OpenaiBatchCancelled,
            },
            EventKind::EndpointDisabled { .. } => EventType::EndpointDisabled,
            EventKind::EndpointTest { .. } => EventType::EndpointTest,
        }
    }

    /// The batch that it is about.
    pub fn batch(&self) -> Option<BatchId> {
        match self {
            EventKind::BatchCompleted { batch }
            | EventKind::BatchHeld { batch, .. }
            | EventKind::BatchResumed { batch }
            | EventKind::BatchExpired { batch }
            | EventKind::JobAnswered { batch, .. }
            | EventKind::JobFailed { batch, .. } => Some(*batch),
            EventKind::Acceptance(_)
            | EventKind::OpenaiBatch { .. }
            | EventKind::EndpointDisabled { .. }
            | EventKind::EndpointTest { .. } => None,
        }
    }

    fn is_of_whole_batch(&self) -> bool {
        matches!(
            self,
            EventKind::BatchCompleted { .. }
                | EventKind::BatchHeld { .. }
                | EventKind::BatchResumed { .. }
                | EventKind::BatchExpired { .. }
        )
    }

    /// The path of the API under which the whole of it is read.
    pub fn path(&self) -> String {
        match self {
            EventKind::BatchCompleted { batch } | EventKind::BatchExpired { batch } => {
                format!("/v1/batches/{batch}/answers")
            }
            EventKind::BatchHeld { batch, .. } | EventKind::BatchResumed { batch } => {
                format!("/v1/batches/{batch}")
            }
            EventKind::JobAnswered { job, .. } | EventKind::JobFailed { job, .. } => {
                format!("/v1/jobs/{job}")
            }
            EventKind::Acceptance(event) => format!("/v1/acceptances/{}", event.acceptance),
            EventKind::OpenaiBatch { batch, .. } => format!("/openai/v1/batches/{batch}"),
            EventKind::EndpointDisabled { endpoint, .. } | EventKind::EndpointTest { endpoint } => {
                format!("/v1/webhook-endpoints/{endpoint}")
            }
        }
    }

    /// The facts that a payload carries as `data`; `batch` is the one that it is about, as it is then.
    pub fn data(&self, batch: Option<&StoredBatch>) -> Map<String, Value> {
        let mut data = match self {
            EventKind::Acceptance(event) => event.data(),
            _ => Map::new(),
        };
        let mut put = |key: &str, value: Value| drop(data.insert(key.to_owned(), value));
        match self {
            EventKind::BatchCompleted { .. }
            | EventKind::BatchHeld { .. }
            | EventKind::BatchResumed { .. }
            | EventKind::BatchExpired { .. }
            | EventKind::Acceptance(_) => {}
            EventKind::OpenaiBatch { batch, .. } => put("id", json!(batch)),
            EventKind::EndpointTest { endpoint } => put("webhook_endpoint", json!(endpoint)),
            EventKind::EndpointDisabled { endpoint, code } => {
                put("webhook_endpoint", json!(endpoint));
                put("code", json!(code));
            }
            EventKind::JobAnswered { job, .. } => put("job", json!(job)),
            EventKind::JobFailed { job, code, .. } => {
                put("job", json!(job));
                put("code", json!(code));
            }
        }
        if let Some(batch) = batch {
            put("batch", json!(batch.id));
            put("model", json!(batch.license.model));
            put("purpose", json!(batch.license.purpose));
            put("decision_id", json!(batch.license.decision));
            put("notices", json!(batch.license.notices().collect::<Vec<_>>()));
            if self.is_of_whole_batch() {
                put("jobs", json!(batch.jobs));
                put("documents", json!(batch.documents));
            }
        }
        if let EventKind::BatchHeld { decision, code, .. } = self {
            put("code", json!(code));
            put("decision_id", json!(decision));
        }
        data
    }
}

#[cfg(test)]
mod tests;
