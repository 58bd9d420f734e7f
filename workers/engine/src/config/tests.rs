use super::*;
use serde_json::{Value, json};

/// The sizes of the published model.
pub(crate) fn published() -> Config {
    Config {
        layers: 40,
        hidden: 4096,
        inner: 13696,
        heads: 32,
        key_heads: 2,
        head_width: 128,
        vocabulary: 151_552,
        context: 8192,
        norm_epsilon: 1.5625e-7,
        qkv_bias: true,
        rope_base: 10_000.0,
        end_ids: Vec::new(),
        vision: VisionConfig {
            layers: 63,
            hidden: 1792,
            inner: 15360,
            heads: 16,
            channels: 3,
            image_side: 1120,
            patch_side: 14,
            norm_epsilon: 1e-6,
            scaling_factor: 8.0,
        },
    }
}

fn small() -> Value {
    json!({
        "model_type": "chatglm", "hidden_size": 96, "ffn_hidden_size": 160, "num_layers": 3,
        "num_attention_heads": 4, "kv_channels": 32, "multi_query_attention": true, "multi_query_group_num": 2,
        "padded_vocab_size": 352, "seq_length": 512, "layernorm_epsilon": 1.5625e-07, "add_qkv_bias": true,
        "rope_ratio": 4, "eos_token_id": [320, 327],
        "vision_config": {
            "hidden_size": 80, "intermediate_size": 224, "num_hidden_layers": 3, "num_heads": 5,
            "image_size": 84, "patch_size": 14, "num_positions": 37, "scaling_factor": 8,
            "hidden_act": "gelu", "layer_norm_eps": 1e-06
        }
    })
}

fn load(config: &Value) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    Config::load(dir.path())
}

/// The message for a configuration in which the field at `pointer` is `value`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut config = small();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[field] = value;
    load(&config).unwrap_err().to_string()
}

#[test]
fn sizes_are_those_of_the_file() {
    let config = load(&small()).unwrap();
    assert_eq!(
        (config.hidden, config.heads, config.key_heads, config.rotated()),
        (96, 4, 2, 16)
    );
    assert_eq!(config.rope_base, 40_000.0);
    assert_eq!(config.end_ids, [320, 327]);
    assert_eq!(
        (
            config.vision.grid(),
            config.vision.positions(),
            config.vision.image_rows()
        ),
        (6, 37, 11)
    );
}

#[test]
fn absent_keys_take_the_original_class_defaults() {
    let config = load(&json!({ "vision_config": small()["vision_config"] })).unwrap();
    assert_eq!(
        (config.layers, config.hidden, config.inner, config.vocabulary),
        (28, 4096, 13696, 65024)
    );
    assert_eq!(
        (config.heads, config.key_heads, config.head_width, config.context),
        (32, 32, 128, 2048)
    );
    assert_eq!(
        (config.rope_base, config.norm_epsilon, config.qkv_bias),
        (10_000.0, 1e-5, false)
    );
}

#[test]
fn another_architecture_is_refused_by_the_flag_that_tells_it() {
    for (flag, value) in [
        ("add_bias_linear", true),
        ("rmsnorm", false),
        ("post_layer_norm", false),
        ("apply_residual_connection_post_layernorm", true),
        ("original_rope", false),
        ("tie_word_embeddings", true),
    ] {
        let message = refusal(&format!("/{flag}"), json!(value));
        assert!(
            message.contains("config.json") && message.contains(flag),
            "{message}"
        );
    }
    assert!(refusal("/model_type", json!("glm4v")).contains("glm4v"));
    assert!(refusal("/vision_config/hidden_act", json!("quick_gelu")).contains("quick_gelu"));
}

#[test]
fn sizes_that_do_not_fit_together_are_refused_with_the_rule() {
    for (pointer, value, rule) in [
        (
            "/multi_query_group_num",
            json!(3),
            "must divide num_attention_heads (4)",
        ),
        ("/kv_channels", json!(30), "multiple of 4"),
        ("/hidden_size", json!(0), "between 1 and"),
        ("/padded_vocab_size", json!(1u64 << 40), "between 1 and"),
        ("/layernorm_epsilon", json!(-1.0), "positive"),
        ("/num_hidden_layers", json!(4), "num_layers is 3"),
        (
            "/vision_config/num_heads",
            json!(3),
            "must divide vision_config.hidden_size (80)",
        ),
        (
            "/vision_config/image_size",
            json!(85),
            "multiple of vision_config.patch_size",
        ),
        ("/vision_config/image_size", json!(70), "even number"),
        ("/vision_config/num_positions", json!(36), "make 37"),
        ("/vision_config/scaling_factor", json!(0), "positive"),
        ("/vision_config/in_channels", json!(4), "3 channels"),
    ] {
        let message = refusal(pointer, value);
        assert!(message.contains(rule), "{pointer}: {message}");
    }
}

#[test]
fn a_missing_tower_and_a_broken_file_are_told_apart() {
    let mut config = small();
    config.as_object_mut().unwrap().remove("vision_config");
    assert!(
        load(&config)
            .unwrap_err()
            .to_string()
            .contains("vision_config is absent")
    );
    assert!(matches!(load(&json!([1])), Err(ConfigError::Malformed { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(
        Config::load(empty.path()),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn the_generation_file_overrides_the_end_ids_and_may_be_absent() {
    let config = load(&small()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(end_ids(dir.path(), &config).unwrap(), [320, 327]);
    std::fs::write(
        dir.path().join("generation_config.json"),
        r#"{"eos_token_id": 7}"#,
    )
    .unwrap();
    assert_eq!(end_ids(dir.path(), &config).unwrap(), [7]);
    std::fs::write(
        dir.path().join("generation_config.json"),
        r#"{"temperature": 0.8}"#,
    )
    .unwrap();
    assert_eq!(end_ids(dir.path(), &config).unwrap(), [320, 327]);
}
