//! Attention of many queries with queries, keys, weights and values rounded to bf16, for the tile unit. The softmax and
//! all sums are in `f32`.

use super::{Call, Mask, Rows, Shape, Span};
use crate::activation::exp;
use crate::pool;
use crate::simd::{Isa, Work, dispatch};
use crate::tiles::{Columns, RESULT, Rounded, SIDE, STEP, Tile, Tiles};

/// Context rows of a block: its keys and values stay in a core's cache while `QUERIES` pass by.
const CONTEXT: usize = 256;
/// Query rows that one thread takes at a time.
const QUERIES: usize = 4 * RESULT;
/// The widest head. Narrower ones are filled up with zeros.
pub const WIDEST: usize = 128;

/// As [`super::attend`], for queries that see the whole context, with heads of at most 128 values.
///
/// # Panics
///
/// If heads are wider, or where [`crate::tiles::rounded_products`] is false.
pub fn attend_rounded(shape: Shape, queries: Rows, span: Span, out: &mut [f32]) {
    assert!(shape.width <= WIDEST);
    let row_width = shape.heads * shape.width;
    let rows = out.len() / row_width;
    let spans = [span];
    let call = Call::of(shape, queries, rows, &spans, Mask::Full);
    let contexts: Vec<Context> = pool::map(shape.key_heads, |head| {
        Context::of(span, head * shape.width, shape.width)
    });
    let out = Columns::of(out, row_width);
    let blocks = rows.div_ceil(QUERIES);
    pool::for_each(0..shape.heads * blocks, |number| {
        let (head, first) = (number / blocks, number % blocks * QUERIES);
        attend_block(&call, head, &contexts[head / shape.sharing()], first, &out);
    });
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

/// Up to `QUERIES` rows of one head from row `first` on.
fn attend_block(call: &Call, head: usize, context: &Context, first: usize, out: &Columns) {
    let width = call.shape.width;
    let rows = QUERIES.min(call.rows - first);
    let queries = queries(call, head * width, first, rows);
    let unit = Tiles::of_this_thread();
    let mut gathered: Vec<Gathered> = (0..rows.div_ceil(RESULT))
        .map(|_| Gathered {
            max: [f32::MIN; RESULT],
            sum: [0.0; RESULT],
            values: vec![0.0; RESULT * WIDEST],
        })
        .collect();
    let mut scores = vec![0.0; RESULT * CONTEXT];
    let mut weights = vec![Tile::ZERO; 2 * BLOCK_STEPS];
    for (block, start) in (0..call.total).step_by(CONTEXT).enumerate() {
        let length = CONTEXT.min(call.total - start);
        let keys = &context.keys[block * CONTEXT / SIDE * context.steps..];
        let values = &context.values[block * PANELS * BLOCK_STEPS..][..PANELS * BLOCK_STEPS];
        for (pair, gathered) in gathered.iter_mut().enumerate() {
            for (column, keys) in keys
                .chunks_exact(2 * context.steps)
                .take(length.div_ceil(RESULT))
                .enumerate()
            {
                let (a, b) = keys.split_at(context.steps);
                unit.multiply(
                    queries.pair(pair),
                    [a, b],
                    &mut scores[column * RESULT..],
                    CONTEXT,
                    true,
                );
            }
            dispatch(Weigh {
                scores: &mut scores,
                length,
                gathered,
            });
            round_weights(&unit, &scores, length, &mut weights);
            gather(
                &unit,
                &weights,
                values,
                length.div_ceil(STEP),
                width,
                &mut gathered.values,
            );
        }
    }
    for (pair, gathered) in gathered.iter_mut().enumerate() {
        let first = first + pair * RESULT;
        gathered.write(first, RESULT.min(call.rows - first), head * width, width, out);
    }
}

/// The queries of one head, scaled by `1 / sqrt(width)`.
fn queries(call: &Call, column: usize, first: usize, rows: usize) -> Rounded {
    let width = call.shape.width;
    let scale = 1.0 / (width as f32).sqrt();
    let part = |row| {
        call.queries
            .part(row, column, width)
            .iter()
            .map(|value| value * scale)
    };
    let values: Vec<f32> = (first..first + rows).flat_map(part).collect();
    Rounded::alone(&values, width, width.next_multiple_of(STEP))
}

/// Weights of 32 rows as a left side, zeros after `length`.
fn round_weights(unit: &Tiles, scores: &[f32], length: usize, weights: &mut [Tile]) {
    let steps = length.div_ceil(STEP);
    for (row, scores) in scores.chunks_exact(CONTEXT).enumerate() {
        let panel = &mut weights[row / SIDE * BLOCK_STEPS..][..steps];
        unit.round_row(&scores[..steps * STEP], row % SIDE, panel);
    }
}

fn gather(unit: &Tiles, weights: &[Tile], values: &[Tile], steps: usize, width: usize, sums: &mut [f32]) {
    let (upper, lower) = weights.split_at(BLOCK_STEPS);
    let pairs = values.chunks_exact(2 * BLOCK_STEPS).take(width.div_ceil(RESULT));
    for (column, values) in pairs.enumerate() {
        let right = [&values[..steps], &values[BLOCK_STEPS..][..steps]];
        unit.multiply(
            [&upper[..steps], &lower[..steps]],
            right,
            &mut sums[column * RESULT..],
            WIDEST,
            false,
        );
    }
}

/// Turns scores into weights against the running maximum and rescales what was gathered under the old one.
struct Weigh<'a> {
    scores: &'a mut [f32],
    length: usize,
    gathered: &'a mut Gathered,
}

const LANES: usize = 16;

impl Work for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let Gathered { max, sum, values } = self.gathered;
        let rows = self
            .scores
            .chunks_exact_mut(CONTEXT)
            .zip(values.chunks_exact_mut(WIDEST));
        for (row, (scores, values)) in rows.enumerate() {
            let whole = self.length.next_multiple_of(STEP);
            scores[self.length..whole].fill(f32::MIN);
            let scores = scores[..whole].as_chunks_mut::<LANES>().0;
            let mut most = [max[row]; LANES];
            for scores in scores.iter() {
                for l in 0..LANES {
                    most[l] = if scores[l] > most[l] { scores[l] } else { most[l] };
                }
            }
            let most = most
                .iter()
                .fold(f32::MIN, |most, &score| if score > most { score } else { most });
            if most > max[row] {
                let fade = exp::<I>(max[row] - most);
                values.iter_mut().for_each(|value| *value *= fade);
                sum[row] *= fade;
                max[row] = most;
            }
            let mut sums = [0.0; LANES];
            for scores in scores {
                for l in 0..LANES {
                    scores[l] = exp::<I>(scores[l] - most);
                    sums[l] += scores[l];
                }
            }
            sum[row] += sums.iter().sum::<f32>();
        }
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
