//! A block of a few rows with a panel of one strip.
//!
//! As in `super::numbers` everything is inlined into functions of `super`.

use super::super::{Form, Q4K, Q5K, Q6K, Q80, Sums, numbers::Lie};
use super::numbers::{Numbers, load};
use super::scales::Scales;
use crate::quant::{rows::Block8, strips::STEPS};
use std::arch::x86_64::{
    __m256, __m256i, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_cvtepi32_ps,
    _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_mullo_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_sub_epi32,
    _mm256_xor_si256,
};

/// A type whose sums of products fit 16 bits for a while: those of two numbers with two of -127 to 127.
pub(super) trait Short: Form + Lie {
    /// The largest number.
    const MOST: usize;
    /// Steps whose sums fit.
    const TOGETHER: usize;
    const FIT: () = assert!(Self::TOGETHER * 2 * Self::MOST * 127 <= i16::MAX as usize);
}

impl Short for Q4K {
    const MOST: usize = 15;
    const TOGETHER: usize = 8;
}

impl Short for Q5K {
    const MOST: usize = 31;
    const TOGETHER: usize = 4;
}

impl Short for Q6K {
    const MOST: usize = 63;
    const TOGETHER: usize = 2;
}

/// Its numbers are taken without their signs, which go over to the other side.
impl Short for Q80 {
    const MOST: usize = 128;
    const TOGETHER: usize = 1;
}

#[inline(always)]
fn fractions(from: &Sums, half: usize) -> __m256 {
    let half = &from.as_chunks::<8>().0[half];
    // SAFETY: a whole vector is there, and the load needs no alignment.
    unsafe { _mm256_loadu_ps(half.as_ptr()) }
}

#[inline(always)]
fn keep(to: &mut Sums, half: usize, sum: __m256) {
    let half = &mut to.as_chunks_mut::<8>().0[half];
    // SAFETY: there is room for a whole vector.
    unsafe { _mm256_storeu_ps(half.as_mut_ptr(), sum) }
}

/// Four signed bytes of a row, in every lane.
#[inline(always)]
fn four(x: &Block8, step: usize) -> __m256i {
    let [a, b, c, d] = x.q.as_chunks::<4>().0[step];
    // SAFETY: see the module's text.
    unsafe { _mm256_set1_epi32(i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])) }
}

/// `R` rows beside `H` halves of a panel, from half `FROM` on, and what has come together so far.
struct Tile<'a, N, const R: usize, const FROM: usize, const H: usize> {
    numbers: &'a N,
    scales: &'a Scales,
    x: &'a [Block8; R],
    /// Sums of 16 bits that nothing was multiplied with yet.
    short: [[__m256i; H]; R],
    products: [[__m256i; H]; R],
}

/// Adds the products of `R` rows with `H` halves of a panel, from half `FROM` on, to sums that are `stride` apart.
#[inline(always)]
pub(super) fn add<F: Short, N: Numbers, const R: usize, const FROM: usize, const H: usize>(
    numbers: &N,
    scales: &Scales,
    x: &[Block8; R],
    sums: &mut [Sums],
    stride: usize,
) {
    const { F::FIT };
    let zero = [[nothing(); H]; R];
    let mut tile = Tile::<N, R, FROM, H> {
        numbers,
        scales,
        x,
        short: zero,
        products: zero,
    };
    for eight in 0..STEPS / 8 {
        // What a step's place leads to is known beforehand, and each is written out.
        tile.step::<F, 0>(eight);
        tile.step::<F, 1>(eight);
        tile.step::<F, 2>(eight);
        tile.step::<F, 3>(eight);
        tile.step::<F, 4>(eight);
        tile.step::<F, 5>(eight);
        tile.step::<F, 6>(eight);
        tile.step::<F, 7>(eight);
        if F::FRACTIONS {
            for r in 0..R {
                for h in 0..H {
                    let sums = &mut sums[r * stride];
                    finish(&scales.d[eight], x[r].scale, tile.products[r][h], FROM + h, sums);
                }
            }
            tile.products = zero;
        }
    }
    if !F::FRACTIONS {
        for r in 0..R {
            for h in 0..H {
                let products = tile.products[r][h];
                finish_block::<F>(scales, &x[r], products, FROM + h, &mut sums[r * stride]);
            }
        }
    }
}

/// The same with the first `R` rows of `x`.
#[inline(always)]
pub(super) fn add_first<F: Short, N: Numbers, const R: usize, const FROM: usize, const H: usize>(
    numbers: &N,
    scales: &Scales,
    x: &[Block8],
    sums: &mut [Sums],
    stride: usize,
) {
    if let Some(x) = x.first_chunk() {
        add::<F, N, R, FROM, H>(numbers, scales, x, sums, stride);
    }
}

