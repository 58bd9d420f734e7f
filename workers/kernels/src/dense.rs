//! Weights that are kept in 32 or 16 bits and widened as they are read, and their product with a few rows.

use crate::pool;
use crate::simd::{Isa, Work, dispatch};
use half::{bf16, f16};

/// Weight rows that one thread takes at a time.
const BLOCK: usize = 32;

/// Products that run side by side along one row.
const LANES: usize = 64;

/// A stored weight that widens to `f32` without loss.
pub trait Weight: Copy + Send + Sync {
    fn widened(self) -> f32;

    /// They themselves, if they are bf16.
    fn as_halves(_weights: &[Self]) -> Option<&[bf16]> {
        None
    }
}

impl Weight for f32 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }
}

impl Weight for bf16 {
    #[inline(always)]
    fn widened(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn as_halves(weights: &[Self]) -> Option<&[bf16]> {
        Some(weights)
    }
}

impl Weight for f16 {
    /// Shifts exponent and mantissa into place and multiplies the missing bias back; exact for every finite value,
    /// subnormal ones included. (Weights are checked to be finite when they are loaded.)
    #[inline(always)]
    fn widened(self) -> f32 {
        const BIAS: f32 = f32::from_bits((127 + 112) << 23);
        let bits = u32::from(self.to_bits());
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * BIAS;
        f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
    }
}

struct Dots<'a, W> {
    weight: &'a [W],
    x: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl<W: Weight> Work for Dots<'_, W> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let rows = self.x.len() / self.width;
        for (weight, out) in self
            .weight
            .chunks_exact(self.width)
            .zip(self.out.chunks_exact_mut(rows))
        {
            for (x, out) in self.x.chunks_exact(self.width).zip(out) {
                *out = dot::<I, W>(weight, x);
            }
        }
    }
}

#[inline(always)]
fn dot<I: Isa, W: Weight>(weight: &[W], x: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (weights, weights_rest) = weight.as_chunks::<LANES>();
    let (xs, xs_rest) = x.as_chunks::<LANES>();
    for (weights, xs) in weights.iter().zip(xs) {
        for lane in 0..LANES {
            lanes[lane] = I::mul_add(weights[lane].widened(), xs[lane], lanes[lane]);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    let rest = weights_rest.iter().zip(xs_rest);
    rest.fold(lanes[0], |total, (weight, &x)| {
        I::mul_add(weight.widened(), x, total)
    })
}

/// `out[r, o] = x[r, :] . weight[o, :]` for a few rows `r`: every weight row is read from memory once.
/// `x` has rows of `width` values, `weight` too; `out` has a row of outputs for each row of `x`.
pub fn few_rows<W: Weight>(weight: &[W], x: &[f32], width: usize, out: &mut [f32]) {
    let rows = x.len() / width;
    if rows == 1 {
        return dots(weight, x, width, out);
    }
    let outputs = out.len() / rows;
    let mut columns = vec![0.0; out.len()];
    dots(weight, x, width, &mut columns);
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        for (out, column) in out.iter_mut().zip(columns.chunks_exact(rows)) {
            *out = column[row];
        }
    }
}

fn dots<W: Weight>(weight: &[W], x: &[f32], width: usize, columns: &mut [f32]) {
    let rows = x.len() / width;
    let blocks = columns.chunks_mut(BLOCK * rows).zip(weight.chunks(BLOCK * width));
    pool::for_each(blocks, |(out, weight)| {
        dispatch(Dots {
            weight,
            x,
            width,
            out,
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, speed: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * speed).sin()).collect()
    }

    fn agrees_with_the_scalar_sum<W: Weight>(narrow: fn(f32) -> W) {
        for (rows, width, outputs) in [(1, 1, 1), (1, 200, 67), (3, 64, 40), (4, 130, 33)] {
            let weight: Vec<W> = noise(width * outputs, 0.71).into_iter().map(narrow).collect();
            let x = noise(rows * width, 1.3);
            let mut out = vec![0.0; rows * outputs];
            few_rows(&weight, &x, width, &mut out);
            for row in 0..rows {
                for output in 0..outputs {
                    let pairs = weight[output * width..][..width].iter().zip(&x[row * width..]);
                    let exact: f64 = pairs.map(|(w, &x)| f64::from(w.widened()) * f64::from(x)).sum();
                    assert!((f64::from(out[row * outputs + output]) - exact).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn few_rows_agree_with_the_scalar_sum_in_every_type() {
        agrees_with_the_scalar_sum(|x| x);
        agrees_with_the_scalar_sum(bf16::from_f32);
        agrees_with_the_scalar_sum(f16::from_f32);
    }

    #[test]
    fn widening_is_exact_for_every_finite_value() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(!half.is_finite() || half.widened().to_bits() == half.to_f32().to_bits());
            assert!(!brain.is_finite() || brain.widened().to_bits() == brain.to_f32().to_bits());
        }
    }
}
