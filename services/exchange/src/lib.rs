//! What services and workers hand each other: work orders and reports, blobs, grants.

pub mod attestation;
pub mod blobs;
pub mod checkpoint;
pub mod grant;
pub mod issuer_keys;
pub mod key_folder;
pub mod manifest;
pub mod proof_bundle;
pub mod queue;
pub mod signing;
pub mod spans;
pub mod webhook_key;

#[cfg(test)]
mod fixtures;
