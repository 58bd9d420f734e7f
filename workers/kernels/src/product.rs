//! The matrix product of many rows with weights that are kept in 32 or 16 bits.
//!
//! Each sum runs over its products in one fixed order, whatever the number of rows and threads: a row gives the
//! same bits alone, in a batch, and with the same weights in a narrower type that holds them exactly.

use crate::Finish;
use crate::dense::Weight;
use crate::micro::{Factors, products};
use crate::pool;
use crate::simd::{Isa, Level, Work, dispatch, level};
use crate::tiles::{self, Out, Rounded, Spread};
use half::bf16;
use std::ops::Range;

/// Products that are summed in registers before a sum goes back to memory: a tile of packed weights this deep
/// stays in the nearest cache.
const DEPTH: usize = 256;

/// Rows of `x` that one thread takes at a time, at most.
const ROWS: usize = 96;

/// `out[r, o] = x[r, :] . weight[o, :]`. `x` and `weight` have rows of `width` values, `out` a row of outputs for
/// each row of `x`.
pub fn product<W: Weight>(weight: &[W], x: &[f32], width: usize, out: &mut [f32]) {
    match level() {
        Level::Avx512 => product_by::<W, 8, 32>(weight, x, width, out),
        Level::Neon | Level::Avx2 => product_by::<W, 6, 16>(weight, x, width, out),
        Level::Portable => product_by::<W, 4, 8>(weight, x, width, out),
    }
}

/// The same with both sides rounded to bf16, finished as `finish` says. `x` was rounded from rows of `width`
/// values, filled up with zeros.
///
/// # Panics
///
/// If the lengths do not go together, or where [`tiles::rounded_products`] is false.
pub fn product_rounded<W: Weight>(weight: &[W], x: &Rounded, width: usize, finish: Finish, out: Out) {
    assert!(weight.len().is_multiple_of(width));
    tiles::product(&Wide { weight, width }, x, finish, out);
}

/// Rows of `width` values.
struct Wide<'a, W> {
    weight: &'a [W],
    width: usize,
}

impl<W: Weight> Spread for Wide<'_, W> {
    fn outputs(&self) -> usize {
        self.weight.len() / self.width
    }

    fn spread(&self, row: usize, columns: Range<usize>, to: &mut [f32]) {
        let weight = &self.weight[row * self.width..][columns.start..self.width.min(columns.end)];
        let (values, filling) = to.split_at_mut(weight.len());
        dispatch(Widen { weight, values });
        filling.fill(0.0);
    }

    fn as_they_are(&self, row: usize, columns: Range<usize>) -> Option<&[bf16]> {
        W::as_halves(&self.weight[row * self.width..][columns.start..self.width.min(columns.end)])
    }
}

struct Widen<'a, W> {
    weight: &'a [W],
    values: &'a mut [f32],
}

impl<W: Weight> Work for Widen<'_, W> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        for (value, weight) in self.values.iter_mut().zip(self.weight) {
            *value = weight.widened();
        }
    }
}

fn product_by<W: Weight, const R: usize, const L: usize>(
    weight: &[W],
    x: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let rows = x.len() / width;
    let outputs = out.len() / rows;
    let block = block_rows::<R>(rows);
    let mut packed = vec![[0.0; L]; outputs.div_ceil(L) * DEPTH];
    out.fill(0.0);
    for first in (0..width).step_by(DEPTH) {
        let depth = DEPTH.min(width - first);
        let panels = packed.chunks_mut(DEPTH).zip(weight.chunks(L * width));
        pool::for_each(panels, |(packed, weight)| {
            dispatch(Pack {
                weight,
                width,
                first,
                packed: &mut packed[..depth],
            });
        });
        let blocks = out.chunks_mut(block * outputs).zip(x.chunks(block * width));
        pool::for_each(blocks, |(out, x)| {
            dispatch(Strip::<R, L> {
                packed: &packed,
                x,
                width,
                first,
                depth,
                outputs,
                out,
            });
        });
    }
}

/// Even blocks for every thread, each a whole number of panels.
fn block_rows<const R: usize>(rows: usize) -> usize {
    let threads = pool::threads();
    let rounds = rows.div_ceil(threads * ROWS);
    rows.div_ceil(threads * rounds).next_multiple_of(R)
}

/// Lays `L` weight rows side by side, as `[depth][L]`. Where fewer are left, the lanes keep what they had.
struct Pack<'a, W, const L: usize> {
    weight: &'a [W],
    width: usize,
    first: usize,
    packed: &'a mut [[f32; L]],
}

impl<W: Weight, const L: usize> Work for Pack<'_, W, L> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        for (lane, row) in self.weight.chunks_exact(self.width).enumerate() {
            for (packed, value) in self.packed.iter_mut().zip(&row[self.first..]) {
                packed[lane] = value.widened();
            }
        }
    }
}

/// A block of rows against one depth of all weights.
struct Strip<'a, const R: usize, const L: usize> {
    packed: &'a [[f32; L]],
    x: &'a [f32],
    width: usize,
    first: usize,
    depth: usize,
    outputs: usize,
    out: &'a mut [f32],
}

impl<const R: usize, const L: usize> Work for Strip<'_, R, L> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let mut panels = vec![[0.0; R]; (self.x.len() / self.width).div_ceil(R) * self.depth];
        for (row, x) in self.x.chunks_exact(self.width).enumerate() {
            let panel = &mut panels[row / R * self.depth..][..self.depth];
            for (panel, &value) in panel.iter_mut().zip(&x[self.first..]) {
                panel[row % R] = value;
            }
        }
        for (tile, lanes) in self.packed.chunks_exact(DEPTH).enumerate() {
            let column = tile * L;
            let rows = self.out.chunks_mut(R * self.outputs);
            for (panel, out) in panels.chunks_exact(self.depth).zip(rows) {
                let sums = products::<I, R, L>(
                    Factors::of_panel(panel),
                    &lanes[..self.depth],
                    load(out, column, self.outputs),
                );
                store(&sums, out, column, self.outputs);
            }
        }
    }
}

