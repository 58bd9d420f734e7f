//! The no-op engine of `glmhub bench queue`: it looks at nothing and says so.
//!
//! Everything around it is as with the real one, so that what is measured is the way of a job and not the model.

use domain::order::{AnswerReport, FinishReason, OrderQuestion, ReportKind};
use std::{thread, time::Duration};

/// The name that its answers carry, so that none can be taken for one of a model.
const ENGINE: &str = concat!("noop ", env!("CARGO_PKG_VERSION"));
/// Its answer to everything.
const TEXT: &str = "No answer: this is the no-op engine of a measurement.";

/// What works at the orders of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Computing {
    /// The model.
    #[default]
    Engine,
    /// Nothing: every question gets the same sentence, those of an order after so long. For measurements alone.
    Noop(Duration),
}

/// Tells an answer to every question without looking at the page, when `pause` is over.
pub(crate) fn answer_all(questions: &[OrderQuestion], pause: Duration, tell: &dyn Fn(ReportKind)) {
    if !pause.is_zero() {
        thread::sleep(pause);
    }
    for question in questions {
        tell(ReportKind::Answered {
            job: question.job,
            answer: AnswerReport {
                text: TEXT.to_owned(),
                finish_reason: FinishReason::Stop,
                input_tokens: 0,
                output_tokens: 0,
                compute_ms: 0,
                engine: ENGINE.to_owned(),
                logprobs: None,
            },
        });
    }
}
