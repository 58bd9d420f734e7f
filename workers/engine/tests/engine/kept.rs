//! Keys and values in fewer bits: how far answers are from the exact ones.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine::device::Device;
use engine::kv::KvType;
use engine::prompt::Conversation;
use engine::{Answer, Engine, EngineError, LoadError, LoadOptions, PageSession, Parameters};
use serde::Deserialize;

use crate::golden::{Expected, SETS, Tensors, close, dir, engine, engine_keeping, page};
use crate::stages::logits_of_steps;

const COMPACT: [KvType; 2] = [KvType::F16, KvType::Q8_0];

/// How far a logit may be off in f16 and in q8_0: half again as much as was measured, since processors round the exact ones
/// differently too. The logits of these random models reach 15.
const BOUNDS: [(&str, [f32; 2]); 3] = [
    ("tiny-a", [0.0152, 0.257]),
    ("tiny-b", [0.0141, 0.361]),
    ("tiny-c", [0.0138, 0.257]),
];

#[test]
fn logits_stay_within_what_was_measured_of_each_type_and_exact_ones_are_the_default() {
    for (set, bounds) in BOUNDS {
        let exact = logits_of_steps(set, &engine_keeping(&dir(set), KvType::F32));
        let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&exact), bits(&logits_of_steps(set, &engine(set))), "{set}");
        let reference = Tensors::load(set).f32s("step_logits");
        for (kept, bound) in COMPACT.into_iter().zip(bounds) {
            let logits = logits_of_steps(set, &engine_keeping(&dir(set), kept));
            close(&format!("{set} in {kept}"), &logits, &reference, bound);
        }
    }
}

/// A question about a sample page of the reader.
#[derive(Deserialize)]
struct Sample {
    page: String,
    question: String,
}

fn reader() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo/reader")
}

/// What the reader answers to all sample questions, with the logarithms of all probabilities.
fn read(engine: &Engine) -> Vec<Answer> {
    let samples: Vec<Sample> =
        serde_json::from_reader(File::open(reader().join("questions.json")).unwrap()).unwrap();
    let mut sessions: BTreeMap<String, PageSession> = BTreeMap::new();
    let answer = |sample: &Sample| {
        let session = sessions.entry(sample.page.clone()).or_insert_with(|| {
            let bytes = fs::read(reader().join(&sample.page)).unwrap();
            let page = pages::decode(&bytes, &pages::Limits::default()).unwrap();
            engine.open_page(&engine.encode_page(&page).unwrap())
        });
        let conversation = Conversation::question(&sample.question, true).unwrap();
        let parameters = Parameters {
            max_new_tokens: Some(40),
            top_logprobs: engine.config().vocabulary,
            ..Parameters::default()
        };
        answered(engine, &conversation, Some(session), &parameters)
    };
    samples.iter().map(answer).collect()
}

