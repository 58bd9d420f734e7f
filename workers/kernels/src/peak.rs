//! What the processor's dot products can do at best: nothing is loaded and nothing is kept.

/// Does that many steps of dot products of 8-bit numbers and tells how many multiplications and additions they were;
/// nothing where the processor has no such instruction.
pub fn products_of_bytes(steps: usize) -> Option<u64> {
    x86::products_of_bytes(steps)
}

/// The same of bf16 numbers.
pub fn products_of_halves(steps: usize) -> Option<u64> {
    x86::products_of_halves(steps)
}

#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    pub(super) fn products_of_bytes(_: usize) -> Option<u64> {
        None
    }

    pub(super) fn products_of_halves(_: usize) -> Option<u64> {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![expect(unsafe_code, reason = "vector instructions of the processor")]

    use std::arch::x86_64::{
        __m512bh, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_setzero_si512,
    };
    use std::hint::black_box;

    /// Sums that are added to in turns: enough that none waits for its last addition.
    const SUMS: usize = 16;
    /// Numbers of 8 bits in a vector.
    const BYTES: usize = 64;

    pub(super) fn products_of_bytes(steps: usize) -> Option<u64> {
        if !std::arch::is_x86_feature_detected!("avx512vnni") {
            return None;
        }
        // SAFETY: the processor has the instruction, as was just seen.
        unsafe { bytes(steps) };
        Some((steps * SUMS * BYTES * 2) as u64)
    }

    pub(super) fn products_of_halves(steps: usize) -> Option<u64> {
        if !std::arch::is_x86_feature_detected!("avx512bf16") {
            return None;
        }
        // SAFETY: as above.
        unsafe { halves(steps) };
        Some((steps * SUMS * BYTES) as u64)
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn bytes(steps: usize) {
        let factor = black_box(_mm512_set1_epi32(0x0101_0101));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn halves(steps: usize) {
        // SAFETY: both are 64 bytes, and every pattern of bits is a vector of bf16 numbers.
        let factor: __m512bh = unsafe { std::mem::transmute(black_box(_mm512_set1_epi32(0x3f80_3f80))) };
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
}
