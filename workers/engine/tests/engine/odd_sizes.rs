//! Models of sizes that nothing divides, and prompts longer than a chunk, against the plain model.

use std::ops::ControlFlow;

use engine::image::{resize_bicubic, to_pixel_values};
use engine::prompt::Conversation;
use engine::{Engine, LoadOptions, Parameters, WeightType};
use serde_json::json;
use tempfile::TempDir;

use crate::golden::{DEVICES, close, dir, page};
use crate::plain::{Plain, Sizes};

/// Heads that share keys by twos, more tower rows than a block has, a prompt of more rows than a chunk.
fn long() -> Sizes {
    Sizes {
        layers: 2,
        hidden: 20,
        inner: 28,
        heads: 6,
        key_heads: 3,
        head_width: 12,
        vocabulary: 320,
        qkv_bias: true,
        rope_ratio: 1.0,
        tower_layers: 2,
        tower_hidden: 20,
        tower_inner: 36,
        tower_heads: 5,
        grid: 34,
        patch: 3,
        scaling: 8.0,
    }
}

/// Odd widths, one square of patches, no sharing of keys, no bias.
fn least() -> Sizes {
    Sizes {
        layers: 1,
        hidden: 7,
        inner: 9,
        heads: 3,
        key_heads: 3,
        head_width: 4,
        qkv_bias: false,
        rope_ratio: 500.0,
        tower_layers: 1,
        tower_hidden: 6,
        tower_inner: 5,
        tower_heads: 2,
        grid: 2,
        patch: 5,
        scaling: 3.0,
        ..long()
    }
}

/// More query heads on one key head than a vector has lanes.
fn many_heads() -> Sizes {
    Sizes {
        heads: 40,
        key_heads: 1,
        head_width: 8,
        grid: 4,
        rope_ratio: 2.5,
        ..long()
    }
}

/// A folder with the plain model's weights and the tokenizer of a golden set.
fn folder(sizes: &Sizes, plain: &Plain) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.model", "tokenizer_config.json"] {
        std::fs::copy(dir("tiny-a").join(file), folder.path().join(file)).unwrap();
    }
    let config = json!({
        "model_type": "chatglm", "num_layers": sizes.layers, "hidden_size": sizes.hidden,
        "ffn_hidden_size": sizes.inner, "num_attention_heads": sizes.heads, "kv_channels": sizes.head_width,
        "multi_query_attention": sizes.key_heads != sizes.heads, "multi_query_group_num": sizes.key_heads,
        "padded_vocab_size": sizes.vocabulary, "seq_length": 4096, "layernorm_epsilon": 1.5625e-07,
        "add_qkv_bias": sizes.qkv_bias, "rope_ratio": sizes.rope_ratio, "eos_token_id": 288,
        "vision_config": {
            "num_hidden_layers": sizes.tower_layers, "hidden_size": sizes.tower_hidden,
            "intermediate_size": sizes.tower_inner, "num_heads": sizes.tower_heads,
            "image_size": sizes.grid * sizes.patch, "patch_size": sizes.patch,
            "num_positions": sizes.grid * sizes.grid + 1, "scaling_factor": sizes.scaling,
            "hidden_act": "gelu", "layer_norm_eps": 1e-06
        }
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    plain.checkpoint().write(&folder.path().join("model.safetensors"));
    folder
}

/// Asks the engine on every device, and compares the image's rows and the log probabilities of every step with the plain
/// model's. Gives the number of rows that the prompt had.
fn agrees(sizes: Sizes, question: &str, dtype: WeightType, bound: f32) -> usize {
    let plain = Plain::new(sizes.clone(), 11);
    let folder = folder(&sizes, &plain);
    let on = |device| {
        let options = LoadOptions {
            dtype,
            device,
            ..LoadOptions::default()
        };
        let engine = Engine::load(folder.path(), &options).unwrap();
        agrees_with(&plain, &sizes, &engine, question, bound)
    };
    DEVICES.map(on)[0]
}

fn agrees_with(plain: &Plain, sizes: &Sizes, engine: &Engine, question: &str, bound: f32) -> usize {
    let side = (sizes.grid * sizes.patch) as u32;
    let image = plain.image_rows(&to_pixel_values(&resize_bicubic(&page("tiny-a"), side, side)));
    let encoded = engine.encode_page(&page("tiny-a")).unwrap();
    let rows: Vec<f32> = encoded.rows().flatten_all().unwrap().to_vec1().unwrap();
    let exact: Vec<f32> = image.iter().flatten().map(|&x| x as f32).collect();
    close("image rows", &rows, &exact, bound);

    let conversation = Conversation::question(question, true).unwrap();
    let parameters = Parameters {
        max_new_tokens: Some(3),
        ignore_eos: true,
        top_logprobs: sizes.vocabulary,
        ..Default::default()
    };
    let mut session = engine.open_page(&encoded);
    let answer = engine
        .answer(&conversation, Some(&mut session), &parameters, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    let mut ids = answer.prompt_token_ids.clone();
    for (&id, tops) in answer.token_ids.iter().zip(&answer.top_logprobs) {
        let logits = plain.logits(&ids, Some(4), &image);
        let mass: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let exact: Vec<f32> = logits.iter().map(|logit| (logit - mass.ln()) as f32).collect();
        let mut got = vec![f32::NAN; exact.len()];
        tops.iter().for_each(|top| got[top.id as usize] = top.logprob);
        close("log probabilities", &got, &exact, bound);
        ids.push(id);
    }
    engine.check_fit(&conversation, Some(3)).unwrap().prompt_tokens
}

#[test]
fn a_long_prompt_and_a_tower_of_several_blocks_agree_with_the_plain_model() {
    let rows = agrees(long(), &"图表显示 ".repeat(120), WeightType::F32, 2e-5);
    assert!(rows > 1024, "{rows} rows are no long prompt");
}

#[test]
fn odd_widths_and_a_single_square_agree_with_the_plain_model() {
    agrees(least(), "What?", WeightType::F32, 2e-5);
}

#[test]
fn more_heads_on_one_key_than_lanes_agree_with_the_plain_model() {
    agrees(many_heads(), "描述图片", WeightType::F32, 2e-5);
}

/// Here the weights do lose digits: 8 significant bits, against 24.
#[test]
fn rounding_the_weights_to_bf16_moves_the_answer_by_its_rounding_only() {
    agrees(many_heads(), "描述图片", WeightType::Bf16, 0.1);
}
