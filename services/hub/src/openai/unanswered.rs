//! Why a job has no answer.

use crate::{api::job_view::JobView, problem::Problem};
use actix_web::http::StatusCode;
use domain::job::JobPhase;

/// The problem of a job without an answer that the gate did not stop: it failed, was cancelled, has expired, or takes longer than a
/// call may wait.
pub(super) fn problem(view: &JobView) -> Problem {
    let problem = match (view.failed_with(), view.state()) {
        (Some((code, message)), JobPhase::Expired) => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, code.to_owned(), message)
        }
        (Some((code, message)), _) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code.to_owned(), message)
        }
        (None, JobPhase::Cancelled) => Problem::conflict("job_cancelled", "the job was cancelled; ask again"),
        (None, _) => Problem::new(StatusCode::GATEWAY_TIMEOUT, "answer_delayed", later(&view.id())),
    };
    problem
        .with("job", view.id())
        .with("state", view.state().as_str())
}

/// The problem of a stream that breaks off although its job goes on: the hub ends, or its records are away.
pub(super) fn broken_off(job: &str) -> Problem {
    Problem::unavailable("stream_broken_off", later(job), 1).with("job", job)
}

/// The problem of an answer of which another beginning was sent already: its job was begun anew, and went another way.
pub(super) fn departed(job: &str) -> Problem {
    let detail = format!(
        "the job was begun anew and its answer goes another way than what was sent; GET /v1/jobs/{job} has it whole"
    );
    Problem::conflict("answer_departed", detail).with("job", job)
}

fn later(job: &str) -> String {
    format!("the answer is not there yet; GET /v1/jobs/{job} has it later")
}
