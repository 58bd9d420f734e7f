//! `glmhub model synthesize`: a file of the right shape whose weights are noise.

use crate::misuse::Misuse;
use clap::Args;
use engine::{
    config::Config,
    quantise::{Mix, synthesise},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model synthesize --like glm-4v-9b --type q4_k_m --to noise.gguf
  glmhub model synthesize --like ./glm-4v-9b --type q8_0 --to noise.gguf --layers 4 --seed 7
  glmhub model synthesize --like glm-4v-9b --to noise.gguf --layers 2 --tower-blocks 3

The weights are noise: the file is for measuring speed and memory. It says so itself, and is refused for answers.";

/// The name that stands for the published model's sizes.
const PUBLISHED: &str = "glm-4v-9b";

/// Makes a file of a model's shape with random weights, to measure with
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct SynthesizeArgs {
    /// Whose shape: glm-4v-9b for the published model's, or a model's folder
    #[arg(long, value_name = "MODEL|DIR")]
    like: PathBuf,
    /// How the matrices are kept: q4_k_m, q5_k_m, q6_k, q8_0 or bf16
    #[arg(long = "type", value_name = "TYPE", default_value = "q4_k_m")]
    mix: Mix,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Layers of the language model and blocks of the tower [default: as many as the model has]
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Blocks of the tower, where they are to be others: 3 go with 2 layers as 63 do with 40
    #[arg(long, value_name = "N")]
    tower_blocks: Option<usize>,
    /// The same seed makes the same file
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

/// Makes the file and tells its size.
pub fn run(args: SynthesizeArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let published = args.like == Path::new(PUBLISHED) && !args.like.exists();
    if !published && !args.like.is_dir() {
        return Err(Misuse(format!(
            "--like takes {PUBLISHED} or a model's folder, and {} is neither",
            args.like.display()
        ))
        .into());
    }
    if published {
        write_texts(folder.path())?;
    } else {
        for name in engine::texts::NAMES {
            let from = args.like.join(name);
            if from.exists() {
                fs::copy(from, folder.path().join(name))?;
            }
        }
    }
    set_sizes(&folder.path().join("config.json"), args.layers, args.tower_blocks)?;
    let config = Config::load(folder.path())?;
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}")?;
    let bar = ProgressBar::new(0).with_style(style);
    let bytes = synthesise(
        folder.path(),
        &config,
        &args.to,
        args.mix,
        args.seed,
        &mut |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.written);
            ControlFlow::Continue(())
        },
    )?;
    bar.finish_and_clear();
    writeln!(
        io::stdout(),
        "{}: {bytes} bytes in {}; its weights are noise",
        args.to.display(),
        args.mix
    )?;
    Ok(())
}

fn set_sizes(path: &Path, layers: Option<usize>, tower_blocks: Option<usize>) -> anyhow::Result<()> {
    let mut config: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    if let Some(layers) = layers {
        config["num_layers"] = layers.into();
        config["num_hidden_layers"] = layers.into();
    }
    if let Some(blocks) = tower_blocks.or(layers) {
        config["vision_config"]["num_hidden_layers"] = blocks.into();
    }
    fs::write(path, config.to_string())?;
    Ok(())
}

/// The published sizes, and a vocabulary of single bytes with the special tokens at their published ids.
fn write_texts(folder: &Path) -> anyhow::Result<()> {
    const SPECIALS: [&str; 14] = [
        "<|endoftext|>",
        "[MASK]",
        "[gMASK]",
        "[sMASK]",
        "<sop>",
        "<eop>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
        "<|begin_of_image|>",
        "<|end_of_image|>",
        "<|begin_of_video|>",
        "<|end_of_video|>",
    ];
    const FIRST_SPECIAL: usize = 151_329;
    let config = json!({
        "model_type": "chatglm", "num_layers": 40, "hidden_size": 4096, "ffn_hidden_size": 13696,
        "num_attention_heads": 32, "multi_query_attention": true, "multi_query_group_num": 2, "kv_channels": 128,
        "padded_vocab_size": 151_552, "seq_length": 8192, "layernorm_epsilon": 1.5625e-7, "add_qkv_bias": true,
        "rope_ratio": 1, "eos_token_id": [151_329, 151_336, 151_338],
        "vision_config": {
            "num_hidden_layers": 63, "hidden_size": 1792, "intermediate_size": 15360, "num_heads": 16,
            "image_size": 1120, "patch_size": 14, "num_positions": 6401, "scaling_factor": 8,
            "hidden_act": "gelu", "layer_norm_eps": 1e-6
        }
    });
    let mut ranks = String::new();
    for byte in 0..=u8::MAX {
        use base64::Engine as _;
        writeln!(
            ranks,
            "{} {byte}",
            base64::engine::general_purpose::STANDARD.encode([byte])
        )?;
    }
    let added: serde_json::Map<String, Value> = SPECIALS
        .iter()
        .enumerate()
        .map(|(place, content)| ((FIRST_SPECIAL + place).to_string(), json!({ "content": content })))
        .collect();
    fs::write(folder.join("config.json"), config.to_string())?;
    fs::write(folder.join("tokenizer.model"), ranks)?;
    let tokenizer = json!({ "added_tokens_decoder": added });
    fs::write(folder.join("tokenizer_config.json"), tokenizer.to_string())?;
    Ok(())
}
