//! Attention in tiles: the scores of a few queries against a few context rows at a time, never all against all.
//!
//! Queries lie side by side in the lanes of a vector, so the running maximum and sum of the softmax need no sums
//! across a vector. Several query heads that share a key head are simply more queries of that head.

mod context;
mod each;
mod kept;
#[cfg(test)]
mod kept_tests;
mod pack;
mod rounded;
#[cfg(test)]
mod tests;
mod tile;

use crate::pool;
use crate::simd::{Isa, Level, Work, dispatch, level};
use context::InPlace;
pub use each::attend_each;
use kept::Widened;
pub use kept::{Kept, Q8, keep};
use pack::{Packed, TILE};
pub use rounded::{RoundedContext, WIDEST as WIDEST_ROUNDED};
use tile::{Lanes, absorb};

/// Query tiles that one thread takes through a context tile before it moves on: the context is read that much less.
const TILES_AT_ONCE: usize = 4;

/// Key heads whose context is packed at one time: bounds the packed copy.
const HEADS_AT_ONCE: usize = 4;

/// Context rows that one thread takes when there are only a few queries.
const SHARE: usize = 4 * TILE;

/// Rows of values as they are kept, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T = f32> {
    pub values: &'a [T],
    pub stride: usize,
}

impl<'a, T: Kept> Rows<'a, T> {
    /// Head `head` of row `row`, of `width` values.
    #[inline(always)]
    fn head(&self, row: usize, head: usize, width: usize) -> &'a [T] {
        let count = T::count(width);
        &self.values[row * self.stride + head * count..][..count]
    }
}

impl<'a> Rows<'a> {
    /// `width` values of row `row`, from column `column`.
    #[inline(always)]
    fn part(&self, row: usize, column: usize, width: usize) -> &'a [f32] {
        &self.values[row * self.stride + column..][..width]
    }
}

/// A run of context rows: keys and values of all key heads side by side.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a, T = f32> {
    pub keys: Rows<'a, T>,
    pub values: Rows<'a, T>,
    pub rows: usize,
}

/// Head counts and the width of one head. `heads` is a multiple of `key_heads`.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub heads: usize,
    pub key_heads: usize,
    pub width: usize,
}

impl Shape {
    /// Query heads that share one key head.
    fn sharing(&self) -> usize {
        self.heads / self.key_heads
    }
}

/// What a query may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// The whole context.
    Full,
    /// The queries are the last rows of the context, and each sees itself and what lies before it.
    Causal,
}

/// One call's inputs.
#[derive(Clone, Copy)]
struct Call<'a> {
    shape: Shape,
    queries: Rows<'a>,
    rows: usize,
    /// Rows of the context.
    total: usize,
    mask: Mask,
}

impl<'a> Call<'a> {
    fn of<T>(shape: Shape, queries: Rows<'a>, rows: usize, spans: &[Span<T>], mask: Mask) -> Self {
        Self {
            shape,
            queries,
            rows,
            total: spans.iter().map(|span| span.rows).sum(),
            mask,
        }
    }

    /// Context rows that query row `row` sees.
    fn visible(&self, row: usize) -> usize {
        match self.mask {
            Mask::Full => self.total,
            Mask::Causal => self.total - self.rows + row + 1,
        }
    }
}

/// `softmax(q k^T / sqrt width) v` for every query row and head.
///
/// `queries` has rows of `heads * width` values, the context is the spans in order, `out` is `[rows, heads * width]`.
/// The sums depend on the shapes alone, not on how the context is cut into spans or on the number of threads.
pub fn attend<T: Kept>(shape: Shape, queries: Rows, spans: &[Span<T>], mask: Mask, out: &mut [f32]) {
    let rows = out.len() / (shape.heads * shape.width);
    let call = Call::of(shape, queries, rows, spans, mask);
    match level() {
        // A vector has room for sixteen queries.
        Level::Avx512 if rows * shape.sharing() <= 16 => attend_by::<8, 16, T>(&call, spans, out),
        Level::Avx512 => attend_by::<8, 32, T>(&call, spans, out),
        // Heads are as wide as whole panels of four more often than of six: then a few queries need no copy of the context.
        Level::Avx2 if rows * shape.sharing() <= 16 => attend_by::<4, 16, T>(&call, spans, out),
        Level::Neon | Level::Avx2 => attend_by::<6, 16, T>(&call, spans, out),
        Level::Portable => attend_by::<4, 8, T>(&call, spans, out),
    }
}

fn attend_by<const R: usize, const L: usize, T: Kept>(call: &Call, spans: &[Span<T>], out: &mut [f32]) {
    if call.rows * call.shape.sharing() <= L {
        few_queries::<R, L, T>(call, spans, out);
    } else {
        many_queries::<R, L, T>(call, spans, out);
    }
}

