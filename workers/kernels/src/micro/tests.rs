use super::*;

fn noise(at: usize) -> f32 {
    (at.wrapping_mul(2_654_435_761) >> 7 & 0xffff) as f32 / 65536.0 - 0.5
}

fn rows<const N: usize>(count: usize, seed: usize) -> Vec<[f32; N]> {
    let row = |k| std::array::from_fn(|n| noise(k * N + n + seed));
    (0..count).map(row).collect()
}

/// Only for instructions that this processor has.
fn agrees<I: Isa, const R: usize, const L: usize>() {
    for depth in [0, 1, 7, 256] {
        let (panel, lanes) = (rows::<R>(depth, 0), rows::<L>(depth, 7));
        let sums = std::array::from_fn(|r| rows(R, 13)[r]);
        let factors = Factors::of_panel(&panel);
        let got = products::<I, R, L>(factors, &lanes, sums);
        assert_eq!(got, plain::<I, R, L>(factors, &lanes, sums));
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn named_vectors_give_the_bits_of_the_specification() {
    use crate::simd::{Level, OnAvx2, OnAvx512, level};
    if level() >= Level::Avx2 {
        agrees::<OnAvx2, 6, 16>();
    }
    if level() >= Level::Avx512 {
        agrees::<OnAvx512, 8, 32>();
    }
}

#[test]
#[cfg(target_arch = "aarch64")]
fn named_vectors_give_the_bits_of_the_specification() {
    agrees::<crate::simd::OnNeon, 6, 16>();
}
