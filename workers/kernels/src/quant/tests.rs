use super::{
    product::{Scalar, dots_with},
    *,
};
use proptest::prelude::*;

/// Like weights: many small values, some large ones.
pub(super) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count)
        .map(|_| uniform() + uniform() + uniform() + uniform())
        .collect()
}

pub(super) fn quantised(kind: QuantType, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0xa5; kind.row_bytes(values.len()).unwrap()];
    quantise(kind, values, None, &mut bytes);
    bytes
}

pub(super) fn spread_out(kind: QuantType, bytes: &[u8], count: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; count];
    dequantise(kind, bytes, &mut values);
    values
}

/// Root mean square of the error over that of the values.
pub(super) fn relative_error(exact: &[f32], got: &[f32]) -> f64 {
    let square =
        |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>();
    let off = square(&mut exact.iter().zip(got).map(|(a, b)| a - b));
    (off / square(&mut exact.iter().copied())).sqrt()
}

/// The most that a type loses on values that are spread like weights.
const BOUNDS: [(QuantType, f64); 4] = [
    (QuantType::Q4K, 0.075),
    (QuantType::Q5K, 0.037),
    (QuantType::Q6K, 0.019),
    (QuantType::Q8_0, 0.0055),
];

#[test]
fn every_type_stays_within_its_error() {
    let values = noise(64 * BLOCK, 7);
    for (kind, bound) in BOUNDS {
        let error = relative_error(
            &values,
            &spread_out(kind, &quantised(kind, &values), values.len()),
        );
        assert!(error < bound, "{}: {error}", kind.name());
        assert!(
            error > bound * 0.8,
            "{}: the bound is loose: {error}",
            kind.name()
        );
    }
}

/// Half-precision numbers are coarse there, and a scale that was rounded down would not reach the largest values: a fifth
/// and more of such rows was lost.
#[test]
fn very_small_values_are_reached_by_their_scale() {
    let values = noise(64 * BLOCK, 7);
    for (kind, bound) in BOUNDS {
        for spread in [1.5e-5, 2e-5, 2.4e-5, 3e-5, 4e-5, 6e-5, 1e-4] {
            let small: Vec<f32> = values.iter().map(|value| value * spread / 0.577).collect();
            let error = relative_error(&small, &spread_out(kind, &quantised(kind, &small), small.len()));
            assert!(error < bound * 1.1, "{} of {spread}: {error}", kind.name());
        }
    }
}

#[test]
fn quantising_what_was_quantised_changes_little() {
    let values = noise(8 * BLOCK, 3);
    for (kind, bound) in BOUNDS {
        let once = spread_out(kind, &quantised(kind, &values), values.len());
        let twice = spread_out(kind, &quantised(kind, &once), values.len());
        let error = relative_error(&once, &twice);
        assert!(error < bound / 2.0, "{}: {error}", kind.name());
    }
}

#[test]
fn zeros_and_equal_values_are_kept() {
    for kind in QuantType::ALL {
        let zeros = vec![0.0; BLOCK];
        assert_eq!(spread_out(kind, &quantised(kind, &zeros), BLOCK), zeros);
        for value in [0.25f32, -3.0] {
            let equal = vec![value; BLOCK];
            let got = spread_out(kind, &quantised(kind, &equal), BLOCK);
            let worst = got.iter().fold(0f32, |worst, x| worst.max((x - value).abs()));
            assert!(worst <= value.abs() * 0.01, "{} of {value}: {worst}", kind.name());
        }
    }
}

#[test]
fn values_that_matter_more_are_kept_better() {
    let values = noise(16 * BLOCK, 11);
    let importance: Vec<f32> = (0..values.len())
        .map(|at| if at % 4 == 0 { 100.0 } else { 1.0 })
        .collect();
    for kind in [QuantType::Q4K, QuantType::Q5K, QuantType::Q6K] {
        let mut bytes = vec![0; kind.row_bytes(values.len()).unwrap()];
        quantise(kind, &values, Some(&importance), &mut bytes);
        let told = spread_out(kind, &bytes, values.len());
        let untold = spread_out(kind, &quantised(kind, &values), values.len());
        let of_fourth = |got: &[f32]| {
            let each = |values: &[f32]| values.iter().copied().step_by(4).collect::<Vec<_>>();
            relative_error(&each(&values), &each(got))
        };
        assert!(of_fourth(&told) < of_fourth(&untold), "{}", kind.name());
    }
}

