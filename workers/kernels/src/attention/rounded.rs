//! Attention of many queries with queries, keys, weights and values rounded to bf16, for the tile unit. The softmax and
//! all sums are in `f32`.

use super::{Rows, Shape, Span};
use crate::activation::exp2;
use crate::pool;
use crate::simd::{Isa, Work, dispatch};
use crate::tiles::{Columns, Panels, RESULT, Rounded, SIDE, STEP, Tile, Tiles};
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Context rows of a block: its keys and values stay in a core's cache while `QUERIES` pass by.
const CONTEXT: usize = 256;
/// Query rows that one thread takes at a time.
const QUERIES: usize = 4 * RESULT;
/// The widest head. Narrower ones are filled up with zeros.
pub const WIDEST: usize = 128;

/// A context, rounded once for all queries that see the whole of it.
pub struct RoundedContext {
    shape: Shape,
    rows: usize,
    heads: Vec<Context>,
}

impl RoundedContext {
    /// # Panics
    ///
    /// If heads are wider than [`WIDEST`], or where [`crate::tiles::rounded_products`] is false.
    pub fn of(shape: Shape, span: Span) -> Self {
        assert!(shape.width <= WIDEST);
        let heads = pool::map(shape.key_heads, |head| {
            Context::of(span, head * shape.width, shape.width)
        });
        Self {
            shape,
            rows: span.rows,
            heads,
        }
    }

    /// As [`super::attend`] of queries that see all of it.
    pub fn attend(&self, queries: Rows, out: &mut [f32]) {
        let row_width = self.shape.heads * self.shape.width;
        let rows = out.len() / row_width;
        let out = Columns::of(out, row_width);
        let blocks = rows.div_ceil(QUERIES);
        pool::for_each(0..self.shape.heads * blocks, |number| {
            let (head, first) = (number / blocks, number % blocks * QUERIES);
            self.attend_block(&queries, head, first..rows.min(first + QUERIES), &out);
        });
    }
}

/// Keys and values of one head as right sides.
struct Context {
    /// `[panel of 16 rows][steps of the width]`.
    keys: Vec<Tile>,
    /// `[block of CONTEXT rows][panel of 16 columns][steps of the block]`.
    values: Vec<Tile>,
    steps: usize,
}

const BLOCK_STEPS: usize = CONTEXT / STEP;
const PANELS: usize = WIDEST / SIDE;

impl Context {
    fn of(span: Span, column: usize, width: usize) -> Self {
        let unit = Tiles::of_this_thread();
        let (blocks, steps) = (span.rows.div_ceil(CONTEXT), width.div_ceil(STEP));
        let mut keys = vec![Tile::ZERO; blocks * CONTEXT / SIDE * steps];
        let mut sixteen = vec![0.0; SIDE * WIDEST];
        for (panel, tiles) in keys
            .chunks_exact_mut(steps)
            .take(span.rows.div_ceil(SIDE))
            .enumerate()
        {
            sixteen.fill(0.0);
            for (row, to) in (panel * SIDE..span.rows).zip(sixteen.chunks_exact_mut(WIDEST)) {
                to[..width].copy_from_slice(span.keys.part(row, column, width));
            }
            for (step, tile) in tiles.iter_mut().enumerate() {
                unit.round_columns(&sixteen[step * STEP..], WIDEST, tile);
            }
        }
        let mut values = vec![Tile::ZERO; blocks * PANELS * BLOCK_STEPS];
        let nothing = vec![0.0; width];
        let mut line = vec![Tile::ZERO; PANELS];
        for pair in 0..span.rows.div_ceil(2) {
            let second = 2 * pair + 1;
            let first = span.values.part(2 * pair, column, width);
            let second = if second < span.rows {
                span.values.part(second, column, width)
            } else {
                &nothing
            };
            unit.round_pair(first, second, 0, &mut line);
            let (block, step, place) = (2 * pair / CONTEXT, 2 * pair % CONTEXT / STEP, pair % SIDE);
            for (panel, line) in line.iter().enumerate() {
                let tile = &mut values[(block * PANELS + panel) * BLOCK_STEPS + step];
                tile.0[place * SIDE..][..SIDE].copy_from_slice(&line.0[..SIDE]);
            }
        }
        Self { keys, values, steps }
    }
}

/// 32 queries and what they have gathered so far.
struct Gathered {
    max: [f32; RESULT],
    sum: [f32; RESULT],
    /// Rows of `WIDEST`, not yet divided by `sum`.
    values: Vec<f32>,
}

impl RoundedContext {
    /// Up to `QUERIES` rows of one head.
    fn attend_block(&self, queries: &Rows, head: usize, rows: Range<usize>, out: &Columns) {
        let width = self.shape.width;
        let context = &self.heads[head / self.shape.sharing()];
        let queries = self.queries(queries, head, rows.clone());
        let unit = Tiles::of_this_thread();
        let mut gathered: Vec<Gathered> = (0..rows.len().div_ceil(RESULT))
            .map(|_| Gathered {
                max: [f32::MIN; RESULT],
                sum: [0.0; RESULT],
                values: vec![0.0; RESULT * WIDEST],
            })
            .collect();
        let mut scores = vec![0.0; RESULT * CONTEXT];
        let mut weights = vec![Tile::ZERO; 2 * BLOCK_STEPS];
        for (block, start) in (0..self.rows).step_by(CONTEXT).enumerate() {
            let length = CONTEXT.min(self.rows - start);
            let keys = &context.keys[block * CONTEXT / SIDE * context.steps..];
            let values = &context.values[block * PANELS * BLOCK_STEPS..][..PANELS * BLOCK_STEPS];
            for (pair, gathered) in gathered.iter_mut().enumerate() {
                for (column, keys) in keys
                    .chunks_exact(2 * context.steps)
                    .take(length.div_ceil(RESULT))
                    .enumerate()
                {
                    let panels = Panels {
                        left: queries.pair(pair),
                        right: keys.split_at(context.steps).into(),
                        pairs: width.div_ceil(2),
                        columns: RESULT,
                    };
                    unit.multiply(&panels, &mut scores[column * RESULT..], CONTEXT, true);
                }
                gathered.weigh(&unit, &mut scores, length, &mut weights);
                gathered.gather(&unit, &weights, values, length, width);
            }
        }
        for (pair, gathered) in gathered.iter_mut().enumerate() {
            let first = rows.start + pair * RESULT;
            gathered.write(first, RESULT.min(rows.end - first), head * width, width, out);
        }
    }

