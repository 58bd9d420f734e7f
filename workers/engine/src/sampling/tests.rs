use super::*;

fn sampler(sampling: Sampling) -> Sampler {
    Sampler::new(sampling, Vec::new()).unwrap()
}

fn draws(sampling: Sampling, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = sampler(sampling);
    (0..count)
        .map(|_| sampler.choose(&mut logits.to_vec(), &[]).unwrap())
        .collect()
}

fn warm(seed: u64) -> Sampling {
    Sampling {
        temperature: Some(1.0),
        seed,
        ..Sampling::default()
    }
}

#[test]
fn greedy_takes_the_greatest_logit_and_the_lowest_id_of_equals() {
    assert_eq!(draws(Sampling::default(), &[1.0, 3.0, -2.0, 3.0], 1), [1]);
    let zero = Sampling {
        temperature: Some(0.0),
        ..Sampling::default()
    };
    assert_eq!(draws(zero, &[-5.0, -5.0], 1), [0]);
}

#[test]
fn greedy_is_the_models_own_argmax_even_on_an_id_without_a_token() {
    let mut sampler = Sampler::new(Sampling::default(), vec![2]).unwrap();
    assert_eq!(sampler.choose(&mut [0.0, 1.0, 9.0], &[]), Ok(2));
}

#[test]
fn an_id_without_a_token_is_never_drawn() {
    let mut sampler = Sampler::new(warm(3), vec![2, 700]).unwrap();
    for _ in 0..200 {
        assert_ne!(sampler.choose(&mut [0.0, 1.0, 9.0], &[]), Ok(2));
    }
}

#[test]
fn the_same_seed_draws_the_same_tokens_and_another_seed_others() {
    let logits = vec![0.5; 50];
    assert_eq!(draws(warm(7), &logits, 40), draws(warm(7), &logits, 40));
    assert_ne!(draws(warm(7), &logits, 40), draws(warm(8), &logits, 40));
}

#[test]
fn tokens_are_drawn_about_as_often_as_they_are_probable() {
    let logits: Vec<f32> = [0.5_f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
    let drawn = draws(warm(1), &logits, 20_000);
    for (id, share) in [(0, 0.5), (1, 0.3), (2, 0.2)] {
        let found = drawn.iter().filter(|&&each| each == id).count() as f64 / 20_000.0;
        assert!((found - share).abs() < 0.02, "id {id}: {found}");
    }
}

#[test]
fn a_low_temperature_sharpens() {
    let cold = Sampling {
        temperature: Some(0.05),
        ..Sampling::default()
    };
    assert!(draws(cold, &[1.0, 3.0, 0.0], 500).iter().all(|&id| id == 1));
}

#[test]
fn top_k_keeps_exactly_the_k_likeliest() {
    let two = Sampling {
        top_k: Some(2),
        ..warm(5)
    };
    let mut drawn = draws(two, &[1.0, 0.9, 1.1, 1.0], 500);
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn, [0, 2]);
    let one = Sampling {
        top_k: Some(1),
        ..warm(5)
    };
    assert!(draws(one, &[1.0, 0.9, 1.1], 50).iter().all(|&id| id == 2));
}

#[test]
fn top_p_keeps_the_fewest_that_reach_it_and_always_one() {
    let logits: Vec<f32> = [0.5_f32, 0.3, 0.15, 0.05].iter().map(|p| p.ln()).collect();
    let kept = |p| {
        let mut drawn = draws(
            Sampling {
                top_p: Some(p),
                ..warm(2)
            },
            &logits,
            2_000,
        );
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    };
    assert_eq!(kept(0.0001), [0]);
    assert_eq!(kept(0.6), [0, 1]);
    assert_eq!(kept(0.9), [0, 1, 2]);
    assert_eq!(kept(1.0), [0, 1, 2, 3]);
}

#[test]
fn top_p_counts_what_top_k_left_as_the_whole() {
    // After top-k 2 the shares are 0.625 and 0.375: the first alone reaches 0.6 only then.
    let logits: Vec<f32> = [0.5_f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
    let both = Sampling {
        top_k: Some(2),
        top_p: Some(0.6),
        ..warm(2)
    };
    assert!(draws(both, &logits, 500).iter().all(|&id| id == 0));
}

#[test]
fn the_penalty_weakens_each_token_of_the_history_once() {
    let mut logits = [2.0, -2.0, 1.0];
    penalise(&mut logits, &[0, 1, 0, 99], 2.0);
    assert_eq!(logits, [1.0, -4.0, 1.0]);
    let greedy = Sampling {
        repetition_penalty: 4.0,
        ..Sampling::default()
    };
    assert_eq!(sampler(greedy).choose(&mut [2.0, 0.0, 1.0], &[0]), Ok(2));
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut sampler = sampler(Sampling::default());
        assert_eq!(
            sampler.choose(&mut [0.0, broken], &[]),
            Err(SamplingError::NotANumber)
        );
    }
    assert_eq!(
        sampler(Sampling::default()).choose(&mut [], &[]),
        Err(SamplingError::NotANumber)
    );
}

#[test]
fn a_setting_outside_its_range_is_named_with_the_range() {
    let wrong = [
        Sampling {
            temperature: Some(-0.1),
            ..Sampling::default()
        },
        Sampling {
            temperature: Some(f64::NAN),
            ..Sampling::default()
        },
        Sampling {
            top_p: Some(0.0),
            ..Sampling::default()
        },
        Sampling {
            top_p: Some(1.01),
            ..Sampling::default()
        },
        Sampling {
            top_k: Some(0),
            ..Sampling::default()
        },
        Sampling {
            repetition_penalty: 0.0,
            ..Sampling::default()
        },
        Sampling {
            repetition_penalty: f64::NAN,
            ..Sampling::default()
        },
    ];
    let fields = ["temperature", "temperature", "top_p", "top_p", "top_k"]
        .into_iter()
        .chain(["repetition_penalty", "repetition_penalty"]);
    for (sampling, name) in wrong.into_iter().zip(fields) {
        match sampling.validate() {
            Err(SamplingError::OutOfRange { field, .. }) => assert_eq!(field, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let message = Sampling {
        top_p: Some(2.0),
        ..Sampling::default()
    }
    .validate()
    .unwrap_err()
    .to_string();
    assert_eq!(message, "top_p is 2, but must be above 0 and at most 1");
}

#[test]
fn logprobs_are_natural_sorted_and_sum_to_one() {
    let logits = [1.0, 3.0, 3.0, -4.0];
    let top = top_logprobs(&logits, 4);
    assert_eq!(top.iter().map(|&(id, _)| id).collect::<Vec<_>>(), [1, 2, 0, 3]);
    let mass: f64 = top.iter().map(|&(_, logprob)| f64::from(logprob).exp()).sum();
    assert!((mass - 1.0).abs() < 1e-6);
    assert_eq!(top_logprobs(&logits, 2).len(), 2);
    assert_eq!(top_logprobs(&logits, 9).len(), 4);
    assert!(top_logprobs(&logits, 0).is_empty());
    assert_eq!(logprob(&logits, 2), Some(top[1].1));
    assert_eq!(logprob(&logits, 4), None);
}
