//! Every tensor that a checkpoint of a given configuration has, by name and shape.
//!
//! For those who look at a checkpoint without loading it. That this list and the model's own walk over its
//! weights name the same tensors is tested on every golden set.

use crate::config::Config;

/// A tensor's name and shape.
pub type Named = (String, Vec<usize>);

/// All tensors of a checkpoint with this configuration.
pub fn tensors(config: &Config) -> Vec<Named> {
    let mut all = language(config);
    all.extend(tower(config));
    all.extend(adapter(config));
    all
}

fn weight(at: &str, shape: &[usize]) -> Named {
    (format!("{at}.weight"), shape.to_vec())
}

/// Weight and bias; the first dimension of the weight is that of the outputs.
fn weight_and_bias(at: &str, shape: &[usize]) -> [Named; 2] {
    [weight(at, shape), (format!("{at}.bias"), vec![shape[0]])]
}

fn language(config: &Config) -> Vec<Named> {
    let (hidden, vocabulary) = (config.hidden, config.vocabulary);
    let mut all = vec![
        weight("transformer.embedding.word_embeddings", &[vocabulary, hidden]),
        weight("transformer.encoder.final_layernorm", &[hidden]),
        weight("transformer.output_layer", &[vocabulary, hidden]),
    ];
    let (queries, keys) = (
        config.heads * config.head_width,
        config.key_heads * config.head_width,
    );
    for layer in 0..config.layers {
        let at = format!("transformer.encoder.layers.{layer}");
        let fused = format!("{at}.self_attention.query_key_value");
        let [fused, bias] = weight_and_bias(&fused, &[queries + 2 * keys, hidden]);
        all.push(fused);
        all.extend(config.qkv_bias.then_some(bias));
        all.extend([
            weight(&format!("{at}.input_layernorm"), &[hidden]),
            weight(&format!("{at}.self_attention.dense"), &[hidden, queries]),
            weight(&format!("{at}.post_attention_layernorm"), &[hidden]),
            weight(&format!("{at}.mlp.dense_h_to_4h"), &[2 * config.inner, hidden]),
            weight(&format!("{at}.mlp.dense_4h_to_h"), &[hidden, config.inner]),
        ]);
    }
    all
}

fn tower(config: &Config) -> Vec<Named> {
    let vision = &config.vision;
    let (hidden, inner, side) = (vision.hidden, vision.inner, vision.patch_side);
    let at = "transformer.vision.patch_embedding";
    let mut all = vec![
        (format!("{at}.cls_embedding"), vec![1, hidden]),
        weight(&format!("{at}.position_embedding"), &[vision.positions(), hidden]),
    ];
    all.extend(weight_and_bias(
        &format!("{at}.proj"),
        &[hidden, vision.channels, side, side],
    ));
    for layer in 0..vision.layers {
        let at = format!("transformer.vision.transformer.layers.{layer}");
        for (name, shape) in [
            ("attention.query_key_value", &[3 * hidden, hidden][..]),
            ("attention.dense", &[hidden, hidden]),
            ("mlp.fc1", &[inner, hidden]),
            ("mlp.fc2", &[hidden, inner]),
            ("input_layernorm", &[hidden]),
            ("post_attention_layernorm", &[hidden]),
        ] {
            all.extend(weight_and_bias(&format!("{at}.{name}"), shape));
        }
    }
    all
}

fn adapter(config: &Config) -> Vec<Named> {
    let (hidden, inner) = (config.hidden, config.inner);
    let at = "transformer.vision.linear_proj";
    let mut all = vec![
        weight(&format!("{at}.linear_proj"), &[hidden, hidden]),
        weight(&format!("{at}.gate_proj"), &[inner, hidden]),
        weight(&format!("{at}.dense_h_to_4h"), &[inner, hidden]),
        weight(&format!("{at}.dense_4h_to_h"), &[hidden, inner]),
        ("transformer.vision.boi".to_owned(), vec![1, 1, hidden]),
        ("transformer.vision.eoi".to_owned(), vec![1, 1, hidden]),
    ];
    all.extend(weight_and_bias(&format!("{at}.norm1"), &[hidden]));
    all.extend(weight_and_bias(
        "transformer.vision.conv",
        &[hidden, config.vision.hidden, 2, 2],
    ));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::published;

    /// The published model: its parameters were counted, and so is every part of this list.
    #[test]
    fn the_full_model_has_13_906_320_896_parameters() {
        let config = published();
        let count = |(_, shape): Named| shape.iter().product::<usize>();
        assert_eq!(
            tensors(&config).into_iter().map(count).sum::<usize>(),
            13_906_320_896
        );
    }
}