#[cfg(target_arch = "x86_64")]
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn by_strips(kind: QuantType, weight: &[u8], outputs: usize, x: &Rows, rows: usize) -> Vec<f32> {
    let row = weight.len() / outputs;
    let width = row / kind.block_bytes() * kind.block_values();
    let mut strips = vec![0; strips_bytes(kind, outputs, width)];
    lay_out(kind, weight, outputs, &mut strips);
    let out = product_of_strips(kind, &strips, x, outputs);
    assert_eq!(out.len(), rows * outputs);
    #[cfg(target_arch = "x86_64")]
    for by_others in strips::products(kind, &strips, x, outputs) {
        assert_eq!(bits(&by_others), bits(&out), "{}", kind.name());
    }
    out
}

#[test]
fn what_is_not_finite_in_a_row_spoils_that_row_alone() {
    let (width, outputs) = (2 * BLOCK, 20);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = noise(3 * width, 5);
        x[width + 300] = bad;
        let x = Rows::quantise(&x, width);
        for kind in QuantType::ALL {
            let weight = quantised(kind, &noise(outputs * width, 6));
            let mut plain = vec![0.0; 3 * outputs];
            product(kind, &weight, &x, &mut plain);
            let mut all = vec![plain];
            if strips_available() {
                all.push(by_strips(kind, &weight, outputs, &x, 3));
            }
            for out in all {
                for (at, value) in out.iter().enumerate() {
                    assert_eq!(value.is_finite(), at / outputs != 1, "{} of {bad}", kind.name());
                }
            }
        }
    }
}

#[test]
fn with_their_rest_rows_keep_fifteen_bits() {
    let (rows, width, outputs) = (3, 300usize, 20);
    let wide = width.next_multiple_of(BLOCK);
    let mut weight = noise(outputs * wide, 6);
    weight
        .chunks_exact_mut(wide)
        .for_each(|row| row[width..].fill(0.0));
    let x = noise(rows * width, 5);
    for kind in QuantType::ALL {
        let weight = quantised(kind, &weight);
        let values = spread_out(kind, &weight, outputs * wide);
        let exact: Vec<f32> = x
            .chunks_exact(width)
            .flat_map(|x| values.chunks_exact(wide).map(move |weight| (x, weight)))
            .map(|(x, weight)| {
                x.iter()
                    .zip(weight)
                    .map(|(x, w)| f64::from(*x) * f64::from(*w))
                    .sum::<f64>() as f32
            })
            .collect();
        let by = |x: &[f32]| {
            let mut out = vec![0.0; rows * outputs];
            product(kind, &weight, &Rows::quantise(x, width), &mut out);
            out
        };
        let coarse = by(&x);
        let fine: Vec<f32> = coarse
            .iter()
            .zip(by(&Rows::rest(&x, width)))
            .map(|(a, b)| a + b)
            .collect();
        let (coarse, fine) = (relative_error(&exact, &coarse), relative_error(&exact, &fine));
        assert!(coarse > 2e-3, "{}: {coarse}", kind.name());
        assert!(fine < 4e-5, "{}: {fine}", kind.name());
    }
}

#[test]
fn what_is_not_finite_leaves_no_finite_rest() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = noise(2 * BLOCK, 5);
        x[7] = bad;
        let rest = Rows::rest(&x, BLOCK);
        assert!(rest[..BLOCK].iter().all(|value| !value.is_finite()), "{bad}");
        assert!(rest[BLOCK..].iter().all(|value| value.is_finite()), "{bad}");
    }
}

