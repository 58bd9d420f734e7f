//! `glmhub bench revocation`: what it measures and what it refuses.

use crate::{process::perform, weights::WeightsFolder};
use serde_json::{Value, json};

#[test]
fn the_measurement_tells_all_four_times_and_what_was_held() {
    let weights = WeightsFolder::new();
    let folder = weights.path().to_str().unwrap();
    let small = [
        "--repetitions",
        "2",
        "--pages",
        "6",
        "--questions",
        "60",
        "--json",
    ];
    let ended = perform(&[&["bench", "revocation", "--model", folder][..], &small[..]].concat());
    // Whether this machine is idle enough for the bound is not the test's to judge.
    let told: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(
        (&told["repetitions"], &told["bound_ms"]),
        (&json!(2), &json!(2000))
    );
    for what in [
        "call_ms",
        "last_job_held_ms",
        "decode_stopped_ms",
        "stream_closed_ms",
    ] {
        let figures = &told[what];
        assert!(figures["p50"].as_f64() <= figures["max"].as_f64(), "{told}");
        assert!(figures["max"].is_f64(), "{told}");
    }
    assert!(told["jobs_held"].as_u64() > Some(30), "{told}");
}

#[test]
fn there_must_be_terms_to_revoke() {
    let weights = WeightsFolder::new();
    weights.remove("LICENSE");
    let folder = weights.path().to_str().unwrap();
    let told = perform(&["bench", "revocation", "--model", folder]).badly(2);
    assert!(told.contains("LICENSE"), "{told}");
}
