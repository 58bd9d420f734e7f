//! What becomes of orders and their jobs.

use crate::told;
use domain::{
    id::{JobId, OrderId},
    order::{Fault, ReportKind, WorkOrder},
};
use exchange::queue::QueueError;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was no order.
    Idle,
    /// Everything about the order was reported.
    Finished {
        /// The order.
        order: OrderId,
        /// Jobs with an answer.
        answered: usize,
        /// Jobs with a fault.
        failed: usize,
    },
    /// The grant did not hold, at first or no longer; the rest of the order's jobs were reported as failed.
    Refused {
        /// The order.
        order: OrderId,
        /// The grant's code.
        code: &'static str,
    },
    /// The lease ended; another worker has the order.
    Lost {
        /// The order.
        order: OrderId,
    },
    /// The hub took the order back.
    Withdrawn {
        /// The order.
        order: OrderId,
    },
    /// The worker leaves, and gave the order back.
    HandedBack {
        /// The order.
        order: OrderId,
    },
    /// The queue did not answer. An order that was taken comes again when its lease has ended.
    Unreachable {
        /// What it said.
        reason: String,
    },
}

impl From<QueueError> for Outcome {
    fn from(error: QueueError) -> Self {
        Outcome::Unreachable {
            reason: error.to_string(),
        }
    }
}

/// Which jobs of an order have been reported.
pub(crate) struct Tally {
    model: String,
    open: Vec<JobId>,
    pub answered: usize,
    pub failed: usize,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Tally {
    pub fn of(order: &WorkOrder) -> Self {
        Self {
            model: order.model.to_string(),
            open: order.questions.iter().map(|question| question.job).collect(),
            answered: 0,
            failed: 0,
            input_tokens: 0,
            output_tokens: 0,
        }
    }

    pub fn count(&mut self, kind: &ReportKind) {
        let Some(job) = kind.job() else {
            return;
        };
        self.open.retain(|open| *open != job);
        let outcome = if let ReportKind::Answered { answer, .. } = kind {
            self.answered += 1;
            self.input_tokens += u64::from(answer.input_tokens);
            self.output_tokens += u64::from(answer.output_tokens);
            told::answered(&self.model, answer.compute_ms);
            "answered"
        } else {
            self.failed += 1;
            "failed"
        };
        metrics::counter!("glmhub_answers_total", "outcome" => outcome).increment(1);
    }

    /// Whether no job is open any more when `kinds` have been reported too.
    pub fn is_complete_with(&self, kinds: &[ReportKind]) -> bool {
        let told: Vec<JobId> = kinds.iter().filter_map(ReportKind::job).collect();
        self.open.iter().all(|open| told.contains(open))
    }

    /// Reports that fail what is still open.
    pub fn failures(&self, fault: &Fault) -> Vec<ReportKind> {
        self.open
            .iter()
            .map(|&job| ReportKind::Failed {
                job,
                fault: fault.clone(),
            })
            .collect()
    }
}