fn any_type() -> impl Strategy<Value = QuantType> {
    proptest::sample::select(QuantType::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_product_agrees_with_the_scalar_form_and_that_with_the_values(
        kind in any_type(), rows in 1usize..10, blocks in 1usize..5, outputs in 1usize..40, seed: u64,
    ) {
        let width = blocks * BLOCK;
        let weight = quantised(kind, &noise(outputs * width, seed));
        let x = noise(rows * width, seed ^ 5);
        let quantised_x = Rows::quantise(&x, width);
        let (mut fast, mut column) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows]);
        product(kind, &weight, &quantised_x, &mut fast);
        let values = spread_out(kind, &weight, outputs * width);
        for (output, bytes) in weight.chunks_exact(kind.row_bytes(width).unwrap()).enumerate() {
            dots_with(Scalar, kind, bytes, &quantised_x, &mut column);
            for (row, &scalar) in column.iter().enumerate() {
                let got = fast[row * outputs + output];
                prop_assert!((got - scalar).abs() <= 1e-5 * (width as f32).sqrt(), "{scalar}, got {got}");
                let pairs = values[output * width..][..width].iter().zip(&x[row * width..]);
                let exact: f64 = pairs.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                // Eight bits of activation: each product is off by half a step of 1/127 of the largest at most.
                prop_assert!((f64::from(scalar) - exact).abs() < 0.004 * width as f64, "{exact}, got {scalar}");
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others(kind in any_type(), seed: u64) {
        let (rows, width, outputs) = (7, 2 * BLOCK, 19);
        let weight = quantised(kind, &noise(outputs * width, seed));
        let x = noise(rows * width, seed ^ 9);
        let mut together = vec![0.0; rows * outputs];
        product(kind, &weight, &Rows::quantise(&x, width), &mut together);
        for row in 0..rows {
            let mut alone = vec![0.0; outputs];
            product(kind, &weight, &Rows::quantise(&x[row * width..][..width], width), &mut alone);
            prop_assert_eq!(&alone, &together[row * outputs..][..outputs]);
        }
    }

    #[test]
    fn activations_are_rounded_to_the_nearest_of_255_steps(
        rows in 1usize..50, width in 1usize..900, speed in 0.1f32..3.0,
    ) {
        let x: Vec<f32> = (0..rows * width).map(|at| (at as f32 * speed).sin() * 7.0).collect();
        let quantised = Rows::quantise(&x, width);
        prop_assert_eq!((quantised.count, quantised.blocks), (rows, width.div_ceil(BLOCK)));
        for (row, x) in x.chunks_exact(width).enumerate() {
            for (number, values) in x.chunks(BLOCK).enumerate() {
                let block = &quantised.block(number)[row];
                let largest = values.iter().fold(0f32, |largest, x| largest.max(x.abs()));
                prop_assert_eq!(block.scale, largest / 127.0);
                let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
                let mut q = [0; BLOCK];
                for (q, x) in q.iter_mut().zip(values) {
                    *q = (x * inverse).round_ties_even() as i8;
                }
                prop_assert_eq!(block.q, q);
                for (sum, q) in block.sums.iter().zip(q.as_chunks::<GROUP>().0) {
                    prop_assert_eq!(*sum, q.iter().map(|&q| i16::from(q)).sum::<i16>());
                }
                for (pairs, q) in block.pairs.iter().zip(q.as_chunks::<64>().0) {
                    let [first, second] = [&q[..32], &q[32..]].map(|q| q.iter().map(|&q| i16::from(q)).sum::<i16>());
                    prop_assert_eq!([*pairs as i16, (*pairs >> 16) as i16], [first, second]);
                }
                prop_assert_eq!(block.total, q.iter().map(|&q| i32::from(q)).sum::<i32>());
            }
        }
    }

    #[test]
    fn the_product_of_strips_agrees_with_the_scalar_form(
        kind in any_type(), rows in 1usize..40, blocks in 1usize..4, outputs in 1usize..90, seed: u64,
    ) {
        if strips_available() {
            let width = blocks * BLOCK;
            let weight = quantised(kind, &noise(outputs * width, seed));
            let x = Rows::quantise(&noise(rows * width, seed ^ 5), width);
            let got = by_strips(kind, &weight, outputs, &x, rows);
            let mut column = vec![f32::NAN; rows];
            for (output, bytes) in weight.chunks_exact(kind.row_bytes(width).unwrap()).enumerate() {
                dots_with(Scalar, kind, bytes, &x, &mut column);
                for (row, &scalar) in column.iter().enumerate() {
                    let got = got[row * outputs + output];
                    prop_assert!((got - scalar).abs() <= 1e-5 * (width as f32).sqrt(), "{scalar}, got {got}");
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_by_strips_alone_and_among_others(kind in any_type(), rows in 2usize..40, seed: u64) {
        if strips_available() {
            let (width, outputs) = (2 * BLOCK, 70);
            let weight = quantised(kind, &noise(outputs * width, seed));
            let x = noise(rows * width, seed ^ 9);
            let together = by_strips(kind, &weight, outputs, &Rows::quantise(&x, width), rows);
            for (x, together) in x.chunks_exact(width).zip(together.chunks_exact(outputs)) {
                prop_assert_eq!(by_strips(kind, &weight, outputs, &Rows::quantise(x, width), 1), together);
            }
        }
    }

    #[test]
    fn the_product_of_many_rows_agrees_with_the_sum_of_rounded_numbers(
        kind in any_type(), rows in 1usize..70, blocks in 1usize..5, outputs in 1usize..150, seed: u64,
    ) {
        if crate::tiles::rounded_products() {
            let width = blocks * BLOCK;
            let (weight, x) = (quantised(kind, &noise(outputs * width, seed)), noise(rows * width, seed ^ 5));
            let mut got = vec![f32::NAN; rows * outputs];
            product_of_many(kind, &weight, &crate::tiles::Rounded::of(&x, width, width), &mut got);
            let values = spread_out(kind, &weight, outputs * width);
            for (at, &got) in got.iter().enumerate() {
                let (row, output) = (at / outputs, at % outputs);
                let pairs = values[output * width..][..width].iter().zip(&x[row * width..]);
                let rounded = |value: f32| half::bf16::from_f32(value).to_f64();
                let sum: f64 = pairs.map(|(&w, &x)| rounded(w) * rounded(x)).sum();
                prop_assert!((f64::from(got) - sum).abs() <= 1e-5 * (width as f64).sqrt(), "{sum}, got {got}");
            }
        }
    }

    #[test]
    fn wide_vectors_spread_blocks_out_to_the_same_bits(kind in any_type(), seed: u64) {
        let bytes = quantised(kind, &noise(4 * BLOCK, seed));
        let mut plain = vec![f32::NAN; 4 * BLOCK];
        dequantise_plainly(kind, &bytes, &mut plain);
        prop_assert_eq!(spread_out(kind, &bytes, 4 * BLOCK), plain);
    }

    #[test]
    fn every_pattern_of_bytes_is_spread_without_harm(kind in any_type(), bytes in proptest::collection::vec(any::<u8>(), 256)) {
        let mut block = vec![0; kind.block_bytes()];
        block.iter_mut().zip(bytes.iter().cycle()).for_each(|(to, from)| *to = *from);
        let values = spread_out(kind, &block, kind.block_values());
        prop_assert_eq!(values.len(), kind.block_values());
    }
}

#[test]
fn rows_that_are_no_whole_number_of_blocks_are_filled_up_with_zeros() {
    let (width, padded) = (300, 512);
    let mut weights = noise(padded, 1);
    weights[width..].fill(0.0);
    let bytes = quantised(QuantType::Q6K, &weights);
    let x = noise(width, 2);
    let mut out = [0.0];
    product(QuantType::Q6K, &bytes, &Rows::quantise(&x, width), &mut out);
    let exact: f32 = weights.iter().zip(&x).map(|(w, x)| w * x).sum();
    assert!((out[0] - exact).abs() < 0.2, "{exact}, got {}", out[0]);
}

#[test]
fn a_scale_that_is_not_finite_is_found() {
    for kind in QuantType::ALL {
        let mut bytes = quantised(kind, &noise(3 * BLOCK, 4));
        assert_eq!(first_not_finite(kind, &bytes), None);
        let at = if kind == QuantType::Q6K { q6_k::SCALE_AT } else { 0 };
        let block = 2 * BLOCK / kind.block_values();
        bytes[block * kind.block_bytes() + at..][..2].copy_from_slice(&half::f16::NAN.to_le_bytes());
        assert_eq!(first_not_finite(kind, &bytes), Some(2 * BLOCK), "{}", kind.name());
    }
}
