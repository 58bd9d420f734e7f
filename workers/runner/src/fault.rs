//! What went wrong, in the words of a report: a stable code, and whether another attempt may succeed.
//!
//! No message holds text of a document, a question or an answer.

use domain::order::Fault;
use engine::{EngineError, LoadError};
use exchange::{blobs::BlobError, grant::GrantError};
use pages::PageError;
use std::{fmt::Display, path::Path};

/// Another attempt would end the same way.
pub(crate) fn lasting(code: &str, message: impl Display) -> Fault {
    Fault {
        code: code.to_owned(),
        message: message.to_string(),
        may_pass: false,
    }
}

/// Another attempt may succeed.
pub(crate) fn passing(code: &str, message: impl Display) -> Fault {
    Fault {
        code: code.to_owned(),
        message: message.to_string(),
        may_pass: true,
    }
}

/// A grant that does not hold. Where only the clock was against it, a freshly minted one may. So where it was used
/// up: reports about its work may have been lost with the queue, and then the hub has to ask again.
pub(crate) fn of_grant(error: &GrantError) -> Fault {
    match error {
        GrantError::Expired { .. } | GrantError::NotYet { .. } | GrantError::Replayed => {
            passing(error.code(), error)
        }
        _ => lasting(error.code(), error),
    }
}

/// A page that the blobs did not give.
pub(crate) fn of_page_blob(error: &BlobError) -> Fault {
    match error {
        BlobError::Absent(_) => lasting("page_missing", format!("the page's bytes are gone: {error}")),
        // It may have been the way here that damaged it.
        BlobError::Damaged(_) => passing("page_damaged", error),
        BlobError::TooLarge { .. } => lasting("page_unreadable", format!("the page has {error}")),
        BlobError::Io(_) => passing("blobs_unreachable", error),
    }
}

/// A page whose bytes are what they should be, but are no picture that can be answered about.
pub(crate) fn of_page(error: &PageError) -> Fault {
    if error.is_documents_fault() {
        lasting("page_unreadable", error)
    } else {
        passing("page_storage", error)
    }
}

/// A part of a model that the blobs did not give; `what` names it.
pub(crate) fn of_artifact(what: &str, error: &BlobError) -> Fault {
    match error {
        BlobError::Io(_) => passing("blobs_unreachable", format!("{what}: {error}")),
        _ => lasting(
            "model_unusable",
            format!("{what}: {error}; import the model again"),
        ),
    }
}

/// Somebody writes to the worker's folder of models.
pub(crate) fn of_changing_model(file: &Path) -> Fault {
    let file = file.display();
    passing(
        "model_changed",
        format!("{file} changed while it was loaded; find out who writes to the worker's folder of models"),
    )
}

/// A model whose files are whole, but that cannot be loaded.
pub(crate) fn of_load(error: &LoadError) -> Fault {
    lasting("model_unusable", error)
}

/// A question that got no answer. Whether it was broken off is told apart before this is asked.
pub(crate) fn of_engine(error: &EngineError) -> Fault {
    match error {
        EngineError::DoesNotFit { .. } => lasting("question_too_long", error),
        EngineError::Prompt(_) => lasting("question_invalid", error),
        EngineError::NothingAsked | EngineError::Sampling(_) => lasting("parameters_invalid", error),
        EngineError::BadPage { .. } => lasting("page_unreadable", error),
        EngineError::ForeignToken { .. } => lasting("model_unusable", error),
        EngineError::NotFinite { .. } => lasting("answer_not_finite", error),
        EngineError::NoPage | EngineError::NoImage => lasting("engine_failed", error),
        EngineError::BadShape(_) | EngineError::OffShape(_) => of_shape(),
        // Another worker may have more.
        EngineError::NoMemory { .. } => passing("memory_short", error),
        EngineError::Panicked => of_panic(),
        EngineError::Cancelled | EngineError::Compute(_) => passing("engine_failed", error),
    }
}

/// A schema that no answer can keep to. What exactly is wrong may hold texts of the question.
pub(crate) fn of_shape() -> Fault {
    lasting(
        "schema_unusable",
        "no answer can keep to the question's schema: make it simpler",
    )
}

/// An answer that does not keep to the question's schema.
pub(crate) fn off_schema() -> Fault {
    lasting(
        "answer_off_schema",
        "the answer does not keep to the question's schema: ask with a simpler one",
    )
}

/// The engine panicked over this order. Another one would too, so nobody else is made to try.
pub(crate) fn of_panic() -> Fault {
    lasting(
        "engine_panicked",
        "the engine gave up on this order; the worker's log has the place",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::digest::Sha256;
    use std::io;

    #[test]
    fn a_store_that_fails_may_recover_and_a_missing_blob_will_not() {
        let (io, name) = (|| BlobError::Io(io::Error::other("no route")), Sha256::of(b"x"));
        assert_eq!(
            (of_page_blob(&io()).code.as_str(), of_page_blob(&io()).may_pass),
            ("blobs_unreachable", true)
        );
        assert!(of_artifact("artifact config.json", &io()).may_pass);
        assert_eq!(of_page_blob(&BlobError::Absent(name)).code, "page_missing");
        let damaged = of_artifact("artifact config.json", &BlobError::Damaged(name));
        assert_eq!(
            (damaged.code.as_str(), damaged.may_pass),
            ("model_unusable", false)
        );
        assert!(
            damaged.message.starts_with("artifact config.json: "),
            "{}",
            damaged.message
        );
    }

    #[test]
    fn only_time_and_repetition_may_pass_among_the_reasons_against_a_grant() {
        assert!(of_grant(&GrantError::Expired { seconds: 1 }).may_pass);
        assert!(of_grant(&GrantError::Replayed).may_pass);
        assert!(of_grant(&GrantError::NotYet { seconds: 1 }).may_pass);
        for lasting in [
            GrantError::Forged,
            GrantError::ForeignKey,
            GrantError::Mismatch { field: "jobs" },
            GrantError::Superseded {
                granted: 1,
                current: 2,
            },
        ] {
            let fault = of_grant(&lasting);
            assert_eq!((fault.may_pass, fault.code.as_str()), (false, lasting.code()));
        }
    }

    #[test]
    fn a_request_that_does_not_fit_says_the_numbers() {
        let error = EngineError::DoesNotFit {
            prompt_tokens: 9001,
            image_tokens: 1602,
            max_new_tokens: 16,
            context_length: 8192,
        };
        let fault = of_engine(&error);
        assert_eq!(
            (fault.code.as_str(), fault.may_pass),
            ("question_too_long", false)
        );
        assert!(
            fault.message.contains("9001") && fault.message.contains("8192"),
            "{}",
            fault.message
        );
    }
}