#[inline(always)]
fn nothing() -> __m256i {
    // SAFETY: see the module's text.
    unsafe { _mm256_setzero_si256() }
}

impl<N: Numbers, const R: usize, const FROM: usize, const H: usize> Tile<'_, N, R, FROM, H> {
    /// Adds the products of a step, which is number `PLACE` of eight.
    #[inline(always)]
    fn step<F: Short, const PLACE: usize>(&mut self, eight: usize) {
        let step = 8 * eight + PLACE;
        // SAFETY: see the module's text.
        unsafe {
            let mut beside = [nothing(); H];
            let mut signs = beside;
            for h in 0..H {
                beside[h] = self.numbers.at(step, FROM + h);
                if F::FRACTIONS {
                    signs[h] = _mm256_xor_si256(beside[h], _mm256_set1_epi8(i8::MIN));
                    beside[h] = _mm256_abs_epi8(signs[h]);
                }
            }
            for r in 0..R {
                let four = four(&self.x[r], step);
                for h in 0..H {
                    let signed = if F::FRACTIONS {
                        _mm256_sign_epi8(four, signs[h])
                    } else {
                        four
                    };
                    let two = _mm256_maddubs_epi16(beside[h], signed);
                    self.short[r][h] = if PLACE.is_multiple_of(F::TOGETHER) {
                        two
                    } else {
                        _mm256_add_epi16(self.short[r][h], two)
                    };
                }
            }
        }
        if (PLACE + 1).is_multiple_of(F::TOGETHER) {
            self.widen::<F>(step / F::STEPS);
        }
    }

    /// Multiplies the sums of 16 bits with their group's scale.
    #[inline(always)]
    fn widen<F: Short>(&mut self, group: usize) {
        for h in 0..H {
            // SAFETY: see the module's text.
            unsafe {
                let scale = if F::FRACTIONS {
                    _mm256_set1_epi16(1)
                } else {
                    load(&self.scales.groups[group], FROM + h)
                };
                for r in 0..R {
                    let wide = _mm256_madd_epi16(self.short[r][h], scale);
                    self.products[r][h] = _mm256_add_epi32(self.products[r][h], wide);
                }
            }
        }
    }
}

/// From the whole numbers of a block to values.
#[inline(always)]
fn finish_block<F: Short>(scales: &Scales, x: &Block8, mut products: __m256i, half: usize, sums: &mut Sums) {
    // SAFETY: see the module's text.
    unsafe {
        if F::ADDED != 0 {
            let of_groups = with_pairs(scales, x.sums.as_chunks::<2>().0, half);
            let added = _mm256_mullo_epi32(of_groups, _mm256_set1_epi32(F::ADDED));
            products = _mm256_sub_epi32(products, added);
        }
        finish(&scales.d[0], x.scale, products, half, sums);
        if F::MINIMA {
            let minima = with_pairs(scales, &x.pairs.map(both), half);
            let dmin = _mm256_mul_ps(fractions(&scales.dmin, half), _mm256_set1_ps(x.scale));
            let minima = _mm256_cvtepi32_ps(minima);
            keep(sums, half, _mm256_fnmadd_ps(minima, dmin, fractions(sums, half)));
        }
    }
}

/// The two numbers of a pair.
#[inline(always)]
fn both(pair: i32) -> [i16; 2] {
    [pair as i16, (pair >> 16) as i16]
}

/// The sum over pairs of groups of what they have by what a row has.
#[inline(always)]
fn with_pairs(scales: &Scales, of_row: &[[i16; 2]], half: usize) -> __m256i {
    // SAFETY: see the module's text.
    unsafe {
        let mut sum = _mm256_setzero_si256();
        for (pair, &[even, odd]) in scales.pairs.iter().zip(of_row) {
            let of_row = _mm256_set1_epi32(i32::from(even) & 0xffff | i32::from(odd) << 16);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load(pair, half), of_row));
        }
        sum
    }
}

/// Adds whole numbers, which count in `d` times `scale`.
#[inline(always)]
fn finish(d: &Sums, scale: f32, products: __m256i, half: usize, sums: &mut Sums) {
    // SAFETY: see the module's text.
    unsafe {
        let scale = _mm256_mul_ps(fractions(d, half), _mm256_set1_ps(scale));
        let products = _mm256_cvtepi32_ps(products);
        keep(
            sums,
            half,
            _mm256_fmadd_ps(products, scale, fractions(sums, half)),
        );
    }
}
