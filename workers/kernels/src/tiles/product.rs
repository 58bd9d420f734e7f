//! The product of many rows with weights of any kind, both rounded to bf16.
//!
//! Spreading a weight out costs more than multiplying it with a few rows, and nothing beside multiplying it with
//! hundreds.

use super::{Columns, Panels, RESULT, Rounded, SIDE, STEP, Tile, Tiles};
use crate::Finish;
use crate::pool;
use half::bf16;
use std::ops::Range;

/// Columns of the result that one thread works out at a time.
const OUTPUTS: usize = 4 * RESULT;
/// Numbers of a row that are spread out and multiplied at a time: with `OUTPUTS` what stays in a core's cache. A whole
/// number of blocks of every quantised type.
const DEPTH: usize = 256;
/// Tiles of a panel of that depth.
const STEPS: usize = DEPTH / STEP;

/// Rows of weights, as wide as the rows that they are multiplied with are filled up.
pub(crate) trait Spread: Sync {
    /// Rows.
    fn outputs(&self) -> usize;
    /// The values of row `row` at `columns`, which begin at a multiple of `DEPTH`.
    fn spread(&self, row: usize, columns: Range<usize>, to: &mut [f32]);
    /// The same where they are kept in bf16, without what rows are filled up with.
    fn as_they_are(&self, _row: usize, _columns: Range<usize>) -> Option<&[bf16]> {
        None
    }
}

/// Weights that become panels of columns.
pub(crate) trait LayOut: Sync {
    /// Rows.
    fn outputs(&self) -> usize;
    /// Sixteen rows, or fewer where they end, at `columns`, which begin at a multiple of `DEPTH` and are no more. `room` is
    /// for rows on the way.
    fn lay_out(&self, rows: Range<usize>, columns: Range<usize>, panel: &mut [Tile], room: &mut Room);
}

