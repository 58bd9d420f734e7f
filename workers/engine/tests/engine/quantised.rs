//! Files in few bits: made, continued, loaded, and how far their answers are from the exact ones.

use std::ops::ControlFlow;
use std::path::Path;

use engine::gguf::Header;
use engine::quantise::{ARCHITECTURE, Mix, QuantiseError, quantise, synthesise};
use engine::{Engine, LoadError, LoadOptions, Parameters};

use crate::golden::{DEVICES, Expected, SETS, Tensors, dir, page};

/// Makes the file of a set in few bits.
pub fn made(set: &str, mix: Mix, to: &Path) {
    let bytes = quantise(&dir(set), to, mix, Vec::new(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(std::fs::metadata(to).unwrap().len(), bytes);
}

pub fn load(file: &Path) -> Engine {
    Engine::load(file, &LoadOptions::default()).unwrap()
}

/// The logits of the first step, where exact ones are known.
fn log_probabilities(engine: &Engine, set: &str) -> Vec<f32> {
    let expected = Expected::load(set);
    let mut session = expected
        .has_image()
        .then(|| engine.open_page(&engine.encode_page(&page(set)).unwrap()));
    let all = engine.config().vocabulary;
    let parameters = Parameters {
        max_new_tokens: Some(1),
        ignore_eos: true,
        top_logprobs: all,
        ..Default::default()
    };
    let answer = engine.answer(
        &expected.conversation(),
        session.as_mut(),
        &parameters,
        &mut |_| ControlFlow::Continue(()),
    );
    let mut got = vec![f32::NAN; all];
    for top in &answer.unwrap().top_logprobs[0] {
        got[top.id as usize] = top.logprob;
    }
    got
}

fn exact(set: &str, all: usize) -> Vec<f32> {
    let logits = Tensors::load(set).f32s("step_logits");
    let first = &logits[..all];
    let mass: f64 = first.iter().map(|&logit| f64::from(logit).exp()).sum();
    first
        .iter()
        .map(|&logit| (f64::from(logit) - mass.ln()) as f32)
        .collect()
}

/// Kullback-Leibler divergence of what was got from what is exact, in nats.
fn divergence(exact: &[f32], got: &[f32]) -> f64 {
    let each = |(&exact, &got): (&f32, &f32)| f64::from(exact).exp() * f64::from(exact - got);
    exact.iter().zip(got).map(each).sum()
}

/// The weights are random and large, and rows of a hundred values take a whole block: far above what trained weights
/// of the full size give, and how the activations are rounded can double it; but in the right order, and a wrong scale or
/// place shows at once.
/// For the kernels, and for candle's operators, which round in other places.
const BOUNDS: [(Mix, f64, f64); 5] = [
    (Mix::Q4KM, 0.8, 0.8),
    (Mix::Q5KM, 0.35, 0.35),
    (Mix::Q6K, 0.12, 0.12),
    (Mix::Q8_0, 0.03, 0.06),
    (Mix::Bf16, 1e-7, 1e-7),
];

#[test]
fn every_mix_answers_within_its_distance_of_the_exact_model() {
    let folder = tempfile::tempdir().unwrap();
    for (mix, by_kernels, by_candle) in BOUNDS {
        for set in SETS {
            let file = folder.path().join(format!("{set}-{mix}.gguf"));
            made(set, mix, &file);
            for (device, bound) in DEVICES.into_iter().zip([by_kernels, by_candle]) {
                let options = LoadOptions {
                    device,
                    ..LoadOptions::default()
                };
                let engine = Engine::load(&file, &options).unwrap();
                let got = log_probabilities(&engine, set);
                let distance = divergence(&exact(set, engine.config().vocabulary), &got);
                assert!(
                    (-1e-7..bound).contains(&distance),
                    "{set} in {mix} on {device}: {distance:e}"
                );
            }
        }
    }
}

#[test]
fn the_file_says_what_it_is_and_carries_everything_that_the_model_needs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.gguf");
    made("tiny-a", Mix::Q4KM, &file);
    let bytes = std::fs::read(&file).unwrap();
    let header = Header::read(&bytes).unwrap();
    assert_eq!(header.text("general.architecture"), Some(ARCHITECTURE));
    let config = std::fs::read_to_string(dir("tiny-a").join("config.json")).unwrap();
    assert_eq!(header.text("glmhub.files.config.json"), Some(config.as_str()));
    let layers = header.values[&format!("{ARCHITECTURE}.block_count")].as_count();
    assert_eq!(layers, Some(load(&file).config().layers as u64));
}

#[test]
fn a_file_that_was_cut_off_is_continued_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, again) = (folder.path().join("whole.gguf"), folder.path().join("again.gguf"));
    made("tiny-b", Mix::Q5KM, &whole);
    let (mut first, mut second) = (0, 0);
    let stopped = quantise(&dir("tiny-b"), &again, Mix::Q5KM, Vec::new(), &mut |_| {
        first += 1;
        if first == 7 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(QuantiseError::Stopped)));
    assert!(!again.exists());
    // The process may have died in the middle of the next tensor.
    let part = folder.path().join("again.gguf.part");
    let mut cut = std::fs::read(&part).unwrap();
    cut.extend([0xff; 5]);
    std::fs::write(&part, cut).unwrap();
    quantise(&dir("tiny-b"), &again, Mix::Q5KM, Vec::new(), &mut |_| {
        second += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&again).unwrap());
    let tensors = Header::read(&std::fs::read(&whole).unwrap())
        .unwrap()
        .tensors
        .len();
    assert_eq!(first + second, tensors);
    assert!(!part.exists());
}

