//! What computes: the processor's kernels, and the operators that cards compute by.

use crate::{
    hub::{Hub, eventually},
    jobs::{completed, hub_with_model, submitted},
    process::{perform, perform_in},
    tree,
};
use serde_json::{Value, json};

#[test]
fn the_operators_of_cards_give_the_answer_of_the_kernels() {
    let (folder, image) = (tree::golden("tiny-a"), tree::golden("tiny-a").join("input.png"));
    let asked = |device: &str| -> Value {
        let arguments = [
            "ask",
            "--model",
            folder.to_str().unwrap(),
            "--image",
            image.to_str().unwrap(),
            "--question",
            "What is in the image?",
            "--max-new-tokens",
            "12",
            "--ignore-eos",
            "--json",
            "--device",
            device,
        ];
        let answer: Value = serde_json::from_str(&perform(&arguments).well()).unwrap();
        answer["token_ids"].clone()
    };
    let ids = asked("cpu");
    assert_eq!(ids.as_array().unwrap().len(), 12);
    assert_eq!(ids, asked("candle-cpu"));
}

#[test]
fn what_is_no_device_is_refused_by_what_devices_there_are() {
    for arguments in [
        &["worker", "--device", "gpu"][..],
        &["ask", "--model", "m", "--question", "?", "--device", "gpu"],
        &["bench", "engine", "--model", "m", "--device", "gpu"],
    ] {
        let complaint = perform(arguments).badly(2);
        assert!(
            complaint.contains("\"gpu\" is not a device; choose cpu, cuda:N or metal:N"),
            "{complaint}"
        );
    }
}

#[test]
fn a_type_of_keys_and_values_that_there_is_not_is_refused_by_those_that_there_are() {
    for arguments in [
        &["up", "--kv-cache-type", "q4_0"][..],
        &["worker", "--kv-cache-type", "q4_0"],
        &[
            "ask",
            "--model",
            "m",
            "--question",
            "?",
            "--kv-cache-type",
            "q4_0",
        ],
        &["bench", "engine", "--model", "m", "--kv-cache-type", "q4_0"],
    ] {
        let complaint = perform(arguments).badly(2);
        let said = "\"q4_0\" is not a type of keys and values; choose f32, f16 or q8_0";
        assert!(complaint.contains(said), "{complaint}");
    }
    for command in [&["up"][..], &["worker"], &["ask"], &["bench", "engine"]] {
        let help = perform(&[command, &["--help"]].concat()).well();
        let told = "What keys and values are kept in: f32, f16 or q8_0 [default:";
        assert!(
            help.contains("--kv-cache-type <TYPE>") && help.contains(told),
            "{help}"
        );
    }
}

#[test]
fn a_type_that_a_device_does_not_keep_is_refused_at_start() {
    let data = tempfile::tempdir().unwrap();
    let said = "candle-cpu keeps keys and values in f32 or f16, not in q8_0";
    let folder = tree::golden("tiny-a");
    let ask = ["ask", "--model", folder.to_str().unwrap(), "--question", "?"];
    let kept = ["--kv-cache-type", "q8_0"];
    let complaint = perform(&[&ask[..], &["--device", "candle-cpu"], &kept].concat()).badly(1);
    assert!(complaint.contains(said), "{complaint}");
    for command in ["up", "worker"] {
        let set = [("GLMHUB_WORKER__DEVICE", "candle-cpu")];
        let complaint = perform_in(data.path(), &[&[command], &kept[..]].concat(), &set).badly(2);
        assert!(
            complaint.contains(&format!("worker.kv_cache_type: {said}")),
            "{complaint}"
        );
    }
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn a_card_that_the_program_was_built_without_is_refused_by_how_to_build_it() {
    let data = tempfile::tempdir().unwrap();
    let (folder, cuda) = (tree::golden("tiny-a"), "build it with --features cuda");
    let ask = ["ask", "--model", folder.to_str().unwrap(), "--question", "?"];
    let complaint = perform(&[&ask[..], &["--device", "cuda:0"]].concat()).badly(1);
    assert!(complaint.contains(cuda), "{complaint}");
    let complaint = perform_in(data.path(), &["worker", "--device", "cuda:1"], &[]).badly(2);
    assert!(
        complaint.contains("worker.device: this glmhub was built without CUDA") && complaint.contains(cuda),
        "{complaint}"
    );
    let set = [("GLMHUB_WORKER__DEVICE", "metal:0")];
    let complaint = perform_in(data.path(), &["up"], &set).badly(2);
    assert!(
        complaint.contains("build it with --features metal"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_worker_tells_what_it_computes_on() {
    let hub: Hub = hub_with_model(&[
        ("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1"),
        ("GLMHUB_WORKER__DEVICE", "candle-cpu"),
    ]);
    let operator = hub.client("acme", &["operator"]);
    let batch = submitted(&operator, &["What is it?"], 2).await;
    completed(&operator, &batch).await;
    let heard = || async {
        let listed = operator.get("/v1/workers").await.expect(200).json();
        listed["data"].as_array()?.first().cloned()
    };
    let worker = eventually("the worker to be heard of", heard).await;
    assert_eq!(worker["device"], json!("candle-cpu"));
}