    /// The queries of one head, scaled by `1 / sqrt(width)`, and so that powers of two are taken instead of powers of e.
    fn queries(&self, queries: &Rows, head: usize, rows: Range<usize>) -> Rounded {
        let width = self.shape.width;
        let scale = LOG2_E / (width as f32).sqrt();
        let mut values = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let part = queries.part(row, head * width, width).iter();
            values.extend(part.map(|value| value * scale));
        }
        Rounded::alone(&values, width, width.next_multiple_of(STEP))
    }
}

impl Gathered {
    /// From scores to weights, the left side of a product: zeros after `length`.
    fn weigh(&mut self, unit: &Tiles, scores: &mut [f32], length: usize, weights: &mut [Tile]) {
        let whole = length.next_multiple_of(STEP);
        for (row, scores) in scores.chunks_exact_mut(CONTEXT).enumerate() {
            scores[length..whole].fill(f32::MIN);
            let scores = &mut scores[..whole];
            dispatch(Weigh {
                scores: scores.as_chunks_mut().0,
                max: &mut self.max[row],
                sum: &mut self.sum[row],
                values: &mut self.values[row * WIDEST..][..WIDEST],
            });
            // As long as they are in the nearest cache.
            let panel = &mut weights[row / SIDE * BLOCK_STEPS..][..whole / STEP];
            unit.round_row(scores, row % SIDE, panel);
        }
    }

    /// Adds the values of a block by their weights.
    fn gather(&mut self, unit: &Tiles, weights: &[Tile], values: &[Tile], length: usize, width: usize) {
        let steps = length.div_ceil(STEP);
        let (upper, lower) = weights.split_at(BLOCK_STEPS);
        let pairs = values.chunks_exact(2 * BLOCK_STEPS).take(width.div_ceil(RESULT));
        for (column, values) in pairs.enumerate() {
            let panels = Panels {
                left: [&upper[..steps], &lower[..steps]],
                right: [&values[..steps], &values[BLOCK_STEPS..][..steps]],
                pairs: length.div_ceil(2),
                columns: RESULT.min(width - column * RESULT),
            };
            unit.multiply(&panels, &mut self.values[column * RESULT..], WIDEST, false);
        }
    }
}

const LANES: usize = 16;

/// Turns the scores of one row into weights against the running maximum and rescales what was gathered under the old one.
struct Weigh<'a> {
    scores: &'a mut [[f32; LANES]],
    max: &'a mut f32,
    sum: &'a mut f32,
    values: &'a mut [f32],
}

impl Work for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let mut most = [*self.max; LANES];
        for scores in self.scores.iter() {
            for l in 0..LANES {
                most[l] = if scores[l] > most[l] { scores[l] } else { most[l] };
            }
        }
        let most = most
            .iter()
            .fold(f32::MIN, |most, &score| if score > most { score } else { most });
        if most > *self.max {
            let fade = exp2::<I>(*self.max - most);
            self.values.iter_mut().for_each(|value| *value *= fade);
            *self.sum *= fade;
            *self.max = most;
        }
        let mut sums = [0.0; LANES];
        for scores in self.scores {
            for l in 0..LANES {
                scores[l] = exp2::<I>(scores[l] - most);
                sums[l] += scores[l];
            }
        }
        *self.sum += sums.iter().sum::<f32>();
    }
}

impl Gathered {
    #[expect(unsafe_code, reason = "threads write disjoint columns and rows")]
    fn write(&mut self, first: usize, rows: usize, column: usize, width: usize, out: &Columns) {
        for (row, values) in self.values.chunks_exact_mut(WIDEST).take(rows).enumerate() {
            let values = &mut values[..width];
            values.iter_mut().for_each(|value| *value /= self.sum[row]);
            // SAFETY: each head has columns of its own, and each block rows of its own.
            unsafe { out.write(first + row, column, values) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::*;
    use crate::tiles::rounded_products;

    /// Every factor is off by 2^-9 of itself at most; scores of these cases are below 4.
    const BOUND: f64 = 0.02;

    #[test]
    fn rounded_attention_agrees_with_the_plain_softmax() {
        for (heads, key_heads, width, rows, total) in [
            (1, 1, 112, 1, 1),
            (2, 2, 112, 33, 257),
            (4, 2, 40, 130, 515),
            (3, 3, 128, 300, 300),
            (2, 1, 7, 40, 600),
        ] {
            if !rounded_products() {
                return;
            }
            let case = Case::over_everything(
                Shape {
                    heads,
                    key_heads,
                    width,
                },
                rows,
                total,
            );
            case.agrees_within(&case.attended_rounded(), BOUND);
        }
    }
}
