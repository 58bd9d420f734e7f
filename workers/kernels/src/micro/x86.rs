//! The innermost loop with vectors of 256 and of 512 bits.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::x86_64::{
    _MM_HINT_T1, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::vectors::with_vectors;
use crate::simd::{OnAvx2, OnAvx512};

/// Vectors that the lanes of one row fill, at most. No other shape is asked for where these instructions are.
const MOST: usize = 2;

/// Values of a line of memory.
const LINE: usize = 16;

/// As [`super::ask_for`].
#[inline(always)]
pub(super) fn ask_for(values: &[f32]) {
    for line in values.chunks(LINE) {
        // SAFETY: the address is of a value that is there, and nothing is read or written.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}

with_vectors!(
    on_avx512,
    OnAvx512,
    "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma",
    16,
    MOST,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps
);
with_vectors!(
    on_avx2,
    OnAvx2,
    "avx2,fma",
    8,
    MOST,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);
