//! From the file's fields to a [`Config`], or the first reason why not.

use super::raw::{Ids, RawConfig, RawVision};
use super::{Config, VisionConfig};

/// A field, what it is, and the rule that it breaks.
pub(super) struct Refusal {
    pub field: &'static str,
    pub value: String,
    pub rule: String,
}

/// No size of such a model comes near it; products of three sizes stay within 64 bits.
const GREATEST: usize = 1 << 20;

const ROPE_BASE: f64 = 10_000.0;

fn refuse<T>(field: &'static str, value: impl ToString, rule: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        field,
        value: value.to_string(),
        rule: rule.into(),
    })
}

fn sizes(fields: &[(&'static str, usize)]) -> Result<(), Refusal> {
    for &(field, value) in fields {
        if value == 0 || value > GREATEST {
            return refuse(field, value, format!("must be between 1 and {GREATEST}"));
        }
    }
    Ok(())
}

fn only(field: &'static str, value: bool, supported: bool) -> Result<(), Refusal> {
    if value == supported {
        return Ok(());
    }
    refuse(
        field,
        value,
        format!("only {supported} is supported: this is another architecture"),
    )
}

fn positive(field: &'static str, value: f64) -> Result<f64, Refusal> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        refuse(field, value, "must be a positive number")
    }
}

impl RawConfig {
    pub(super) fn check(self) -> Result<Config, Refusal> {
        self.check_architecture()?;
        let layers = self.check_sizes()?;
        let key_heads = self.check_heads()?;
        let norm_epsilon = positive("layernorm_epsilon", self.layernorm_epsilon)? as f32;
        let rope_base = ROPE_BASE * positive("rope_ratio", self.rope_ratio)?;
        let Some(vision) = self.vision_config else {
            return refuse("vision_config", "absent", "GLM-4V has a vision tower");
        };
        Ok(Config {
            layers,
            hidden: self.hidden_size,
            inner: self.ffn_hidden_size,
            heads: self.num_attention_heads,
            key_heads,
            head_width: self.kv_channels,
            vocabulary: self.padded_vocab_size,
            context: self.seq_length,
            norm_epsilon,
            qkv_bias: self.add_qkv_bias,
            rope_base,
            end_ids: self.eos_token_id.map(Ids::into_vec).unwrap_or_default(),
            vision: vision.check()?,
        })
    }

    /// Several models share these files' names and fields; this one is told by its flags.
    fn check_architecture(&self) -> Result<(), Refusal> {
        match self.model_type.as_deref() {
            None | Some("chatglm") => {}
            Some(other) => return refuse("model_type", other, "only \"chatglm\" is supported"),
        }
        only("add_bias_linear", self.add_bias_linear, false)?;
        only("rmsnorm", self.rmsnorm, true)?;
        only("post_layer_norm", self.post_layer_norm, true)?;
        only(
            "apply_residual_connection_post_layernorm",
            self.apply_residual_connection_post_layernorm,
            false,
        )?;
        only("original_rope", self.original_rope, true)?;
        only("tie_word_embeddings", self.tie_word_embeddings, false)
    }

    /// The number of layers, which two fields may give.
    fn check_sizes(&self) -> Result<usize, Refusal> {
        let layers = self.num_layers.or(self.num_hidden_layers).unwrap_or(28);
        if let Some(other) = self.num_hidden_layers.filter(|&other| other != layers) {
            return refuse("num_hidden_layers", other, format!("num_layers is {layers}"));
        }
        sizes(&[
            ("num_layers", layers),
            ("hidden_size", self.hidden_size),
            ("ffn_hidden_size", self.ffn_hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("multi_query_group_num", self.multi_query_group_num),
            ("kv_channels", self.kv_channels),
            ("padded_vocab_size", self.padded_vocab_size),
            ("seq_length", self.seq_length),
        ])?;
        Ok(layers)
    }

    fn check_heads(&self) -> Result<usize, Refusal> {
        let heads = self.num_attention_heads;
        if !self.kv_channels.is_multiple_of(4) {
            let rule = "must be a multiple of 4: half of each head turns, in pairs";
            return refuse("kv_channels", self.kv_channels, rule);
        }
        let groups = if self.multi_query_attention {
            self.multi_query_group_num
        } else {
            heads
        };
        if !heads.is_multiple_of(groups) {
            return refuse(
                "multi_query_group_num",
                groups,
                format!("must divide num_attention_heads ({heads})"),
            );
        }
        Ok(groups)
    }
}

impl RawVision {
    fn check(self) -> Result<VisionConfig, Refusal> {
        sizes(&[
            ("vision_config.num_hidden_layers", self.num_hidden_layers),
            ("vision_config.hidden_size", self.hidden_size),
            ("vision_config.intermediate_size", self.intermediate_size),
            ("vision_config.num_heads", self.num_heads),
            ("vision_config.image_size", self.image_size),
            ("vision_config.patch_size", self.patch_size),
        ])?;
        self.check_grid()?;
        if !self.hidden_size.is_multiple_of(self.num_heads) {
            let rule = format!("must divide vision_config.hidden_size ({})", self.hidden_size);
            return refuse("vision_config.num_heads", self.num_heads, rule);
        }
        if self.in_channels != 3 {
            return refuse(
                "vision_config.in_channels",
                self.in_channels,
                "pages have 3 channels",
            );
        }
        if self.hidden_act != "gelu" {
            return refuse(
                "vision_config.hidden_act",
                self.hidden_act,
                "only \"gelu\" (the exact form) is supported",
            );
        }
        Ok(VisionConfig {
            layers: self.num_hidden_layers,
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_heads,
            channels: self.in_channels,
            image_side: self.image_size,
            patch_side: self.patch_size,
            norm_epsilon: positive("vision_config.layer_norm_eps", self.layer_norm_eps)? as f32,
            scaling_factor: positive("vision_config.scaling_factor", self.scaling_factor)? as f32,
        })
    }

    fn check_grid(&self) -> Result<(), Refusal> {
        if !self.image_size.is_multiple_of(self.patch_size) {
            let rule = format!(
                "must be a multiple of vision_config.patch_size ({})",
                self.patch_size
            );
            return refuse("vision_config.image_size", self.image_size, rule);
        }
        let grid = self.image_size / self.patch_size;
        if !grid.is_multiple_of(2) {
            let rule =
                format!("it makes {grid} patches a side, and the 2x2 downsampling needs an even number");
            return refuse("vision_config.image_size", self.image_size, rule);
        }
        if self.num_positions != grid * grid + 1 {
            let rule = format!("{grid} x {grid} patches and a class row make {}", grid * grid + 1);
            return refuse("vision_config.num_positions", self.num_positions, rule);
        }
        Ok(())
    }
}
