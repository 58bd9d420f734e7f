//! The product of quantised blocks with 128-bit vectors and their dot products of 8-bit numbers.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use super::{
    GROUP, QuantType, Unpacked,
    product::{Multiply, Scalar, SmallBlocks, dots_with},
    q8_0,
    rows::{Block8, Rows},
};
use std::arch::{
    aarch64::{
        float32x4_t, int8x16_t, int16x8_t, int32x4_t, vaddvq_f32, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32,
        vfmaq_n_f32, vget_low_s16, vld1q_s8, vld1q_s16, vmlal_high_s16, vmlal_s16, vmlaq_n_s32,
    },
    asm, is_aarch64_feature_detected,
};

/// Proof that the processor has the dot products: made in [`dots`] alone.
#[derive(Clone, Copy)]
struct DotProducts(());

/// Multiplies, if this processor can; tells whether it could.
pub(super) fn dots(kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) -> bool {
    if !is_aarch64_feature_detected!("dotprod") {
        return false;
    }
    // SAFETY: the processor reports the dot products, as was just seen.
    unsafe { on_dot_products(DotProducts(()), kind, weight, x, out) };
    true
}

#[target_feature(enable = "neon,dotprod")]
fn on_dot_products(with: DotProducts, kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    dots_with(with, kind, weight, x, out);
}

/// Adds the products of each four neighbours to a sum. The instruction is named because its function of the standard
/// library is not stable.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_dots(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: it reads and writes the named registers alone.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// 16 bytes as signed numbers.
#[inline(always)]
fn bytes<T: Copy>(from: &[T]) -> int8x16_t {
    assert!(size_of_val(from) >= size_of::<int8x16_t>());
    // SAFETY: 16 bytes are there, and the load needs no alignment.
    unsafe { vld1q_s8(from.as_ptr().cast()) }
}

/// Eight numbers of 16 bits.
#[inline(always)]
fn halves(from: &[i16; 8]) -> int16x8_t {
    // SAFETY: they are there, and the load needs no alignment.
    unsafe { vld1q_s16(from.as_ptr()) }
}

impl Multiply for DotProducts {
    type Sum = float32x4_t;

    #[inline(always)]
    fn zero(self) -> float32x4_t {
        // SAFETY: `DotProducts` is the proof of the instructions, here and below.
        unsafe { vdupq_n_f32(0.0) }
    }

    /// The compiler finds vectors for the scalar form.
    #[inline(always)]
    fn unpack(self, kind: QuantType, bytes: &[u8], block: &mut Unpacked) {
        Scalar.unpack(kind, bytes, block);
    }

    #[inline(always)]
    fn add<const R: usize>(self, weight: &Unpacked, x: [&Block8; R], sums: &mut [float32x4_t; R]) {
        // SAFETY: see `zero`.
        unsafe {
            let mut products = [vdupq_n_s32(0); R];
            for (group, &scale) in weight.scales.iter().enumerate() {
                // Below 64: a sign makes no difference.
                let weights = bytes(&weight.q[GROUP * group..]);
                for (x, products) in x.iter().zip(&mut products) {
                    let dots = add_dots(vdupq_n_s32(0), weights, bytes(&x.q[GROUP * group..]));
                    *products = vmlaq_n_s32(*products, dots, i32::from(scale));
                }
            }
            let mins = weight.mins.as_chunks().0;
            for ((x, products), sum) in x.iter().zip(products).zip(sums) {
                let mut minima = vdupq_n_s32(0);
                for (mins, sums) in mins.iter().zip(x.sums.as_chunks().0) {
                    let (mins, sums) = (halves(mins), halves(sums));
                    minima = vmlal_s16(minima, vget_low_s16(mins), vget_low_s16(sums));
                    minima = vmlal_high_s16(minima, mins, sums);
                }
                let scaled = vfmaq_n_f32(*sum, vcvtq_f32_s32(products), weight.d * x.scale);
                *sum = vfmaq_n_f32(scaled, vcvtq_f32_s32(minima), -weight.dmin * x.scale);
            }
        }
    }

    #[inline(always)]
    fn add_small<const R: usize>(self, weight: &SmallBlocks, x: [&Block8; R], sums: &mut [float32x4_t; R]) {
        for (run, small) in weight.chunks_exact(q8_0::BYTES).enumerate() {
            let (scale, weights) = q8_0::parts(small);
            // SAFETY: see `zero`.
            unsafe {
                let (first, second) = (bytes(weights), bytes(&weights[16..]));
                for (x, sum) in x.iter().zip(&mut *sums) {
                    let x_values = &x.q[32 * run..];
                    let dots = add_dots(vdupq_n_s32(0), first, bytes(x_values));
                    let dots = add_dots(dots, second, bytes(&x_values[16..]));
                    *sum = vfmaq_n_f32(*sum, vcvtq_f32_s32(dots), scale * x.scale);
                }
            }
        }
    }

    #[inline(always)]
    fn total(self, sum: float32x4_t) -> f32 {
        // SAFETY: see `zero`.
        unsafe { vaddvq_f32(sum) }
    }
}
