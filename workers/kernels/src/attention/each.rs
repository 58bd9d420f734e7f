//! One query row for each of several contexts that begin alike: what they share comes from memory once.

use super::context::InPlace;
use super::pack::{Packed, TILE};
use super::tile::{Lanes, absorb};
use super::{Call, Kept, Mask, Rows, SHARE, Shape, Span, Widened, attend_by, shares};
use crate::pool;
use crate::simd::{Isa, Level, Work, dispatch, level};

/// Row `n` of `queries` over context `n`, all of which it sees. Gives the bits that [`super::attend`] gives for each row
/// and context alone.
pub fn attend_each<T: Kept>(shape: Shape, queries: Rows, contexts: &[Vec<Span<T>>], out: &mut [f32]) {
    let of_row = |row: usize| Rows {
        values: &queries.values[row * queries.stride..],
        stride: queries.stride,
    };
    let each = contexts.iter().enumerate();
    let calls: Vec<Call> = each
        .map(|(row, spans)| Call::of(shape, of_row(row), 1, spans, Mask::Causal))
        .collect();
    match level() {
        Level::Avx512 if shape.sharing() <= 16 => each_by::<8, 16, T>(&calls, contexts, out),
        Level::Avx512 => each_by::<8, 32, T>(&calls, contexts, out),
        Level::Avx2 if shape.sharing() <= 16 => each_by::<4, 16, T>(&calls, contexts, out),
        Level::Neon | Level::Avx2 => each_by::<6, 16, T>(&calls, contexts, out),
        Level::Portable => each_by::<4, 8, T>(&calls, contexts, out),
    }
}

fn each_by<const R: usize, const L: usize, T: Kept>(
    calls: &[Call],
    contexts: &[Vec<Span<T>>],
    out: &mut [f32],
) {
    let Some(shape) = calls.first().map(|call| call.shape) else {
        return;
    };
    let out = out.chunks_exact_mut(shape.heads * shape.width);
    if shape.sharing() > L {
        for ((call, spans), out) in calls.iter().zip(contexts).zip(out) {
            attend_by::<R, L, T>(call, spans, out);
        }
        return;
    }
    let most = calls.iter().map(|call| shares(call.total)).max().unwrap_or(0);
    let partial: Vec<Vec<Lanes<L>>> = pool::map(shape.key_heads * most, |index| {
        dispatch(ShareOfEach::<R, L, T> {
            calls,
            contexts,
            head: index / most,
            first: index % most * SHARE,
        })
    });
    for (number, (call, out)) in calls.iter().zip(out).enumerate() {
        for (head, partial) in partial.chunks(most).enumerate() {
            // A share has lanes for the calls that reach it alone.
            let reaching = |share: usize| {
                calls[..number]
                    .iter()
                    .filter(|call| call.total > share * SHARE)
                    .count()
            };
            let mut whole = partial[0][number].clone();
            for (share, partial) in partial.iter().enumerate().take(shares(call.total)).skip(1) {
                whole.join(&partial[reaching(share)]);
            }
            whole.scatter(call, head, 0, out);
        }
    }
}

/// The queries of one key head, of all calls, against one share of their contexts.
struct ShareOfEach<'a, 'c, const R: usize, const L: usize, T> {
    calls: &'a [Call<'c>],
    contexts: &'a [Vec<Span<'c, T>>],
    head: usize,
    first: usize,
}

impl<const R: usize, const L: usize, T: Kept> Work for ShareOfEach<'_, '_, R, L, T> {
    type Output = Vec<Lanes<L>>;
    /// Tile by tile, so that one stays in the nearest caches while all calls pass by. What is handed to another function here,
    /// a closure too, would be compiled without the instructions of `I`.
    #[inline(always)]
    fn carry_out<I: Isa>(self) -> Vec<Lanes<L>> {
        let Shape { width, .. } = self.calls[0].shape;
        let mut all = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            if call.total > self.first {
                all.push(Lanes::gather::<R>(call, self.head, 0, 0..call.shape.sharing()));
            }
        }
        let in_place = width.is_multiple_of(R);
        let mut packed = Packed::<R>::empty(width, if in_place { 0 } else { 1 });
        let mut widened = Widened::empty(width, self.contexts.first().map_or(&[], Vec::as_slice));
        let mut scores = vec![[0.0; L]; TILE];
        for start in (self.first..self.first + SHARE).step_by(TILE) {
            let mut held = Vec::new();
            let mut number = 0;
            for (call, spans) in self.calls.iter().zip(self.contexts) {
                if call.total <= self.first {
                    continue;
                }
                let lanes = &mut all[number];
                number += 1;
                if call.total <= start {
                    continue;
                }
                let length = TILE.min(call.total - start);
                let other = is_other(&mut held, spans, start, start + length);
                if in_place {
                    let span;
                    let rows = match T::wide(spans) {
                        Some(spans) => InPlace::of(spans, self.head, width, start, length).near(!other),
                        None => {
                            if other {
                                widened.fill(spans, self.head, start, length);
                            }
                            span = [widened.span(length)];
                            InPlace::of(&span, 0, width, 0, length).near(true)
                        }
                    };
                    absorb::<I, R, L>(lanes, &rows, start, length, &mut scores);
                    continue;
                }
                if other {
                    packed.fill(0, spans, self.head, start, length);
                }
                absorb::<I, R, L>(lanes, &packed.tile(0), start, length, &mut scores);
            }
        }
        all
    }
}

