//! Weights kept in 16 bits: what that costs in exactness.

use std::ops::ControlFlow;

use engine::{Parameters, WeightType};

use crate::golden::{Expected, SETS, Tensors, close, engine_of, page};

/// The golden checkpoints are stored in `bf16`, so keeping them in `bf16` loses nothing but the order of sums;
/// `f16` loses only values below its smallest normal number.
#[test]
fn sixteen_bit_weights_choose_the_same_tokens_within_the_same_bound() {
    for dtype in [WeightType::Bf16, WeightType::F16] {
        for set in SETS {
            let (engine, expected, tensors) =
                (engine_of(set, dtype), Expected::load(set), Tensors::load(set));
            let mut session = expected.has_image().then(|| {
                let encoded = engine.encode_page(&page(set)).unwrap();
                let rows: Vec<f32> = encoded.rows().flatten_all().unwrap().to_vec1().unwrap();
                close("image_features", &rows, &tensors.f32s("image_features"), 2e-5);
                engine.open_page(&encoded)
            });
            let all = engine.config().vocabulary;
            let parameters = Parameters {
                max_new_tokens: Some(16),
                ignore_eos: true,
                top_logprobs: all,
                ..Default::default()
            };
            let answer = engine
                .answer(
                    &expected.conversation(),
                    session.as_mut(),
                    &parameters,
                    &mut |_| ControlFlow::Continue(()),
                )
                .unwrap();
            assert_eq!(answer.token_ids, expected.greedy_ids);
            let logits = tensors.f32s("step_logits");
            for (logits, tops) in logits.chunks(all).zip(&answer.top_logprobs) {
                let mass: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                let mut got = vec![f32::NAN; all];
                tops.iter().for_each(|top| got[top.id as usize] = top.logprob);
                let exact: Vec<f32> = logits
                    .iter()
                    .map(|&logit| (f64::from(logit) - mass.ln()) as f32)
                    .collect();
                close("log probabilities", &got, &exact, 1e-4);
            }
        }
    }
}

#[test]
fn a_bf16_checkpoint_gives_the_same_bits_kept_in_bf16_as_in_f32() {
    let expected = Expected::load("tiny-b");
    let [wide, narrow] = [WeightType::F32, WeightType::Bf16].map(|dtype| {
        let engine = engine_of("tiny-b", dtype);
        let mut session = engine.open_page(&engine.encode_page(&page("tiny-b")).unwrap());
        let parameters = Parameters {
            max_new_tokens: Some(8),
            ignore_eos: true,
            top_logprobs: 9,
            ..Default::default()
        };
        let answer = engine
            .answer(
                &expected.conversation(),
                Some(&mut session),
                &parameters,
                &mut |_| ControlFlow::Continue(()),
            )
            .unwrap();
        answer.top_logprobs
    });
    assert_eq!(wide, narrow);
}