fn answered(
    engine: &Engine,
    conversation: &Conversation,
    session: Option<&mut PageSession>,
    parameters: &Parameters,
) -> Answer {
    engine
        .answer(conversation, session, parameters, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
}

/// The divergence of each token before which nothing differs, in nats.
fn divergences(exact: &Answer, got: &Answer) -> Vec<f64> {
    let same = exact.token_ids.iter().zip(&got.token_ids);
    let same = same.take_while(|(one, other)| one == other).count();
    let steps = exact.top_logprobs.iter().zip(&got.top_logprobs).take(same + 1);
    let divergence = |(exact, got): (&Vec<_>, &Vec<_>)| -> f64 {
        let got: BTreeMap<u32, f32> = got
            .iter()
            .map(|top: &engine::TopLogprob| (top.id, top.logprob))
            .collect();
        let each = exact.iter().map(|top: &engine::TopLogprob| {
            f64::from(top.logprob).exp() * f64::from(top.logprob - got[&top.id])
        });
        each.sum()
    };
    steps.map(divergence).collect()
}

/// What is asked of a golden set: its conversation, for sixteen tokens.
fn continued(set: &str, engine: &Engine) -> Vec<Answer> {
    let expected = Expected::load(set);
    let mut session = expected
        .has_image()
        .then(|| engine.open_page(&engine.encode_page(&page(set)).unwrap()));
    let parameters = Parameters {
        max_new_tokens: Some(16),
        ignore_eos: true,
        top_logprobs: engine.config().vocabulary,
        ..Parameters::default()
    };
    vec![answered(
        engine,
        &expected.conversation(),
        session.as_mut(),
        &parameters,
    )]
}

/// Mean divergence and the worst in f16 and in q8_0: half again as much as was measured, and no less than what probabilities in
/// f32 are off by themselves.
const BOUNDS_OF_ANSWERS: [(&str, [(f64, f64); 2]); 4] = [
    ("reader", [(1e-7, 1e-6), (7.4e-6, 1.36e-3)]),
    ("tiny-a", [(1.5e-6, 9e-6), (7.9e-4, 3.5e-3)]),
    ("tiny-b", [(2e-6, 6.5e-6), (1.4e-3, 3.5e-3)]),
    ("tiny-c", [(1.5e-6, 2.4e-6), (5.6e-4, 1.5e-3)]),
];

#[test]
fn every_answer_stays_and_probabilities_are_off_by_what_was_measured() {
    for (name, bounds) in BOUNDS_OF_ANSWERS {
        let answers = |kept| match name {
            "reader" => read(&engine_keeping(&reader(), kept)),
            set => continued(set, &engine_keeping(&dir(set), kept)),
        };
        let exact = answers(KvType::F32);
        assert_eq!(exact.len(), if name == "reader" { 66 } else { 1 });
        for (kept, (mean_bound, worst_bound)) in COMPACT.into_iter().zip(bounds) {
            let got = answers(kept);
            let pairs = || exact.iter().zip(&got);
            let all: Vec<f64> = pairs().flat_map(|(exact, got)| divergences(exact, got)).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let worst = all.iter().copied().fold(0.0, f64::max);
            let stay = pairs().filter(|(exact, got)| exact.token_ids == got.token_ids);
            assert_eq!(stay.count(), exact.len(), "{name} in {kept}");
            assert!(
                mean < mean_bound,
                "{name} in {kept}: {mean:e}, the worst {worst:e}"
            );
            assert!(
                worst < worst_bound,
                "{name} in {kept}: {mean:e}, the worst {worst:e}"
            );
        }
    }
}

#[test]
fn one_token_and_a_full_context_are_answered_in_every_type() {
    for kept in KvType::ALL {
        for set in SETS {
            let engine = engine_keeping(&dir(set), kept);
            let conversation = Conversation::question("a", false).unwrap();
            let prompt = engine.check_fit(&conversation, Some(1)).unwrap().prompt_tokens;
            let room = engine.context_length() - prompt;
            let ask = |tokens| {
                let parameters = Parameters {
                    max_new_tokens: Some(tokens),
                    ignore_eos: true,
                    ..Parameters::default()
                };
                engine.answer(&conversation, None, &parameters, &mut |_| {
                    ControlFlow::Continue(())
                })
            };
            let (one, all) = (ask(1).unwrap(), ask(room).unwrap());
            assert_eq!(all.token_ids.len(), room, "{set} in {kept}");
            assert_eq!(one.token_ids, all.token_ids[..1]);
            assert!(matches!(ask(room + 1), Err(EngineError::DoesNotFit { .. })));
        }
    }
}

#[test]
fn each_type_takes_the_memory_of_its_rows() {
    // Two layers with one key head of 64 values; three with two of 32; four with four of 16, which fill half a block.
    for (set, tokens) in [
        ("tiny-a", [1024, 512, 272]),
        ("tiny-b", [1536, 768, 408]),
        ("tiny-c", [2048, 1024, 1088]),
    ] {
        for (kept, token) in KvType::ALL.into_iter().zip(tokens) {
            let engine = engine_keeping(&dir(set), kept);
            let bytes = |rows| engine.model().memory_bytes(rows);
            assert_eq!(
                (bytes(1), bytes(512)),
                (256 * token, 512 * token),
                "{set} in {kept}"
            );
        }
    }
}

#[test]
fn what_is_kept_shows_that_the_model_computed_no_numbers() {
    for kept in KvType::ALL {
        let engine = engine_keeping(&dir("tiny-a"), kept);
        let model = engine.model();
        let rows = model.embed(&[3, 4, 5]).unwrap();
        let spoilt = rows.affine(f64::NAN, 0.0).unwrap();
        let mut cache = model.new_cache();
        let untraced = &mut engine::glm4v::Untraced;
        model.take_in(&spoilt, &[0, 1, 2], &mut cache, untraced).unwrap();
        let logits = model.step(7, &mut cache, untraced).unwrap();
        assert!(logits.iter().any(|logit| !logit.is_finite()), "{kept}");
    }
}

#[test]
fn what_a_device_does_not_keep_is_refused_before_anything_is_loaded() {
    let options = LoadOptions {
        device: Device::CandleCpu,
        kv: Some(KvType::Q8_0),
        ..LoadOptions::default()
    };
    let refused = Engine::load(&dir("tiny-a"), &options).unwrap_err();
    assert!(matches!(refused, LoadError::Device(_)), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("candle-cpu keeps keys and values in f32 or f16")
    );
}

#[test]
fn cards_operators_and_kernels_agree_about_halves() {
    for set in SETS {
        let on = |device| {
            let options = LoadOptions {
                device,
                kv: Some(KvType::F16),
                ..LoadOptions::default()
            };
            logits_of_steps(set, &Engine::load(&dir(set), &options).unwrap())
        };
        // Candle turns and sums in another order, so that some halves are the next ones.
        close(set, &on(Device::CandleCpu), &on(Device::Cpu), 0.002);
    }
}
