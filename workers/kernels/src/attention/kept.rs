//! What the rows of a context are kept in. A tile in fewer bits than `f32` is widened before it is computed with, so that every
//! kernel sees `f32`, and gives the bits that it gives for the widened rows.

use super::pack::TILE;
use super::{Rows, Span};
use crate::dense::Weight as _;
use crate::quant::{SMALL_BLOCK, q8_0};
use crate::simd::{Isa, Work, dispatch};
use half::f16;
use half::slice::HalfFloatSliceExt as _;

/// 32 values in 34 bytes, as `Q8_0` has them.
pub type Q8 = [u8; q8_0::BYTES];

/// What a row consists of: each head is a whole number of them.
pub trait Kept: Copy + Send + Sync + 'static {
    /// Values that one stands for.
    const VALUES: usize;
    /// What stands for zeros.
    const ZERO: Self;

    /// How many a head of `width` values is.
    fn count(width: usize) -> usize {
        width.div_ceil(Self::VALUES)
    }

    /// Keeps one head's values.
    fn keep(values: &[f32], kept: &mut [Self]);

    /// One head's values as they are kept.
    fn widen(kept: &[Self], values: &mut [f32]);

    /// The spans, where nothing has to be widened.
    #[inline(always)]
    fn wide<'s, 'a>(_spans: &'s [Span<'a, Self>]) -> Option<&'s [Span<'a>]> {
        None
    }
}

impl Kept for f32 {
    const VALUES: usize = 1;
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn keep(values: &[f32], kept: &mut [Self]) {
        kept.copy_from_slice(values);
    }

    #[inline(always)]
    fn widen(kept: &[Self], values: &mut [f32]) {
        values.copy_from_slice(kept);
    }

    #[inline(always)]
    fn wide<'s, 'a>(spans: &'s [Span<'a>]) -> Option<&'s [Span<'a>]> {
        Some(spans)
    }
}

/// What is beyond its range becomes infinite.
impl Kept for f16 {
    const VALUES: usize = 1;
    const ZERO: Self = f16::ZERO;

    #[inline(always)]
    fn keep(values: &[f32], kept: &mut [Self]) {
        kept.convert_from_f32_slice(values);
    }

    /// A weight is finite, but what a model remembers need not be: then all bits of the exponent stay set.
    #[inline(always)]
    fn widen(kept: &[Self], values: &mut [f32]) {
        const LARGEST: u16 = 0x7c00;
        for (kept, value) in kept.iter().zip(values) {
            let exponent = match kept.to_bits() & LARGEST {
                LARGEST => f32::INFINITY.to_bits(),
                _ => 0,
            };
            *value = f32::from_bits(kept.widened().to_bits() | exponent);
        }
    }
}

/// A head that is no whole number of blocks ends with zeros. A block with a value that is not a number has none that is.
impl Kept for Q8 {
    const VALUES: usize = SMALL_BLOCK;
    const ZERO: Self = [0; q8_0::BYTES];

    #[inline(always)]
    fn keep(values: &[f32], kept: &mut [Self]) {
        for (values, kept) in values.chunks(SMALL_BLOCK).zip(kept) {
            let mut whole = [0.0; SMALL_BLOCK];
            whole[..values.len()].copy_from_slice(values);
            q8_0::quantise(&whole, kept);
            if values.iter().any(|value| value.is_nan()) {
                kept[..2].copy_from_slice(&f16::NAN.to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn widen(kept: &[Self], values: &mut [f32]) {
        for (kept, values) in kept.iter().zip(values.chunks_mut(SMALL_BLOCK)) {
            q8_0::dequantise(kept, values);
        }
    }
}

/// Keeps rows of heads of `width` values, which lie side by side on both sides.
pub fn keep<T: Kept>(values: &[f32], width: usize, kept: &mut [T]) {
    dispatch(Keep { values, width, kept });
}

struct Keep<'a, T> {
    values: &'a [f32],
    width: usize,
    kept: &'a mut [T],
}

impl<T: Kept> Work for Keep<'_, T> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let heads = self.values.chunks_exact(self.width);
        for (values, kept) in heads.zip(self.kept.chunks_exact_mut(T::count(self.width))) {
            T::keep(values, kept);
        }
    }
}

/// A tile's rows of one head in `f32`.
pub(super) struct Widened {
    width: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Widened {
    /// Room for a tile. What is not widened needs none.
    pub(super) fn empty<T: Kept>(width: usize, spans: &[Span<T>]) -> Self {
        let values = match T::wide(spans) {
            Some(_) => 0,
            None => TILE * width,
        };
        Self {
            width,
            keys: vec![0.0; values],
            values: vec![0.0; values],
        }
    }

    /// Takes the `length` context rows of head `head` from `start` on in the place of those that it had.
    pub(super) fn fill<T: Kept>(&mut self, spans: &[Span<T>], head: usize, start: usize, length: usize) {
        dispatch(Fill {
            tile: self,
            spans,
            head,
            start,
            end: start + length,
        });
    }

    /// The first `rows` of them, as a context with one head.
    pub(super) fn span(&self, rows: usize) -> Span<'_> {
        let of = |values| Rows {
            values,
            stride: self.width,
        };
        Span {
            keys: of(&self.keys),
            values: of(&self.values),
            rows,
        }
    }
}

struct Fill<'a, 's, T> {
    tile: &'a mut Widened,
    spans: &'a [Span<'s, T>],
    head: usize,
    start: usize,
    end: usize,
}

impl<T: Kept> Work for Fill<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let width = self.tile.width;
        let keys = self.tile.keys.chunks_exact_mut(width);
        let mut rows = keys.zip(self.tile.values.chunks_exact_mut(width));
        let mut before = 0;
        for span in self.spans {
            let first = self.start.max(before);
            let last = self.end.min(before + span.rows).max(first);
            for (row, (key, value)) in (first - before..last - before).zip(&mut rows) {
                T::widen(span.keys.head(row, self.head, width), key);
                T::widen(span.values.head(row, self.head, width), value);
            }
            before += span.rows;
        }
    }
}
