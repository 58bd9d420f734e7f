//! Exponential, GELU and the SiLU gate, a few roundings from exact.

use crate::pool;
use crate::simd::{Isa, Work, dispatch};

/// Elements that one thread takes at a time.
const BLOCK: usize = 16 * 1024;

/// Adding this to a float of moderate size rounds it to a whole number in the low bits of the mantissa.
pub(crate) const ROUNDER: f32 = 12_582_912.0;

/// ln 2 in two parts, the first exact in few bits, so that subtracting a multiple of it loses nothing.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `e^x` for `x` up to 88, within 3 parts in ten million; 0 below -87.
#[inline(always)]
pub fn exp<I: Isa>(x: f32) -> f32 {
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = I::mul_add(clamped, std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    let rest = I::mul_add(whole, -LN2_LOW, I::mul_add(whole, -LN2_HIGH, clamped));
    let mut series = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = I::mul_add(series, rest, factor);
    }
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUNDER.to_bits())
        .wrapping_add(127)
        << 23;
    let value = series * f32::from_bits(exponent);
    if x < -87.0 { 0.0 } else { value }
}

/// `2^x` for `x` up to 127, within 3 parts in ten million; some `2^-126` below -126. What is no number stays none.
#[inline(always)]
pub(crate) fn exp2<I: Isa>(x: f32) -> f32 {
    let x = if x < -126.0 { -126.0 } else { x };
    let shifted = x + ROUNDER;
    let rest = x - (shifted - ROUNDER);
    let mut series = 1.540_353e-4;
    for factor in [
        1.333_355_8e-3,
        9.618_129e-3,
        5.550_411e-2,
        0.240_226_5,
        std::f32::consts::LN_2,
        1.0,
    ] {
        series = I::mul_add(series, rest, factor);
    }
    // The whole part of `x` is in the low bits, and belongs to the exponent.
    f32::from_bits(series.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `erfc(z) e^(z^2) = t P(t)` with `t = 1 / (1 + STEP z)`; the coefficients of `P` are a relative least-squares fit.
const STEP: f32 = 0.45;
const TAIL: [f32; 8] = [
    0.253_925_32,
    0.253_395_1,
    0.229_518_96,
    0.184_104_7,
    0.048_490_345,
    0.200_334_08,
    -0.235_549_43,
    0.065_781_21,
];

/// `x * (1 + erf(x / sqrt 2)) / 2`. The tail is computed directly, so nothing cancels for negative `x`.
#[inline(always)]
fn gelu_of<I: Isa>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / I::mul_add(STEP, z, 1.0);
    let mut series = TAIL[7];
    for index in (0..7).rev() {
        series = I::mul_add(series, t, TAIL[index]);
    }
    let half_tail = 0.5 * t * series * exp::<I>(-z * z);
    x * if x < 0.0 { half_tail } else { 1.0 - half_tail }
}

struct Gelu<'a>(&'a mut [f32]);

impl Work for Gelu<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        for value in self.0.iter_mut() {
            *value = gelu_of::<I>(*value);
        }
    }
}

/// The exact (erf) GELU of every value, in place.
pub fn gelu(values: &mut [f32]) {
    pool::for_each(values.chunks_mut(BLOCK), |block| dispatch(Gelu(block)));
}

/// The same by this thread alone.
pub(crate) fn gelu_alone(values: &mut [f32]) {
    dispatch(Gelu(values));
}

struct Gate<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Work for Gate<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        for ((out, &gate), &up) in self.out.iter_mut().zip(self.gate).zip(self.up) {
            *out = gate / (1.0 + exp::<I>(-gate)) * up;
        }
    }
}

/// `out = silu(gate) * up`, element by element; all three have one length.
pub fn silu_gate(gate: &[f32], up: &[f32], out: &mut [f32]) {
    pool::for_each(out.chunks_mut(BLOCK).enumerate(), |(index, out)| {
        let at = index * BLOCK..index * BLOCK + out.len();
        dispatch(Gate {
            gate: &gate[at.clone()],
            up: &up[at],
            out,
        });
    });
}

/// The same with gate and up side by side: `fused` has rows of `[gate | up]`, `out` rows of `inner` values.
pub fn silu_gate_fused(fused: &[f32], inner: usize, out: &mut [f32]) {
    let rows = out.chunks_mut(inner).zip(fused.chunks(2 * inner));
    pool::for_each(rows, |(out, row)| {
        let (gate, up) = row.split_at(inner);
        dispatch(Gate { gate, up, out });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Portable};

    /// As the wider levels multiply and add.
    #[derive(Clone, Copy)]
    struct Fused;

    impl Isa for Fused {
        fn mul_add(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
    }

    /// The error function by its series, in double precision: the specification of GELU.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn exp_stays_within_three_parts_in_ten_million() {
        for step in -8600..8700 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            for value in [exp::<Portable>(x), exp::<Fused>(x)] {
                assert!(
                    (f64::from(value) / exact - 1.0).abs() < 3e-7,
                    "e^{x} is {exact}, got {value}"
                );
            }
        }
        assert_eq!(exp::<Portable>(-1e30), 0.0);
        assert_eq!(exp::<Fused>(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn exp2_stays_within_three_parts_in_ten_million() {
        for step in -12600..12700 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp2();
            for value in [exp2::<Portable>(x), exp2::<Fused>(x)] {
                assert!(
                    (f64::from(value) / exact - 1.0).abs() < 3e-7,
                    "2^{x} is {exact}, got {value}"
                );
            }
        }
        for least in [-127.0, -1e30, f32::MIN] {
            assert!(exp2::<Portable>(least) <= 2f32.powi(-125));
            assert!(exp2::<Fused>(least) <= 2f32.powi(-125));
        }
        assert!(exp2::<Portable>(f32::NAN).is_nan() && exp2::<Fused>(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_is_the_exact_form_and_not_the_tanh_one() {
        let xs: Vec<f32> = (-450..=450).map(|step| step as f32 / 100.0).collect();
        let mut ys = xs.clone();
        gelu(&mut ys);
        for (&x, &y) in xs.iter().zip(&ys) {
            let x = f64::from(x);
            let exact = x * 0.5 * (1.0 + erf(x / 2f64.sqrt()));
            assert!(
                (f64::from(y) - exact).abs() < 4e-7 * x.abs().max(1.0),
                "gelu({x}) is {exact}, got {y}"
            );
        }
    }

    #[test]
    fn both_layouts_of_the_gate_agree_with_the_formula() {
        let (rows, inner) = (3, 37);
        let fused: Vec<f32> = (0..rows * 2 * inner)
            .map(|i| (i as f32 * 0.37).sin() * 6.0)
            .collect();
        let mut out = vec![0.0; rows * inner];
        silu_gate_fused(&fused, inner, &mut out);
        let gate: Vec<f32> = fused
            .chunks(2 * inner)
            .flat_map(|row| row[..inner].to_vec())
            .collect();
        let up: Vec<f32> = fused
            .chunks(2 * inner)
            .flat_map(|row| row[inner..].to_vec())
            .collect();
        let mut apart = vec![0.0; rows * inner];
        silu_gate(&gate, &up, &mut apart);
        for ((&out, &apart), (&gate, &up)) in out.iter().zip(&apart).zip(gate.iter().zip(&up)) {
            let exact = f64::from(gate) / (1.0 + (-f64::from(gate)).exp()) * f64::from(up);
            assert!((f64::from(out) - exact).abs() < 5e-6);
            assert!((f64::from(apart) - exact).abs() < 5e-6);
        }
    }
}
