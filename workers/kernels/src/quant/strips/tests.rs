//! Weights rounded to eight bits on the way.

use super::{super::product_of_many, super::tests::*, *};
use proptest::prelude::*;

/// The types whose weights are rounded.
const TYPES: [QuantType; 2] = [QuantType::Q4K, QuantType::Q5K];

/// The specification: a block's numbers in eight bits, and what they count in.
fn in_eight_bits(kind: QuantType, block: &[u8]) -> ([i32; BLOCK], f32) {
    let mut unpacked = Unpacked::EMPTY;
    let largest = if kind == QuantType::Q4K {
        q4_k::unpack_into(block, &mut unpacked);
        15.0
    } else {
        q5_k::unpack_into(block, &mut unpacked);
        31.0
    };
    let ranges: Vec<(f32, f32)> = (0..BLOCK / GROUP)
        .map(|group| {
            let counted = |number: i16, d: f32| f32::from(number) * d;
            let step = counted(unpacked.scales[group], unpacked.d);
            (step, -counted(unpacked.mins[group], unpacked.dmin))
        })
        .collect();
    let reach = ranges.iter().fold(0f32, |reach, &(step, low)| {
        reach.max(low.abs()).max(step.mul_add(largest, low).abs())
    });
    let inverse = if reach > 0.0 { 127.0 * 256.0 / reach } else { 0.0 };
    let rounded = |value: f32| (value * inverse).round_ties_even() as i32;
    let numbers = std::array::from_fn(|at| {
        let (step, low) = ranges[at / GROUP];
        (rounded(step) * i32::from(unpacked.q[at]) + rounded(low) + 128) >> 8
    });
    (numbers, reach * (1.0 / 127.0))
}

/// The values of rows of blocks so rounded.
fn values_in_eight_bits(kind: QuantType, bytes: &[u8]) -> Vec<f32> {
    let blocks = bytes.chunks_exact(kind.block_bytes());
    let values = blocks.flat_map(|block| {
        let (numbers, scale) = in_eight_bits(kind, block);
        numbers.map(|number| number as f32 * scale)
    });
    values.collect()
}

fn by_w8a8(kind: QuantType, weight: &[u8], bias: &[f32], x: &[f32], width: usize) -> Vec<f32> {
    let outputs = bias.len();
    let mut strips = vec![0; strips_bytes(kind, outputs, width)];
    lay_out(kind, weight, outputs, &mut strips);
    let x = Rows::quantise(x, width);
    let finished = |gelu: bool| {
        let mut out = vec![f32::NAN; x.count * outputs];
        let bias = Some(bias);
        product_w8a8(kind, &strips, &x, Finish { bias, gelu }, &mut out);
        out
    };
    let out = finished(false);
    let mut expected = out.clone();
    crate::activation::gelu(&mut expected);
    assert_eq!(finished(true), expected);
    out
}

/// Whether this processor rounds: others multiply as they do elsewhere.
fn rounds() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::Vectors::available().next() == Some(x86::Vectors::Wide);
    #[cfg(not(target_arch = "x86_64"))]
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Numbers of sixteen rows take another way to their panels than rows that are spread out one by one; a sum and a product
    /// of them may be rounded once instead of twice.
    #[test]
    fn strips_in_bf16_agree_with_rows_in_bf16(
        kind in proptest::sample::select(QuantType::ALL.to_vec()), rows in 1usize..40, blocks in 1usize..4,
        outputs in 1usize..150, seed: u64,
    ) {
        if strips_in_bf16() {
            let width = blocks * BLOCK;
            let (weight, x) = (quantised(kind, &noise(outputs * width, seed)), noise(rows * width, seed ^ 5));
            let x = Rounded::of(&x, width, width);
            let mut strips = vec![0; strips_bytes(kind, outputs, width)];
            lay_out(kind, &weight, outputs, &mut strips);
            let (mut got, mut expected) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * outputs]);
            product_bf16(kind, &strips, &x, outputs, Finish::default(), Out::Values(&mut got));
            product_of_many(kind, &weight, &x, &mut expected);
            for (got, expected) in got.iter().zip(&expected) {
                prop_assert!((got - expected).abs() <= 5e-4 * (width as f32).sqrt(), "{expected}, got {got}");
            }
        }
    }
}

/// What rounding adds to what a type has lost, which is twelve times as much in `Q4_K` and six times as much in `Q5_K`.
#[test]
fn eight_bits_lose_little_beside_the_type() {
    let values = noise(64 * BLOCK, 7);
    for kind in TYPES {
        let bytes = quantised(kind, &values);
        let kept = spread_out(kind, &bytes, values.len());
        let error = relative_error(&kept, &values_in_eight_bits(kind, &bytes));
        assert!(error < 0.007, "{}: {error}", kind.name());
        assert!(error > 0.0055, "{}: the bound is loose: {error}", kind.name());
    }
}

#[test]
fn zeros_stay_zeros_in_eight_bits() {
    if rounds() {
        for kind in TYPES {
            let weight = quantised(kind, &vec![0.0; 20 * BLOCK]);
            let products = by_w8a8(kind, &weight, &[0.5; 20], &noise(3 * BLOCK, 1), BLOCK);
            assert_eq!(products, vec![0.5; 60], "{}", kind.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_product_in_eight_bits_agrees_with_the_specification(
        kind in proptest::sample::select(TYPES.to_vec()), rows in 1usize..40, blocks in 1usize..4,
        outputs in 1usize..90, seed: u64,
    ) {
        if rounds() {
            let width = blocks * BLOCK;
            let (weight, x) = (quantised(kind, &noise(outputs * width, seed)), noise(rows * width, seed ^ 5));
            let bias = noise(outputs, seed ^ 3);
            let got = by_w8a8(kind, &weight, &bias, &x, width);
            let (values, x) = (values_in_eight_bits(kind, &weight), Rows::quantise(&x, width));
            for (at, &got) in got.iter().enumerate() {
                let (row, output) = (at / outputs, at % outputs);
                let sums = (0..blocks).map(|block| {
                    let (x, weight) = (&x.block(block)[row], &values[output * width + block * BLOCK..][..BLOCK]);
                    let products = weight.iter().zip(&x.q).map(|(&w, &x)| f64::from(w) * f64::from(x));
                    products.sum::<f64>() * f64::from(x.scale)
                });
                let exact = sums.sum::<f64>() + f64::from(bias[output]);
                prop_assert!((f64::from(got) - exact).abs() <= 1e-5 * (width as f64).sqrt(), "{exact}, got {got}");
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_in_eight_bits_alone_and_among_others(
        kind in proptest::sample::select(TYPES.to_vec()), rows in 2usize..40, seed: u64,
    ) {
        if rounds() {
            let (width, outputs) = (2 * BLOCK, 70);
            let (weight, x) = (quantised(kind, &noise(outputs * width, seed)), noise(rows * width, seed ^ 9));
            let bias = noise(outputs, seed ^ 3);
            let together = by_w8a8(kind, &weight, &bias, &x, width);
            for (x, together) in x.chunks_exact(width).zip(together.chunks_exact(outputs)) {
                prop_assert_eq!(&by_w8a8(kind, &weight, &bias, x, width)[..], together);
            }
        }
    }
}
