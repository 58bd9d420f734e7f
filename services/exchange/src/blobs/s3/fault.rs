//! What went wrong at the server, in words for a log: its code and message, never a header.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use std::{error::Error, io};

/// Whether the server answered with that status.
pub(super) fn is_status<E>(error: &SdkError<E, HttpResponse>, status: u16) -> bool {
    error
        .raw_response()
        .is_some_and(|response| response.status().as_u16() == status)
}

/// The fault as one of input and output.
pub(super) fn of_service<E: ProvideErrorMetadata + Error + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> io::Error {
    let mut told = match error.raw_response() {
        Some(response) => format!("status {}", response.status().as_u16()),
        None => error.to_string(),
    };
    for word in [error.code(), error.message()].into_iter().flatten() {
        told.push_str(": ");
        told.push_str(word);
    }
    let mut cause = match error {
        SdkError::ServiceError(_) => None,
        other => other.source(),
    };
    while let Some(deeper) = cause {
        told.push_str(": ");
        told.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    io::Error::other(told)
}
