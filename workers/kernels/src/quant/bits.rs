//! Reading and writing the pieces of a block.

use half::f16;

/// The half-precision number at `at`.
#[inline(always)]
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// Writes the half-precision number at `at` that `reach` is `most` times, and gives what was written. Where such numbers lie
/// so far apart that `most` and a half of the nearest fall short of `reach`, it is the next one.
pub(super) fn put_step(bytes: &mut [u8], at: usize, reach: f32, most: f32) -> f32 {
    let nearest = f16::from_f32(reach / most);
    let falls_short = nearest.to_f32().abs() * (most.abs() + 0.5) < reach.abs();
    let half = f16::from_bits(nearest.to_bits() + u16::from(falls_short));
    bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}
