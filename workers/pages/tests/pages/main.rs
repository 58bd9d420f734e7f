//! Documents and the child that splits them, from outside. Every document is made here, by encoders or by
//! hand; none is a committed blob.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod archives;
mod child;
mod colours;
mod documents;
mod orientation;
mod pdf;
mod refusals;
mod splitting;
