//! Damaged model folders: each is refused with a message that names the file and the tensor.

use std::path::Path;

use engine::config::Config;
use engine::glm4v::tensors;
use engine::weights::Weights;
use engine::{Engine, EngineError, LoadOptions, Parameters, WeightType};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::golden::dir;
use crate::load::{Checkpoint, Stored};

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const QKV: &str = "transformer.encoder.layers.0.self_attention.query_key_value.weight";
const CONV: &str = "transformer.vision.conv.weight";

/// A copy of a golden set to damage.
fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir("tiny-b")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn refusal(model: &Path) -> String {
    Engine::load(model, &LoadOptions::default())
        .unwrap_err()
        .to_string()
}

/// Fails unless loading is refused with a message that has all of `parts`.
fn refused_with(model: &Path, parts: &[&str]) {
    let message = refusal(model);
    assert!(
        parts.iter().all(|part| message.contains(part)),
        "{message:?} lacks one of {parts:?}"
    );
}

/// The copy with one shard's tensors changed.
fn with_shard(shard: &str, change: impl FnOnce(&mut Checkpoint)) -> TempDir {
    let copy = copy();
    let mut checkpoint = Checkpoint::read(&copy.path().join(shard));
    change(&mut checkpoint);
    checkpoint.write(&copy.path().join(shard));
    copy
}

/// The copy with its index changed.
fn with_index(change: impl FnOnce(&mut Value)) -> TempDir {
    let copy = copy();
    change_json(&copy.path().join(INDEX), change);
    copy
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_truncated_shard_is_named() {
    for keep in [0, 5, 100, 20_000, 559_000] {
        let copy = copy();
        let path = copy.path().join(SECOND);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..keep]).unwrap();
        refused_with(copy.path(), &[SECOND, "truncated"]);
    }
}

#[test]
fn a_missing_shard_is_named_with_the_index_that_lists_it() {
    let copy = copy();
    std::fs::remove_file(copy.path().join(FIRST)).unwrap();
    refused_with(copy.path(), &[FIRST, INDEX, "missing"]);
}

#[test]
fn a_folder_without_weights_is_told_so() {
    let copy = copy();
    for file in [FIRST, SECOND, INDEX] {
        std::fs::remove_file(copy.path().join(file)).unwrap();
    }
    refused_with(copy.path(), &["model.safetensors", INDEX]);
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let copy = with_shard(FIRST, |shard| shard.get(QKV).shape = vec![96, 256]);
    refused_with(copy.path(), &[FIRST, QKV, "[96, 256]", "[256, 96]"]);
}

/// What can be said of a folder without reading the values of its weights.
fn checked(model: &Path) -> Result<(), String> {
    let config = Config::load(model).unwrap();
    let weights = Weights::open(model, WeightType::F32).map_err(|error| error.to_string())?;
    weights
        .check(&tensors(&config))
        .map_err(|error| error.to_string())
}

#[test]
fn names_and_shapes_are_checked_without_loading_just_as_with() {
    for set in ["tiny-a", "tiny-b", "tiny-c"] {
        assert_eq!(checked(&dir(set)), Ok(()), "{set}");
    }
    let shape = with_shard(FIRST, |shard| shard.get(QKV).shape = vec![96, 256]);
    let missing = with_shard(SECOND, |shard| shard.remove(CONV));
    let stray = with_shard(FIRST, |shard| {
        shard.add("transformer.stray", Stored::zeros(vec![2]))
    });
    change_json(&stray.path().join(INDEX), |index| {
        index["weight_map"]["transformer.stray"] = json!(FIRST)
    });
    for folder in [shape, missing, stray] {
        assert_eq!(checked(folder.path()), Err(refusal(folder.path())));
    }
}

#[test]
fn values_that_are_not_finite_are_named_in_any_tensor() {
    for (shard, tensor) in [
        (FIRST, QKV),
        (SECOND, CONV),
        (SECOND, "transformer.vision.linear_proj.norm1.bias"),
    ] {
        // Not a number, and infinity, in bf16.
        for bits in [0x7fc1u16, 0xff80] {
            let copy = with_shard(shard, |shard| {
                let bytes = &mut shard.get(tensor).bytes;
                bytes[20..22].copy_from_slice(&bits.to_le_bytes());
            });
            refused_with(copy.path(), &[shard, tensor, "number 10"]);
        }
    }
}

