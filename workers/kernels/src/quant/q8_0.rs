//! `Q8_0`: a half-precision scale and 32 signed bytes.

use super::{
    SMALL_BLOCK,
    bits::{half_at, put_step},
};

/// Bytes of a block.
pub(crate) const BYTES: usize = 2 + SMALL_BLOCK;

/// The scale and the values that it multiplies.
#[inline(always)]
pub(crate) fn parts(bytes: &[u8]) -> (f32, &[u8]) {
    (half_at(bytes, 0), &bytes[2..BYTES])
}

pub(crate) fn dequantise(bytes: &[u8], out: &mut [f32]) {
    let (scale, values) = parts(bytes);
    for (out, &value) in out.iter_mut().zip(values) {
        *out = scale * f32::from(value as i8);
    }
}

pub(crate) fn quantise(values: &[f32], out: &mut [u8]) {
    let largest = values
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    let scale = put_step(out, 0, largest, 127.0);
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (out, value) in out[2..].iter_mut().zip(values) {
        *out = (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8;
    }
}
