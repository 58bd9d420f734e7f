//! Documents and the child that splits them, from outside. Every document is made here, by encoders or by
//! hand; the committed ones of the fuzz targets' corpus are checked against what makes them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod archives;
mod child;
mod colours;
mod corpus;
mod documents;
mod hostile;
mod hostile_archives;
mod mutations;
#[cfg(target_os = "linux")]
mod nursery;
mod orientation;
mod pdf;
mod refusals;
mod splitting;
