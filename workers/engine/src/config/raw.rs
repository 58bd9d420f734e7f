//! The files' own field names, with the defaults that the original class has for absent keys.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct RawConfig {
    pub model_type: Option<String>,
    pub num_layers: Option<usize>,
    pub num_hidden_layers: Option<usize>,
    pub hidden_size: usize,
    pub ffn_hidden_size: usize,
    pub num_attention_heads: usize,
    pub multi_query_attention: bool,
    pub multi_query_group_num: usize,
    pub kv_channels: usize,
    pub padded_vocab_size: usize,
    pub seq_length: usize,
    pub layernorm_epsilon: f64,
    pub add_bias_linear: bool,
    pub add_qkv_bias: bool,
    pub rmsnorm: bool,
    pub post_layer_norm: bool,
    pub apply_residual_connection_post_layernorm: bool,
    pub original_rope: bool,
    pub tie_word_embeddings: bool,
    pub rope_ratio: f64,
    pub eos_token_id: Option<Ids>,
    pub vision_config: Option<RawVision>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            model_type: None,
            num_layers: None,
            num_hidden_layers: None,
            hidden_size: 4096,
            ffn_hidden_size: 13696,
            num_attention_heads: 32,
            multi_query_attention: false,
            multi_query_group_num: 1,
            kv_channels: 128,
            padded_vocab_size: 65024,
            seq_length: 2048,
            layernorm_epsilon: 1e-5,
            add_bias_linear: false,
            add_qkv_bias: false,
            rmsnorm: true,
            post_layer_norm: true,
            apply_residual_connection_post_layernorm: false,
            original_rope: true,
            tie_word_embeddings: false,
            rope_ratio: 1.0,
            eos_token_id: None,
            vision_config: None,
        }
    }
}

/// The tower's part. It has no class of its own in the original, so sizes have no defaults.
#[derive(Debug, Deserialize)]
pub(super) struct RawVision {
    pub num_hidden_layers: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_heads: usize,
    pub image_size: usize,
    pub patch_size: usize,
    pub num_positions: usize,
    pub scaling_factor: f64,
    pub hidden_act: String,
    #[serde(default = "default_channels")]
    pub in_channels: usize,
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
}

fn default_channels() -> usize {
    3
}

fn default_epsilon() -> f64 {
    1e-6
}

/// One id or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Ids {
    One(u32),
    Several(Vec<u32>),
}

impl Ids {
    pub(super) fn into_vec(self) -> Vec<u32> {
        match self {
            Ids::One(id) => vec![id],
            Ids::Several(ids) => ids,
        }
    }
}
