use super::*;
use crate::config::published;
use std::collections::BTreeMap;

/// Bytes of the tensors of the published model in a mix.
fn bytes_of_published(mix: Mix) -> u64 {
    let bytes = |tensor: &Planned| tensor.kept.bytes().unwrap() as u64;
    plan(&published(), mix).iter().map(bytes).sum()
}

#[test]
fn the_published_model_in_q4_k_m_takes_at_most_8_5_gigabytes() {
    // The texts of the vocabulary take less than 5 megabytes more.
    assert!(bytes_of_published(Mix::Q4KM) + 5_000_000 < 8_500_000_000);
    let sizes: Vec<u64> = Mix::ALL.into_iter().map(bytes_of_published).collect();
    assert!(sizes.is_sorted(), "{sizes:?}");
}

#[test]
fn a_mix_keeps_more_where_errors_reach_farthest() {
    let kinds: BTreeMap<String, TensorType> = plan(&published(), Mix::Q4KM)
        .into_iter()
        .map(|tensor| (tensor.kept.name, tensor.kept.kind))
        .collect();
    let layer = |number: usize, name: &str| {
        kinds[&format!("transformer.encoder.layers.{number}.{name}.weight")].name()
    };
    let down: Vec<usize> = (0..40)
        .filter(|&number| layer(number, "mlp.dense_4h_to_h") == "q6_k")
        .collect();
    assert_eq!(down, (0..5).chain(35..40).collect::<Vec<usize>>());
    assert_eq!(layer(9, "self_attention.query_key_value"), "q5_k");
    assert_eq!(kinds["transformer.output_layer.weight"].name(), "q6_k");
    let tower = |name: &str| kinds[&format!("transformer.vision.transformer.layers.3.{name}.weight")].name();
    assert_eq!(tower("attention.query_key_value"), "q6_k");
    assert_eq!(tower("attention.dense"), "q4_k");
    assert_eq!(
        kinds["transformer.vision.patch_embedding.proj.weight"],
        TensorType::F32
    );
    assert_eq!(
        kinds["transformer.vision.transformer.layers.3.mlp.fc1.bias"],
        TensorType::F32
    );
}

#[test]
fn rows_that_are_no_whole_blocks_are_filled_up() {
    let plan = plan(&published(), Mix::Q4KM);
    let down = plan
        .iter()
        .find(|tensor| tensor.kept.name == "transformer.encoder.layers.0.mlp.dense_4h_to_h.weight");
    let down = down.unwrap();
    assert_eq!(
        (&down.shape[..], &down.kept.shape[..]),
        (&[4096, 13696][..], &[4096, 13824][..])
    );
}

#[test]
fn every_mix_has_a_name_and_no_other_word_is_one() {
    for mix in Mix::ALL {
        assert_eq!(mix.name().parse(), Ok(mix));
    }
    assert_eq!("q4".parse::<Mix>(), Err(BadMix));
}
