//! The innermost loop with the vectors named: left to itself, the compiler may put a row's values side by side instead of
//! the lanes, which it then has to gather one by one. That took twenty times as long.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::x86_64::{
    _MM_HINT_T1, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::Factors;
use crate::simd::{OnAvx2, OnAvx512};

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

/// Vectors that the lanes of one row fill, at most. No other shape is asked for where these instructions are.
const MOST: usize = 2;

/// Both loops are one text: only the vectors differ. A sum runs over its products in the order of the specification.
macro_rules! with_vectors {
    ($name:ident, $isa:ident, $features:literal, $width:literal, $load:ident, $store:ident, $zero:ident, $all:ident, $fma:ident) => {
        /// As [`super::plain`].
        #[inline]
        #[target_feature(enable = $features)]
        pub(crate) fn $name<const R: usize, const L: usize>(
            factors: Factors<R>,
            lanes: &[[f32; L]],
            mut sums: [[f32; L]; R],
        ) -> [[f32; L]; R] {
            if !(L.is_multiple_of($width) && L / $width <= MOST) {
                return super::plain::<$isa, R, L>(factors, lanes, sums);
            }
            let mut held = [[$zero(); MOST]; R];
            for (held, sums) in held.iter_mut().zip(&sums) {
                for (held, sums) in held.iter_mut().zip(sums.as_chunks::<$width>().0) {
                    // SAFETY: a whole vector of values is there, and the load needs no alignment.
                    *held = unsafe { $load(sums.as_ptr()) };
                }
            }
            factors.check(lanes.len());
            for (step, lanes) in lanes.iter().enumerate() {
                let mut beside = [$zero(); MOST];
                for (beside, lanes) in beside.iter_mut().zip(lanes.as_chunks::<$width>().0) {
                    // SAFETY: as above.
                    *beside = unsafe { $load(lanes.as_ptr()) };
                }
                for r in 0..R {
                    // SAFETY: so many steps are there, as was checked.
                    let factor = $all(unsafe { *factors.rows[r].get_unchecked(step * factors.stride) });
                    for n in 0..L / $width {
                        held[r][n] = $fma(factor, beside[n], held[r][n]);
                    }
                }
            }
            for (held, sums) in held.iter().zip(&mut sums) {
                for (held, sums) in held.iter().zip(sums.as_chunks_mut::<$width>().0) {
                    // SAFETY: there is room for a whole vector.
                    unsafe { $store(sums.as_mut_ptr(), *held) };
                }
            }
            sums
        }
    };
}

with_vectors!(
    on_avx512,
    OnAvx512,
    "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma",
    16,
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
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::micro::plain;
    use crate::simd::{Level, level};

    fn noise(at: usize) -> f32 {
        (at.wrapping_mul(2_654_435_761) >> 7 & 0xffff) as f32 / 65536.0 - 0.5
    }

    fn rows<const N: usize>(count: usize, seed: usize) -> Vec<[f32; N]> {
        let row = |k| std::array::from_fn(|n| noise(k * N + n + seed));
        (0..count).map(row).collect()
    }

    #[test]
    fn named_vectors_give_the_bits_of_the_specification() {
        for depth in [0, 1, 7, 256] {
            if level() >= Level::Avx2 {
                let (panel, lanes) = (rows::<6>(depth, 0), rows::<16>(depth, 7));
                let sums = std::array::from_fn(|r| rows(6, 13)[r]);
                // SAFETY: the level says that the instructions are there.
                let got = unsafe { on_avx2(Factors::of_panel(&panel), &lanes, sums) };
                assert_eq!(
                    got,
                    plain::<OnAvx2, 6, 16>(Factors::of_panel(&panel), &lanes, sums)
                );
            }
            if level() >= Level::Avx512 {
                let (panel, lanes) = (rows::<8>(depth, 0), rows::<32>(depth, 7));
                let sums = std::array::from_fn(|r| rows(8, 13)[r]);
                // SAFETY: as above.
                let got = unsafe { on_avx512(Factors::of_panel(&panel), &lanes, sums) };
                assert_eq!(
                    got,
                    plain::<OnAvx2, 8, 32>(Factors::of_panel(&panel), &lanes, sums)
                );
            }
        }
    }
}
