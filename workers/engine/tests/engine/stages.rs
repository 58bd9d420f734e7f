//! Every intermediate tensor of the golden sets, within its tolerance.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::Tensor;
use engine::glm4v::{Splice, Stage, Trace, Untraced};
use engine::image::{resize_bicubic, to_pixel_values};
use engine::{Engine, Parameters};

use crate::golden::{Expected, SETS, Tensors, close, engine, engine_on, page, sets_on_devices};

/// Keeps the rows of every stage, chunk after chunk.
#[derive(Default)]
struct Kept(HashMap<String, Vec<f32>>);

impl Trace for Kept {
    fn reached(&mut self, stage: Stage, rows: &Tensor) -> ControlFlow<()> {
        let values: Vec<f32> = rows.flatten_all().unwrap().to_vec1().unwrap();
        self.0.entry(format!("{stage:?}")).or_default().extend(values);
        ControlFlow::Continue(())
    }

    fn wants_final_norm(&self) -> bool {
        true
    }
}

impl Kept {
    fn close(&self, stage: Stage, tensors: &Tensors, name: &str, bound: f32) {
        close(name, &self.0[&format!("{stage:?}")], &tensors.f32s(name), bound);
    }
}

/// Resizes, normalises and encodes the set's picture, checking each step.
fn check_tower(set: &str, engine: &Engine, tensors: &Tensors) -> Tensor {
    let vision = &engine.config().vision;
    let side = vision.image_side as u32;
    let resized = resize_bicubic(&page(set), side, side);
    assert_eq!(resized.pixels, tensors.u8s("resized_u8"));
    let pixels = to_pixel_values(&resized);
    close("pixel_values", &pixels, &tensors.f32s("pixel_values"), 1e-6);
    let mut kept = Kept::default();
    let rows = engine.model().encode_image(&pixels, &mut kept).unwrap();
    kept.close(Stage::Patches, tensors, "vision_patch_embed", 1e-5);
    kept.close(Stage::TowerBlock(0), tensors, "vision_block_first", 2e-5);
    kept.close(
        Stage::TowerBlock(vision.layers - 1),
        tensors,
        "vision_block_last",
        5e-5,
    );
    kept.close(Stage::Downsampled, tensors, "vision_downsampled", 5e-5);
    kept.close(Stage::ImageRows, tensors, "image_features", 2e-5);
    rows
}

#[test]
fn every_stage_of_every_set_agrees_with_the_reference() {
    for (set, device) in sets_on_devices() {
        let (engine, expected, tensors) = (engine_on(set, device), Expected::load(set), Tensors::load(set));
        let model = engine.model();
        let splice = Splice::new(
            expected.prompt_ids.len(),
            expected.image_at(&engine),
            engine.image_tokens(),
        );
        let mut parts = vec![model.embed(&expected.prompt_ids[splice.before()]).unwrap()];
        if expected.has_image() {
            parts.push(check_tower(set, &engine, &tensors));
            parts.push(model.embed(&expected.prompt_ids[splice.after()]).unwrap());
        }
        assert_eq!(splice.positions(), expected.position_ids);
        let rows = Tensor::cat(&parts, 0).unwrap();
        let (mut cache, mut kept) = (model.new_cache(), Kept::default());
        let last = model
            .take_in(&rows, &splice.positions(), &mut cache, &mut kept)
            .unwrap();
        kept.close(Stage::Embedded, &tensors, "inputs_embeds", 2e-5);
        kept.close(Stage::Layer(0), &tensors, "lm_layer_first", 5e-5);
        kept.close(
            Stage::Layer(engine.config().layers - 1),
            &tensors,
            "lm_layer_last",
            1e-4,
        );
        kept.close(Stage::FinalNorm, &tensors, "lm_final_norm", 1e-4);
        close(
            "logits_last",
            &model.logits(&last).unwrap(),
            &tensors.f32s("logits_last"),
            1e-4,
        );
        assert_eq!(
            (cache.slots(), cache.position()),
            (splice.rows(), expected.prompt_ids.len())
        );
    }
}

/// The logits before each token of the reference's answer, which is taken in whatever they say, one set of them after another.
pub fn logits_of_steps(set: &str, engine: &Engine) -> Vec<f32> {
    let (expected, model) = (Expected::load(set), engine.model());
    let splice = Splice::new(
        expected.prompt_ids.len(),
        expected.image_at(engine),
        engine.image_tokens(),
    );
    let mut rows = vec![model.embed(&expected.prompt_ids[splice.before()]).unwrap()];
    if expected.has_image() {
        rows.push(engine.encode_page(&page(set)).unwrap().rows().clone());
        rows.push(model.embed(&expected.prompt_ids[splice.after()]).unwrap());
    }
    let mut cache = model.new_cache();
    let rows = Tensor::cat(&rows, 0).unwrap();
    let last = model
        .take_in(&rows, &splice.positions(), &mut cache, &mut Untraced)
        .unwrap();
    let mut logits = model.logits(&last).unwrap();
    let mut all = Vec::new();
    for &id in &expected.greedy_ids {
        all.extend(logits);
        logits = model.step(id, &mut cache, &mut Untraced).unwrap();
    }
    assert_eq!(
        cache.position(),
        expected.prompt_ids.len() + expected.greedy_ids.len()
    );
    all
}

#[test]
fn the_logits_of_sixteen_steps_agree_with_the_reference() {
    for (set, device) in sets_on_devices() {
        let logits = logits_of_steps(set, &engine_on(set, device));
        let expected = Tensors::load(set).f32s("step_logits");
        close(&format!("{set} on {device}"), &logits, &expected, 1e-4);
    }
}

#[test]
fn prompts_positions_and_greedy_answers_are_exactly_the_reference_s() {
    for (set, device) in sets_on_devices() {
        let (engine, expected, tensors) = (engine_on(set, device), Expected::load(set), Tensors::load(set));
        let mut session = expected
            .has_image()
            .then(|| engine.open_page(&engine.encode_page(&page(set)).unwrap()));
        let parameters = Parameters {
            max_new_tokens: Some(16),
            ignore_eos: true,
            ..Default::default()
        };
        let conversation = expected.conversation();
        let answer = engine
            .answer(&conversation, session.as_mut(), &parameters, &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(answer.prompt_token_ids, expected.prompt_ids);
        let given: Vec<u32> = tensors
            .i32s("input_ids")
            .into_iter()
            .map(|id| id as u32)
            .collect();
        assert_eq!(answer.prompt_token_ids, given);
        assert_eq!(answer.token_ids, expected.greedy_ids);
        assert_eq!(
            answer.image_tokens,
            if expected.has_image() {
                engine.image_tokens()
            } else {
                0
            }
        );
    }
}

#[test]
fn the_tokenizer_cases_of_every_set_are_met() {
    for set in SETS {
        let engine = engine(set);
        for (text, ids) in Expected::load(set).tokenizer_cases {
            assert_eq!(engine.tokenizer().encode(&text), ids, "{text:?}");
            assert_eq!(engine.tokenizer().decode(&ids), text);
        }
    }
}