/// Where context rows lie in memory: their keys, their values, and how many of them.
type Places<T> = Vec<(*const T, *const T, usize)>;

/// Whether the context rows from `first` to `end` are others than those that were held, in whose place they come.
fn is_other<T>(held: &mut Places<T>, spans: &[Span<T>], first: usize, end: usize) -> bool {
    let places = places(spans, first, end);
    let is_other = places != *held;
    *held = places;
    is_other
}

fn places<T>(spans: &[Span<T>], first: usize, end: usize) -> Places<T> {
    let mut before = 0;
    let mut places = Vec::new();
    for span in spans {
        let (from, to) = (first.max(before), end.min(before + span.rows));
        if from < to {
            let at = |rows: &Rows<T>| rows.values[(from - before) * rows.stride..].as_ptr();
            places.push((at(&span.keys), at(&span.values), to - from));
        }
        before += span.rows;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::attend;

    fn noise(count: usize, speed: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * speed).sin()).collect()
    }

    /// What tiles of this size give for all contexts together, and for one after another.
    fn each_and_alone<const R: usize, const L: usize>(
        shape: Shape,
        queries: Rows,
        contexts: &[Vec<Span>],
    ) -> (Vec<f32>, Vec<f32>) {
        let calls: Vec<Call> = contexts
            .iter()
            .enumerate()
            .map(|(row, spans)| {
                let values = &queries.values[row * queries.stride..];
                Call::of(shape, Rows { values, ..queries }, 1, spans, Mask::Causal)
            })
            .collect();
        let width = shape.heads * shape.width;
        let mut each = vec![f32::NAN; calls.len() * width];
        let mut alone = each.clone();
        each_by::<R, L, _>(&calls, contexts, &mut each);
        for ((call, spans), out) in calls.iter().zip(contexts).zip(alone.chunks_exact_mut(width)) {
            attend_by::<R, L, _>(call, spans, out);
        }
        (each, alone)
    }

    fn close(some: &[f32], others: &[f32]) {
        for (some, other) in some.iter().zip(others) {
            assert!((some - other).abs() < 1e-5, "{some} and {other}");
        }
    }

    #[test]
    fn each_row_gives_the_bits_that_it_gives_alone() {
        for (heads, key_heads, width) in [(32, 2, 128), (4, 4, 7), (40, 1, 16)] {
            let shape = Shape {
                heads,
                key_heads,
                width,
            };
            let stride = key_heads * width;
            let span = |values: &'static [f32], rows| Span {
                keys: Rows { values, stride },
                values: Rows {
                    values: &values[1..],
                    stride,
                },
                rows,
            };
            let memory = |rows: usize, speed| -> &'static [f32] { noise(rows * stride + 1, speed).leak() };
            let shared = span(memory(800, 0.37), 800);
            let own = [1, 40, 500].map(|rows| span(memory(rows, 0.11 + rows as f32), rows));
            let contexts = vec![
                vec![shared, own[0]],
                vec![shared, own[1]],
                vec![own[1]],
                vec![shared, own[2], own[0]],
            ];
            let row = heads * width;
            let queries = noise(contexts.len() * row, 0.71);
            let mut together = vec![f32::NAN; contexts.len() * row];
            let rows = |values| Rows { values, stride: row };
            attend_each(shape, rows(&queries), &contexts, &mut together);
            for by in [
                each_and_alone::<8, 16>,
                each_and_alone::<6, 16>,
                each_and_alone::<4, 8>,
            ] {
                let (each, alone) = by(shape, rows(&queries), &contexts);
                assert_eq!(each, alone);
                close(&each, &together);
            }
            for (number, context) in contexts.iter().enumerate() {
                let mut alone = vec![f32::NAN; row];
                attend(
                    shape,
                    rows(&queries[number * row..]),
                    context,
                    Mask::Causal,
                    &mut alone,
                );
                assert_eq!(alone, together[number * row..][..row]);
            }
        }
    }
}
