//! Normalisation and sums over rows of one width.

use crate::pool;
use crate::simd::{Isa, Work, dispatch};

/// Partial sums that a row is added up in: wide enough for the widest vectors.
const LANES: usize = 16;

/// Rows that one thread takes at a time.
const ROWS: usize = 16;

#[inline(always)]
fn sum_by<F: Fn(f32) -> f32>(row: &[f32], value: F) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += value(x);
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for &x in rest {
        total += value(x);
    }
    total
}

struct LayerNorm<'a> {
    rows: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
}

impl Work for LayerNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let width = self.weight.len() as f32;
        for row in self.rows.chunks_exact_mut(self.weight.len()) {
            let mean = sum_by(row, |x| x) / width;
            let variance = sum_by(row, |x| (x - mean) * (x - mean)) / width;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            for ((x, &weight), &bias) in row.iter_mut().zip(self.weight).zip(self.bias) {
                *x = I::mul_add((*x - mean) * scale, weight, bias);
            }
        }
    }
}

/// Brings every row to mean 0 and (population) variance 1, then scales by `weight` and adds `bias`. In place.
pub fn layer_norm(rows: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    pool::for_each(rows.chunks_mut(ROWS * weight.len()), |rows| {
        dispatch(LayerNorm {
            rows,
            weight,
            bias,
            epsilon,
        })
    });
}

struct RmsNorm<'a> {
    rows: &'a [f32],
    out: &'a mut [f32],
    weight: &'a [f32],
    epsilon: f32,
}

impl Work for RmsNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let width = self.weight.len() as f32;
        let rows = self.rows.chunks_exact(self.weight.len());
        for (row, out) in rows.zip(self.out.chunks_exact_mut(self.weight.len())) {
            let scale = 1.0 / (sum_by(row, |x| x * x) / width + self.epsilon).sqrt();
            for ((out, &x), &weight) in out.iter_mut().zip(row).zip(self.weight) {
                *out = x * scale * weight;
            }
        }
    }
}

/// Every row divided by the root of its mean square and scaled by `weight`.
pub fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let block = ROWS * weight.len();
    pool::for_each(rows.chunks(block).zip(out.chunks_mut(block)), |(rows, out)| {
        dispatch(RmsNorm {
            rows,
            out,
            weight,
            epsilon,
        })
    });
}

/// Adds `other`, repeated as often as it fits, to `rows`: a bias of one row, or a branch of the same size.
pub fn add(rows: &mut [f32], other: &[f32]) {
    if other.len() == rows.len() {
        let block = 16 * 1024;
        let blocks = rows.chunks_mut(block).zip(other.chunks(block));
        pool::for_each(blocks, |(rows, other)| add_once(rows, other));
    } else {
        pool::for_each(rows.chunks_mut(ROWS * other.len()), |rows| {
            rows.chunks_mut(other.len()).for_each(|row| add_once(row, other));
        });
    }
}

fn add_once(rows: &mut [f32], other: &[f32]) {
    for (x, &y) in rows.iter_mut().zip(other) {
        *x += y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 1.7).sin() * 3.0 + 0.4).collect()
    }

    #[test]
    fn layer_norm_agrees_with_double_precision() {
        for width in [1, 5, 16, 80, 1792] {
            let (weight, bias) = (noise(width), noise(width + 3)[3..].to_vec());
            let given = noise(width * 35);
            let mut rows = given.clone();
            layer_norm(&mut rows, &weight, &bias, 1e-6);
            for (row, given) in rows.chunks(width).zip(given.chunks(width)) {
                let mean = given.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
                let variance =
                    given.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
                for i in 0..width {
                    let exact = (f64::from(given[i]) - mean) / (variance + 1e-6).sqrt()
                        * f64::from(weight[i])
                        + f64::from(bias[i]);
                    let bound = if width == 1 { 2e-3 } else { 5e-6 };
                    assert!(
                        (f64::from(row[i]) - exact).abs() < bound,
                        "width {width}: {exact} and {}",
                        row[i]
                    );
                }
            }
        }
    }

    #[test]
    fn rms_norm_agrees_with_double_precision() {
        for width in [3, 16, 96, 4096] {
            let weight = noise(width);
            let given = noise(width * 17);
            let mut rows = vec![0.0; given.len()];
            rms_norm(&given, &weight, 1.5625e-7, &mut rows);
            for (row, given) in rows.chunks(width).zip(given.chunks(width)) {
                let square = given.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / width as f64;
                for i in 0..width {
                    let exact = f64::from(given[i]) / (square + 1.5625e-7).sqrt() * f64::from(weight[i]);
                    assert!((f64::from(row[i]) - exact).abs() < 5e-6);
                }
            }
        }
    }

    #[test]
    fn a_bias_is_added_to_every_row_and_a_branch_once() {
        let mut rows = vec![1.0; 6];
        add(&mut rows, &[1.0, 2.0, 3.0]);
        assert_eq!(rows, [2.0, 3.0, 4.0, 2.0, 3.0, 4.0]);
        add(&mut rows, &[1.0, 1.0, 1.0, 0.0, 0.0, 5.0]);
        assert_eq!(rows, [3.0, 4.0, 5.0, 2.0, 3.0, 9.0]);
    }
}