#[test]
fn a_weight_too_large_for_f16_is_refused_there_and_only_there() {
    let copy = with_shard(FIRST, |shard| {
        let bytes = &mut shard.get(QKV).bytes;
        bytes[..2].copy_from_slice(&half::bf16::from_f32(1e6).to_le_bytes());
    });
    assert!(
        Engine::load(
            copy.path(),
            &LoadOptions {
                dtype: WeightType::Bf16,
                ..LoadOptions::default()
            }
        )
        .is_ok()
    );
    let message = Engine::load(
        copy.path(),
        &LoadOptions {
            dtype: WeightType::F16,
            ..LoadOptions::default()
        },
    )
    .unwrap_err()
    .to_string();
    assert!(message.contains(QKV) && message.contains("f16"), "{message}");
}

#[test]
fn a_tensor_of_another_type_is_named() {
    let copy = with_shard(SECOND, |shard| shard.get(CONV).dtype = safetensors::Dtype::I16);
    refused_with(copy.path(), &[SECOND, CONV, "I16"]);
}

#[test]
fn a_missing_tensor_is_named_wherever_it_is_missing() {
    let in_shard = with_shard(SECOND, |shard| shard.remove(CONV));
    refused_with(in_shard.path(), &[SECOND, CONV, "lacks"]);
    let everywhere = with_shard(SECOND, |shard| shard.remove(CONV));
    change_json(&everywhere.path().join(INDEX), |index| {
        index["weight_map"].as_object_mut().unwrap().remove(CONV);
    });
    refused_with(everywhere.path(), &[INDEX, CONV, "lacks"]);
}

#[test]
fn an_unexpected_tensor_is_named() {
    let extra = "transformer.encoder.layers.9.mlp.dense_h_to_4h.weight";
    let stray = with_shard(FIRST, |shard| shard.add(extra, Stored::zeros(vec![2, 2])));
    refused_with(stray.path(), &[FIRST, extra, "index"]);
    change_json(&stray.path().join(INDEX), |index| {
        index["weight_map"][extra] = json!(FIRST)
    });
    refused_with(stray.path(), &[FIRST, extra, "does not know"]);
}

#[test]
fn a_bias_that_the_configuration_lacks_is_unexpected() {
    let copy = copy();
    change_json(&copy.path().join("config.json"), |config| {
        config["add_qkv_bias"] = json!(false)
    });
    refused_with(copy.path(), &["query_key_value.bias", "does not know"]);
}

#[test]
fn a_tensor_in_another_shard_than_indexed_is_named() {
    let copy = with_index(|index| index["weight_map"][QKV] = json!(SECOND));
    refused_with(copy.path(), &[FIRST, QKV]);
}

#[test]
fn an_index_that_leads_out_of_the_folder_or_nowhere_is_refused() {
    for name in ["../other.safetensors", "/etc/passwd", "a/b.safetensors", ""] {
        let copy = with_index(|index| index["weight_map"][QKV] = json!(name));
        refused_with(copy.path(), &[INDEX, "plain file name"]);
    }
    let copy = copy();
    std::fs::write(copy.path().join(INDEX), "{}").unwrap();
    refused_with(copy.path(), &[INDEX, "weight_map"]);
}

#[test]
fn a_configuration_that_does_not_fit_the_weights_is_refused_by_the_first_tensor() {
    let copy = copy();
    change_json(&copy.path().join("config.json"), |config| {
        config["hidden_size"] = json!(64)
    });
    refused_with(copy.path(), &["tensor", "config.json", "96"]);
}

#[test]
fn each_missing_file_is_named() {
    for file in ["config.json", "tokenizer.model", "tokenizer_config.json"] {
        let copy = copy();
        std::fs::remove_file(copy.path().join(file)).unwrap();
        refused_with(copy.path(), &[file]);
    }
}

/// Every weight is finite here, and their products are not: one request fails, the engine lives on.
#[test]
fn logits_that_are_not_finite_fail_the_request_alone() {
    let copy = with_shard(FIRST, |shard| {
        for (index, bytes) in shard
            .get("transformer.output_layer.weight")
            .bytes
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .enumerate()
        {
            let huge = if index % 2 == 0 { 3e38 } else { -3e38 };
            *bytes = half::bf16::from_f32(huge).to_le_bytes();
        }
    });
    let engine = Engine::load(copy.path(), &LoadOptions::default()).unwrap();
    let conversation = engine::prompt::Conversation::question("hi", false).unwrap();
    for _ in 0..2 {
        let answer = engine.answer(&conversation, None, &Parameters::default(), &mut |_| {
            std::ops::ControlFlow::Continue(())
        });
        assert!(matches!(answer, Err(EngineError::NotFinite { tokens: 0 })));
    }
}
