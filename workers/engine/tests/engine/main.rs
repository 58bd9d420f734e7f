//! The engine from outside, on tiny models whose every intermediate tensor is known.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare itself fails where it stands"
)]

mod bad_weights;
mod gguf_package;
mod golden;
mod hearing;
mod load;
mod lost;
mod odd_sizes;
mod plain;
mod quantised;
mod requests;
mod scheduling;
mod sharing;
mod stages;
mod together;
mod tower;
mod weight_types;