#[test]
fn a_file_is_made_from_another_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let (wide, from_wide, direct) = ["wide", "from-wide", "direct"]
        .map(|name| folder.path().join(format!("{name}.gguf")))
        .into();
    made("tiny-a", Mix::Bf16, &wide);
    made("tiny-a", Mix::Q6K, &direct);
    quantise(&wide, &from_wide, Mix::Q6K, Vec::new(), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let logits = |file: &Path| log_probabilities(&load(file), "tiny-a");
    // The golden checkpoints are stored in bf16, so nothing is lost on the way.
    assert_eq!(logits(&direct), logits(&from_wide));
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.gguf");
    made("tiny-a", Mix::Q8_0, &file);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let error = Engine::load(&file, &LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("a.gguf"), "{error}");
    let mut broken = whole.clone();
    let place =
        &Header::read(&whole).unwrap().tensors["transformer.encoder.layers.1.mlp.dense_4h_to_h.weight"];
    broken[place.bytes.start..][..2].copy_from_slice(&half::f16::INFINITY.to_le_bytes());
    std::fs::write(&file, &broken).unwrap();
    let error = Engine::load(&file, &LoadOptions::default()).unwrap_err();
    assert!(matches!(error, LoadError::Weights(_)), "{error}");
    assert!(error.to_string().contains("dense_4h_to_h"), "{error}");
}

#[test]
fn noise_in_the_shape_of_a_model_is_made_twice_alike_and_refused_for_answers() {
    let folder = tempfile::tempdir().unwrap();
    let config = engine::config::Config::load(&dir("tiny-a")).unwrap();
    let made = |name: &str, mix: Mix| {
        let file = folder.path().join(name);
        let bytes = synthesise(&dir("tiny-a"), &config, &file, mix, 7, &mut |_| {
            ControlFlow::Continue(())
        });
        assert_eq!(std::fs::metadata(&file).unwrap().len(), bytes.unwrap());
        file
    };
    for mix in Mix::ALL {
        let file = made("one.gguf", mix);
        assert_eq!(
            std::fs::read(&file).unwrap(),
            std::fs::read(made("two.gguf", mix)).unwrap()
        );
        let refused = Engine::load(&file, &LoadOptions::default()).unwrap_err();
        assert!(refused.to_string().contains("noise"), "{refused}");
        let options = LoadOptions {
            synthetic: true,
            ..LoadOptions::default()
        };
        let logits = log_probabilities(&Engine::load(&file, &options).unwrap(), "tiny-a");
        // Signals pass such a model without dying out or blowing up.
        let known: Vec<f32> = logits.into_iter().filter(|logit| logit.is_finite()).collect();
        assert!(known.len() > 300, "{mix}: {} finite", known.len());
        let spread = known.iter().fold(0f32, |most, logit| most.max(-logit));
        assert!(spread > 4.0 && spread < 40.0, "{mix}: {spread}");
    }
}
