//! Reading and writing the pieces of a block.

use half::f16;

/// The half-precision number at `at`.
#[inline(always)]
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// Writes `value` as a half-precision number at `at`, and gives what was written.
pub(super) fn put_half(bytes: &mut [u8], at: usize, value: f32) -> f32 {
    let half = f16::from_f32(value);
    bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}
