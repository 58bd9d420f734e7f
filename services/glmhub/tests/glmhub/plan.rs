//! `glmhub model inspect --plan`: the memory that running a file takes.

use crate::{gguf_import::quantised, process::perform};
use serde_json::Value;

/// Keys and values of a token of the tiny model, each in four bytes; and its context.
const TOKEN: u64 = 2 * 2 * 64 * 4;
const CONTEXT: u64 = 512;

fn planned(file: &str, more: &[&str]) -> Value {
    let printed = perform(&[&["model", "inspect", file, "--plan", "--json"], more].concat()).well();
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn a_plan_counts_every_order_in_work_on_the_processor_and_on_a_card() {
    let (_folder, file) = quantised("q4_k_m");
    let file = file.to_str().unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    for (orders, given) in [(8, &[][..]), (2, &["--orders-at-once", "2"])] {
        let told = planned(file, given);
        let plan = &told["plan"];
        assert_eq!(number(&told["memory"]["weights_bytes"]), number(&told["bytes"]));
        for (place, token) in [("processor", TOKEN), ("card", TOKEN / 2)] {
            let plan = &plan[place];
            assert_eq!(number(&plan["orders"]), orders);
            assert_eq!(number(&plan["cache_bytes_per_token"]), token, "{place}");
            assert_eq!(number(&plan["cache_bytes_per_order"]), CONTEXT * token);
            let fixed = number(&plan["weights_bytes"]) + number(&plan["tower_bytes"]);
            assert_eq!(
                number(&plan["total_bytes"]),
                fixed + orders * CONTEXT * token,
                "{place}"
            );
        }
        // The table of words does not lie on the card: 320 rows of 256 values in blocks of 144 bytes.
        let [processor, card] = ["processor", "card"].map(|place| number(&plan[place]["weights_bytes"]));
        assert_eq!(processor, number(&told["bytes"]));
        assert_eq!(processor - card, 320 * 144);
        assert_eq!(number(&plan["card_bytes"]), 12_000_000_000);
        assert_eq!(plan["card_verdict"], "runs");
    }
}

#[test]
fn a_plan_counts_keys_and_values_in_the_type_that_was_asked_for() {
    let (_folder, file) = quantised("q4_k_m");
    let file = file.to_str().unwrap();
    // In two layers a head has 64 values, which are two blocks of 34 bytes.
    for (kept, processor, on_card, card) in [
        ("f32", TOKEN, "f32", TOKEN),
        ("f16", TOKEN / 2, "f16", TOKEN / 2),
        ("q8_0", 2 * 2 * 68, "f16", TOKEN / 2),
    ] {
        let told = planned(file, &["--kv-cache-type", kept]);
        assert_eq!(told["memory"]["cache_bytes_per_token"], processor);
        for (place, kv, token) in [("processor", kept, processor), ("card", on_card, card)] {
            let plan = &told["plan"][place];
            assert_eq!(plan["kv"], kv);
            assert_eq!(
                plan["cache_bytes_per_order"],
                CONTEXT * token,
                "{place} in {kept}"
            );
        }
    }
    let inspect = ["model", "inspect", file];
    let text = perform(&[&inspect[..], &["--plan", "--kv-cache-type", "q8_0"]].concat()).well();
    assert!(text.contains("in q8_0, 272 a token"), "{text}");
    let complaint = perform(&[&inspect[..], &["--plan", "--kv-cache-type", "q4"]].concat()).badly(2);
    assert!(complaint.contains("f32, f16 or q8_0"), "{complaint}");
    let without = perform(&[&inspect[..], &["--kv-cache-type", "f16"]].concat()).badly(2);
    assert!(without.contains("--plan"), "{without}");
}

#[test]
fn a_plan_as_text_says_whether_a_card_has_the_memory() {
    let (_folder, file) = quantised("q8_0");
    let file = file.to_str().unwrap();
    let told = perform(&[
        "model",
        "inspect",
        file,
        "--plan",
        "--orders-at-once",
        "3",
        "--card-gb",
        "1",
    ])
    .well();
    for line in [
        "a worker on the processor: ",
        "with 3 orders in work; with 1 GB it runs, ",
    ] {
        assert!(told.contains(line), "{line:?}: {told}");
    }
    assert!(
        !perform(&["model", "inspect", file])
            .well()
            .contains("a worker on")
    );
    for bad in [
        &["--orders-at-once", "9"][..],
        &["--orders-at-once", "0"],
        &["--card-gb", "0"],
    ] {
        perform(&[&["model", "inspect", file, "--plan"], bad].concat()).badly(2);
    }
    let without = perform(&["model", "inspect", file, "--card-gb", "8"]).badly(2);
    assert!(without.contains("--plan"), "{without}");
}