/// Packs the context of a few heads once and shares it between threads that take blocks of query rows.
fn many_queries<const R: usize, const L: usize, T: Kept>(call: &Call, spans: &[Span<T>], out: &mut [f32]) {
    let row_width = call.shape.heads * call.shape.width;
    let block = (TILES_AT_ONCE * L / call.shape.sharing()).max(1);
    for first in (0..call.shape.key_heads).step_by(HEADS_AT_ONCE) {
        let heads = first..call.shape.key_heads.min(first + HEADS_AT_ONCE);
        let packed: Vec<Packed<R>> = heads
            .clone()
            .map(|head| Packed::of(spans, call.total, head, call.shape.width))
            .collect();
        pool::for_each(out.chunks_mut(block * row_width).enumerate(), |(index, out)| {
            for (head, packed) in heads.clone().zip(&packed) {
                dispatch(Block::<R, L> {
                    call,
                    head,
                    packed,
                    first_row: index * block,
                    out,
                });
            }
        });
    }
}

/// A block of query rows against the whole context of one key head.
struct Block<'a, 'c, const R: usize, const L: usize> {
    call: &'a Call<'c>,
    head: usize,
    packed: &'a Packed<R>,
    first_row: usize,
    /// The block's rows of the whole call's output.
    out: &'a mut [f32],
}

impl<const R: usize, const L: usize> Work for Block<'_, '_, R, L> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let Shape { heads, width, .. } = self.call.shape;
        let rows = self.out.len() / (heads * width);
        let queries = rows * self.call.shape.sharing();
        let mut tiles: Vec<Lanes<L>> = (0..queries.div_ceil(L))
            .map(|tile| {
                Lanes::gather::<R>(
                    self.call,
                    self.head,
                    self.first_row,
                    tile * L..queries.min((tile + 1) * L),
                )
            })
            .collect();
        let seen = self.call.visible(self.first_row + rows - 1);
        let mut scores = vec![[0.0; L]; TILE];
        for start in (0..seen).step_by(TILE) {
            let tile = self.packed.tile(start / TILE);
            let length = TILE.min(self.call.total - start);
            for lanes in &mut tiles {
                absorb::<I, R, L>(lanes, &tile, start, length, &mut scores);
            }
        }
        for (index, lanes) in tiles.iter().enumerate() {
            lanes.scatter(self.call, self.head, index * L, self.out);
        }
    }
}

/// Shares that a context is cut into.
fn shares(total: usize) -> usize {
    total.div_ceil(SHARE)
}

/// Cuts the context into shares, one thread each, and joins their softmaxes afterwards, in order.
fn few_queries<const R: usize, const L: usize, T: Kept>(call: &Call, spans: &[Span<T>], out: &mut [f32]) {
    let heads = call.shape.key_heads;
    // The heads of a row lie side by side: a thread that has had one's share has the other's at hand.
    let partial: Vec<Lanes<L>> = pool::map(shares(call.total) * heads, |index| {
        dispatch(Share::<R, L, T> {
            call,
            spans,
            head: index % heads,
            first: index / heads * SHARE,
        })
    });
    for head in 0..heads {
        let mut whole = partial[head].clone();
        for other in partial[head..].iter().step_by(heads).skip(1) {
            whole.join(other);
        }
        whole.scatter(call, head, 0, out);
    }
}

/// All queries of one key head against one share of the context.
struct Share<'a, 'c, const R: usize, const L: usize, T> {
    call: &'a Call<'c>,
    spans: &'a [Span<'c, T>],
    head: usize,
    first: usize,
}

impl<const R: usize, const L: usize, T: Kept> Work for Share<'_, '_, R, L, T> {
    type Output = Lanes<L>;
    #[inline(always)]
    fn carry_out<I: Isa>(self) -> Lanes<L> {
        let Shape { width, .. } = self.call.shape;
        let mut lanes = Lanes::gather::<R>(
            self.call,
            self.head,
            0,
            0..self.call.rows * self.call.shape.sharing(),
        );
        let end = self.call.total.min(self.first + SHARE);
        let mut scores = vec![[0.0; L]; TILE];
        if width.is_multiple_of(R) {
            let mut widened = Widened::empty(width, self.spans);
            for start in (self.first..end).step_by(TILE) {
                let length = TILE.min(end - start);
                let span;
                let rows = match T::wide(self.spans) {
                    Some(spans) => InPlace::of(spans, self.head, width, start, length),
                    None => {
                        widened.fill(self.spans, self.head, start, length);
                        span = [widened.span(length)];
                        InPlace::of(&span, 0, width, 0, length).near(true)
                    }
                };
                absorb::<I, R, L>(&mut lanes, &rows, start, length, &mut scores);
            }
            return lanes;
        }
        let mut scratch = Packed::<R>::empty(width, 1);
        for start in (self.first..end).step_by(TILE) {
            let length = TILE.min(end - start);
            scratch.fill(0, self.spans, self.head, start, length);
            absorb::<I, R, L>(&mut lanes, &scratch.tile(0), start, length, &mut scores);
        }
        lanes
    }
}
