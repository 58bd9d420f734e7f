//! What a quantised file says about its model.

use std::io;
use std::path::Path;

use super::Mix;
use crate::config::Config;
use crate::gguf::Value;
use crate::texts;

/// The architecture's name in files. `glm4v` elsewhere means a later model of another make.
pub const ARCHITECTURE: &str = "glm4-vision";

/// The values of a file: its architecture and sizes under their usual names, and the model's texts as they are.
pub(super) fn values(from: &Path, config: &Config, mix: Mix) -> io::Result<Vec<(String, Value)>> {
    let mut values = vec![
        (
            "general.architecture".to_owned(),
            Value::Text(ARCHITECTURE.into()),
        ),
        ("general.quantization_version".to_owned(), Value::U32(2)),
        ("glmhub.mix".to_owned(), Value::Text(mix.name().into())),
    ];
    let vision = &config.vision;
    for (key, count) in [
        ("block_count", config.layers),
        ("context_length", config.context),
        ("embedding_length", config.hidden),
        ("feed_forward_length", config.inner),
        ("vocab_size", config.vocabulary),
        ("attention.head_count", config.heads),
        ("attention.head_count_kv", config.key_heads),
        ("attention.key_length", config.head_width),
        ("rope.dimension_count", config.rotated()),
        ("vision.block_count", vision.layers),
        ("vision.embedding_length", vision.hidden),
        ("vision.feed_forward_length", vision.inner),
        ("vision.attention.head_count", vision.heads),
        ("vision.image_size", vision.image_side),
        ("vision.patch_size", vision.patch_side),
    ] {
        values.push((format!("{ARCHITECTURE}.{key}"), Value::U32(count as u32)));
    }
    for (key, number) in [
        ("attention.layer_norm_rms_epsilon", config.norm_epsilon),
        ("rope.freq_base", config.rope_base as f32),
        ("vision.attention.layer_norm_epsilon", vision.norm_epsilon),
    ] {
        values.push((format!("{ARCHITECTURE}.{key}"), Value::F32(number)));
    }
    for name in texts::NAMES {
        match texts::read(from, name) {
            Ok(text) => values.push((format!("{}{name}", texts::KEY), Value::Text(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && name == "generation_config.json" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(values)
}
