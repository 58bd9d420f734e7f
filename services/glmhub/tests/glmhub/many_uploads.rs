//! Many uploads at once take a hub so much memory and no more, however large the documents are.

use crate::{process::perform, weights::WeightsFolder};
use serde_json::Value;

/// Uploads at once. `glmhub bench uploads` measures a thousand.
const CONNECTIONS: &str = "60";
/// Of each document: all of them together are many times what the hub may take.
const BYTES: u64 = 8 << 20;

#[test]
fn uploads_at_once_take_a_bounded_memory() {
    let weights = WeightsFolder::new();
    let folder = weights.path().to_str().unwrap();
    let (bytes, large) = (BYTES.to_string(), ["--json", "--connections", CONNECTIONS]);
    let given = ["bench", "uploads", "--model", folder, "--bytes", &bytes];
    let told = perform(&[&given[..], &large[..]].concat()).well();
    let told: Value = serde_json::from_str(told.trim()).unwrap();
    eprintln!("{told}");
    let bytes = |name: &str| told[name].as_u64().unwrap();
    let sent = BYTES * CONNECTIONS.parse::<u64>().unwrap();
    assert!(bytes("memory_taken_bytes") <= bytes("bound_bytes"), "{told}");
    assert!(4 * bytes("bound_bytes") <= sent, "the bound is no bound: {told}");
}

#[test]
fn a_measurement_of_nothing_is_refused() {
    let told = perform(&["bench", "uploads", "--model", ".", "--connections", "0"]).badly(2);
    assert!(told.contains("--connections"), "{told}");
}
