//! The innermost loop with vectors of 128 bits.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::aarch64::{float32x4_t, vdupq_n_f32, vfmaq_f32, vld1q_f32, vst1q_f32};

use super::vectors::with_vectors;
use crate::simd::OnNeon;

/// Vectors that the lanes of one row fill, at most: six rows of them leave registers for the factors.
const MOST: usize = 4;

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> float32x4_t {
    vdupq_n_f32(0.0)
}

/// `a * b + c`.
#[inline]
#[target_feature(enable = "neon")]
fn fused(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
    vfmaq_f32(c, a, b)
}

with_vectors!(
    on_neon,
    OnNeon,
    "neon",
    4,
    MOST,
    vld1q_f32,
    vst1q_f32,
    zero,
    vdupq_n_f32,
    fused
);