/// Where a product goes.
pub enum Out<'a> {
    /// A row of outputs for each row of the left side.
    Values(&'a mut [f32]),
    /// The same, rounded as the left side of another product: [`Rounded::room`] for as many rows or more.
    Rounded(&'a mut Rounded),
}

/// `out[r, o] = x[r, :] . weight[o, :]`, finished as `finish` says.
///
/// # Panics
///
/// If the lengths do not go together, or where [`super::rounded_products`] is false.
pub(crate) fn product(weight: &impl LayOut, x: &Rounded, finish: Finish, out: Out) {
    let outputs = weight.outputs();
    assert!(finish.bias.is_none_or(|bias| bias.len() == outputs));
    match out {
        Out::Values(out) => {
            assert_eq!(out.len(), outputs * x.count);
            let out = Columns::of(out, outputs);
            chunks(weight, x, finish, |sums, outputs| {
                write(sums, &out, outputs, x.count)
            });
        }
        Out::Rounded(out) => {
            let out = out.columns(x.count, outputs);
            chunks(weight, x, finish, |sums, outputs| {
                round(sums, &out, outputs, x.count)
            });
        }
    }
}

/// Calls `f` with the sums of each chunk of outputs, in rows of `OUTPUTS`.
fn chunks(weight: &impl LayOut, x: &Rounded, finish: Finish, f: impl Fn(&[f32], Range<usize>) + Sync) {
    let outputs = weight.outputs();
    pool::for_each(0..outputs.div_ceil(OUTPUTS), |chunk| {
        let outputs = chunk * OUTPUTS..outputs.min((chunk + 1) * OUTPUTS);
        f(&chunk_sums(weight, outputs.clone(), x, finish), outputs);
    });
}

#[expect(unsafe_code, reason = "threads write disjoint columns")]
fn write(sums: &[f32], out: &Columns, outputs: Range<usize>, rows: usize) {
    for (row, sums) in sums.chunks_exact(OUTPUTS).take(rows).enumerate() {
        // SAFETY: every chunk of outputs is another range of columns.
        unsafe { out.write(row, outputs.start, &sums[..outputs.len()]) };
    }
}

/// As [`write`], into panels of tiles: zeros in rows after the last.
#[expect(unsafe_code, reason = "threads write disjoint columns")]
fn round(sums: &[f32], out: &Columns<Tile>, outputs: Range<usize>, rows: usize) {
    let unit = Tiles::of_this_thread();
    for (panel, sums) in sums.chunks_exact(SIDE * OUTPUTS).enumerate() {
        let mut tiles = [Tile::ZERO; OUTPUTS / STEP];
        let left = rows.saturating_sub(panel * SIDE);
        for (row, sums) in sums.chunks_exact(OUTPUTS).take(left).enumerate() {
            unit.round_row(&sums[..outputs.len()], row, &mut tiles);
        }
        // SAFETY: every chunk of outputs is another range of columns, whole tiles wide.
        unsafe {
            out.write(
                panel,
                outputs.start / STEP,
                &tiles[..outputs.len().div_ceil(STEP)],
            )
        };
    }
}

/// The products of all rows with up to `OUTPUTS` weight rows: rows of `OUTPUTS`.
fn chunk_sums(weight: &impl LayOut, outputs: Range<usize>, x: &Rounded, finish: Finish) -> Vec<f32> {
    let pairs = x.count.div_ceil(RESULT);
    let mut sums = vec![0.0; pairs * RESULT * OUTPUTS];
    finish.begin(&mut sums, OUTPUTS, outputs.start, outputs.len());
    let mut panels = vec![Tile::ZERO; OUTPUTS / SIDE * STEPS];
    let mut room = Room::new();
    let used = outputs.len().div_ceil(RESULT);
    for first in (0..x.steps).step_by(STEPS) {
        let steps = STEPS.min(x.steps - first);
        let columns = first * STEP..(first + steps) * STEP;
        let sixteens = outputs.clone().step_by(SIDE);
        for (panel, sixteen) in panels.chunks_exact_mut(STEPS).zip(sixteens) {
            let rows = sixteen..outputs.end.min(sixteen + SIDE);
            weight.lay_out(rows, columns.clone(), &mut panel[..steps], &mut room);
        }
        for (column, right) in panels.chunks_exact(2 * STEPS).take(used).enumerate() {
            let right = [&right[..steps], &right[STEPS..][..steps]];
            for (pair, sums) in sums.chunks_exact_mut(RESULT * OUTPUTS).enumerate() {
                let left = x.pair(pair).map(|panel| &panel[first..first + steps]);
                let panels = Panels::full(left, right);
                room.unit
                    .multiply(&panels, &mut sums[column * RESULT..], OUTPUTS, false);
            }
        }
    }
    finish.end(&mut sums);
    sums
}

/// Each row is read from its beginning to its end.
impl<W: Spread> LayOut for W {
    fn outputs(&self) -> usize {
        Spread::outputs(self)
    }

    fn lay_out(&self, rows: Range<usize>, columns: Range<usize>, panel: &mut [Tile], room: &mut Room) {
        let Room { unit, values, halves } = room;
        let (mut rounded, mut in_place) = (false, [None; SIDE]);
        for ((row, in_place), (values, halves)) in rows
            .zip(&mut in_place)
            .zip(values.iter_mut().zip(halves.iter_mut()))
        {
            let given = self.as_they_are(row, columns.clone());
            rounded |= given.is_some();
            match given {
                Some(whole) if whole.len() == columns.len() => *in_place = Some(whole),
                Some(part) => {
                    let (to, filling) = halves.split_at_mut(part.len());
                    to.copy_from_slice(part);
                    filling.fill(bf16::ZERO);
                }
                None => self.spread(row, columns.clone(), &mut values[..columns.len()]),
            }
        }
        let columns: [&[bf16]; SIDE] =
            std::array::from_fn(|column| in_place[column].unwrap_or(&halves[column][..columns.len()]));
        for (step, tile) in panel.iter_mut().enumerate() {
            if rounded {
                unit.take_columns(&columns, step * STEP, tile);
            } else {
                unit.round_columns(&values.as_flattened()[step * STEP..], DEPTH, tile);
            }
        }
    }
}

/// Where a thread works: rows of weights before they lie in columns, which are rounded then, or were.
pub(crate) struct Room {
    unit: Tiles,
    values: Box<[[f32; DEPTH]; SIDE]>,
    halves: Box<[[bf16; DEPTH]; SIDE]>,
}

impl Room {
    fn new() -> Self {
        Self {
            unit: Tiles::of_this_thread(),
            values: Box::new([[0.0; DEPTH]; SIDE]),
            halves: Box::new([[bf16::ZERO; DEPTH]; SIDE]),
        }
    }
}
