//! What the work at an order tells of itself to those who collect traces and metrics: by the names of OpenTelemetry for
//! generative AI.

use crate::outcome::{Outcome, Tally};
use domain::order::WorkOrder;
use exchange::spans::{Kind, Span};

const OPERATION: &str = "chat";
const PROVIDER: &str = "glmhub";

/// Begins to tell of an order, in whose trace the reports are from now on.
pub(crate) fn begin(order: &mut WorkOrder) -> Span {
    let mut span = Span::begin("order", Kind::Consumer, order.trace.as_ref());
    span.tell("gen_ai.operation.name", OPERATION);
    span.tell("gen_ai.provider.name", PROVIDER);
    span.tell("gen_ai.request.model", order.model.to_string());
    span.tell("glmhub.order", order.id.to_string());
    span.tell("glmhub.attempt", i64::from(order.attempt));
    span.tell("glmhub.questions", order.questions.len() as i64);
    order.trace = Some(span.trace().clone());
    span
}

/// Measures how long an answer was computed.
pub(crate) fn answered(model: &str, compute_ms: u64) {
    let labels = [
        ("gen_ai.operation.name", OPERATION.to_owned()),
        ("gen_ai.provider.name", PROVIDER.to_owned()),
        ("gen_ai.request.model", model.to_owned()),
    ];
    metrics::histogram!("gen_ai.server.request.duration", &labels).record(compute_ms as f64 / 1_000.0);
}

/// Tells what the answers took.
pub(crate) fn used(span: &mut Span, tally: &Tally) {
    span.tell("gen_ai.usage.input_tokens", tally.input_tokens as i64);
    span.tell("gen_ai.usage.output_tokens", tally.output_tokens as i64);
}

/// Tells how the work ended.
pub(crate) fn end(span: &mut Span, outcome: &Outcome) {
    match outcome {
        Outcome::Finished { answered, failed, .. } => {
            span.tell("glmhub.answered", *answered as i64);
            span.tell("glmhub.failed", *failed as i64);
            if *failed > 0 {
                span.failed("jobs_failed");
            }
        }
        Outcome::Refused { code, .. } => span.failed(code),
        Outcome::Lost { .. } => span.failed("lost"),
        Outcome::Withdrawn { .. } => span.failed("withdrawn"),
        Outcome::HandedBack { .. } => span.failed("handed_back"),
        Outcome::Unreachable { .. } => span.failed("queue_unreachable"),
        Outcome::Idle => {}
    }
}
