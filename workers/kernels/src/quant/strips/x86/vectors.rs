//! Loads and stores. They need no alignment.
//!
//! As in `super::add` everything is inlined into `super::multiply`.

use super::super::LINE;
use std::arch::x86_64::{__m512i, _mm512_loadu_si512, _mm512_storeu_si512};

/// A line of a record.
pub(super) type Line = [u8; LINE];

/// 64 bytes as a vector.
#[inline(always)]
pub(super) fn load<T: Copy, const N: usize>(from: &[T; N]) -> __m512i {
    const { assert!(size_of::<[T; N]>() == LINE) };
    // SAFETY: 64 bytes are there, and every pattern of bits is a vector.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn keep<T: Copy, const N: usize>(to: &mut [T; N], vector: __m512i) {
    const { assert!(size_of::<[T; N]>() == LINE) };
    // SAFETY: there is room for 64 bytes, and numbers take every pattern of bits.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), vector) }
}