/// The sums so far of a tile: fewer than `R` rows and `L` columns at the edges.
#[inline(always)]
fn load<const R: usize, const L: usize>(out: &[f32], column: usize, outputs: usize) -> [[f32; L]; R] {
    let mut sums = [[0.0; L]; R];
    for (sums, row) in sums.iter_mut().zip(out.chunks_exact(outputs)) {
        match row[column..].first_chunk::<L>() {
            Some(whole) => *sums = *whole,
            None => sums[..outputs - column].copy_from_slice(&row[column..]),
        }
    }
    sums
}

#[inline(always)]
fn store<const R: usize, const L: usize>(
    sums: &[[f32; L]; R],
    out: &mut [f32],
    column: usize,
    outputs: usize,
) {
    for (sums, row) in sums.iter().zip(out.chunks_exact_mut(outputs)) {
        match row[column..].first_chunk_mut::<L>() {
            Some(whole) => *whole = *sums,
            None => row[column..].copy_from_slice(&sums[..outputs - column]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(count: usize, speed: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * speed).sin()).collect()
    }

    fn agrees<const R: usize, const L: usize>(rows: usize, width: usize, outputs: usize) {
        let (weight, x) = (noise(width * outputs, 0.71), noise(rows * width, 1.3));
        let mut out = vec![f32::NAN; rows * outputs];
        product_by::<f32, R, L>(&weight, &x, width, &mut out);
        for row in 0..rows {
            for output in 0..outputs {
                let pairs = weight[output * width..][..width].iter().zip(&x[row * width..]);
                let exact: f64 = pairs.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                let got = f64::from(out[row * outputs + output]);
                assert!(
                    (got - exact).abs() < 2e-5,
                    "row {row}, output {output}: {exact}, got {got}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_product_agrees_with_the_scalar_sum(
            rows in 1usize..220, width in 1usize..600, outputs in 1usize..70,
        ) {
            agrees::<8, 32>(rows, width, outputs);
            agrees::<6, 16>(rows, width, outputs);
            agrees::<4, 8>(rows, width, outputs);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_rounded_product_agrees_with_the_sum_of_rounded_numbers(
            rows in 1usize..80, width in 1usize..1300, outputs in 1usize..160, biased: bool,
        ) {
            if tiles::rounded_products() {
                let weight: Vec<bf16> = noise(width * outputs, 0.71).into_iter().map(bf16::from_f32).collect();
                let x = noise(rows * width, 1.3);
                let (mut out, bias) = (vec![f32::NAN; rows * outputs], noise(outputs, 2.9));
                let bias = biased.then_some(&bias[..]);
                let rounded = Rounded::of(&x, width, Rounded::filled(width));
                product_rounded(&weight, &rounded, width, Finish { bias, gelu: false }, Out::Values(&mut out));
                let mut active = vec![f32::NAN; rows * outputs];
                let finish = Finish { bias, gelu: true };
                product_rounded(&weight, &rounded, width, finish, Out::Values(&mut active));
                let mut expected = out.clone();
                crate::activation::gelu(&mut expected);
                prop_assert_eq!(&active, &expected);
                let padded = outputs.next_multiple_of(DEPTH);
                let mut passed = Rounded::room(rows + 40, padded);
                // Fewer rows come after more.
                for rows in [rows, rows.div_ceil(3)] {
                    let rounded = Rounded::of(&x[..rows * width], width, Rounded::filled(width));
                    product_rounded(&weight, &rounded, width, finish, Out::Rounded(&mut passed));
                    let expected = Rounded::of(&active[..rows * outputs], outputs, padded);
                    prop_assert_eq!(passed.lines(), expected.lines());
                }
                for (at, &got) in out.iter().enumerate() {
                    let (row, output) = (at / outputs, at % outputs);
                    let pairs = weight[output * width..][..width].iter().zip(&x[row * width..]);
                    let sum: f64 = pairs.map(|(w, &x)| w.to_f64() * bf16::from_f32(x).to_f64()).sum();
                    let sum = sum + bias.map_or(0.0, |bias| f64::from(bias[output]));
                    prop_assert!((f64::from(got) - sum).abs() < 5e-5, "row {row}, output {output}: {sum}, got {got}");
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others() {
        let (width, outputs) = (700, 50);
        let (weight, x) = (noise(width * outputs, 0.71), noise(200 * width, 1.3));
        let mut together = vec![0.0; 200 * outputs];
        product(&weight, &x, width, &mut together);
        for row in [0, 7, 199] {
            let mut alone = vec![0.0; outputs];
            product(&weight, &x[row * width..][..width], width, &mut alone);
            assert_eq!(alone, together[row * outputs..][..outputs]);
        }
    }

    #[test]
    fn weights_that_fit_a_narrower_type_give_the_same_bits_there() {
        let (width, outputs, rows) = (300, 40, 30);
        let narrow: Vec<bf16> = noise(width * outputs, 0.71)
            .into_iter()
            .map(bf16::from_f32)
            .collect();
        let wide: Vec<f32> = narrow.iter().map(|value| value.to_f32()).collect();
        let x = noise(rows * width, 1.3);
        let (mut from_narrow, mut from_wide) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
        product(&narrow, &x, width, &mut from_narrow);
        product(&wide, &x, width, &mut from_wide);
        assert_eq!(from_narrow, from_wide);
    }
}
