//! `Q4_K`: 256 values of 4 bits in 8 groups, each with a scale and a minimum of 6 bits.
//!
//! Layout: scale and minimum of the block (half precision each), twelve bytes of the groups' own, then four runs of 32
//! bytes: a run holds the values of one group in its low halves and of the next in its high halves.

use super::{
    BLOCK, Unpacked,
    bits::half_at,
    fit::{self, AFFINE_GROUP},
    groups,
};

/// Bytes of a block.
pub(super) const BYTES: usize = 4 + groups::BYTES + BLOCK / 2;
pub(super) const VALUES_AT: usize = groups::AT + groups::BYTES;

#[inline(always)]
pub(super) fn unpack(bytes: &[u8]) -> Unpacked {
    let mut block = Unpacked::EMPTY;
    unpack_into(bytes, &mut block);
    block
}

/// As [`unpack`], without a copy.
#[inline(always)]
pub(super) fn unpack_into(bytes: &[u8], block: &mut Unpacked) {
    block.d = half_at(bytes, 0);
    block.dmin = half_at(bytes, 2);
    set_groups(groups::of(bytes), block);
    halves(&bytes[VALUES_AT..BYTES], &mut block.q);
}

/// Spreads the groups' scales and minima over pairs of 16 values.
#[inline(always)]
pub(super) fn set_groups(bytes: &[u8; groups::BYTES], block: &mut Unpacked) {
    let (scales, mins) = groups::unpack(bytes);
    for group in 0..groups::GROUPS {
        for half in [2 * group, 2 * group + 1] {
            block.scales[half] = i16::from(scales[group]);
            block.mins[half] = i16::from(mins[group]);
        }
    }
}

/// Low and high halves of runs of 32 bytes into groups.
#[inline(always)]
pub(super) fn halves(bytes: &[u8], q: &mut [u8; BLOCK]) {
    let runs = bytes.as_chunks::<32>().0;
    for (run, q) in runs.iter().zip(q.as_chunks_mut::<64>().0) {
        for (place, byte) in run.iter().enumerate() {
            q[place] = byte & 15;
            q[place + 32] = byte >> 4;
        }
    }
}

/// The inverse of [`halves`], for values below 16.
pub(super) fn join_halves(q: &[u8; BLOCK], bytes: &mut [u8]) {
    let runs = bytes.as_chunks_mut::<32>().0;
    for (run, q) in runs.iter_mut().zip(q.as_chunks::<64>().0) {
        for (place, byte) in run.iter_mut().enumerate() {
            *byte = (q[place] & 15) | (q[place + 32] & 15) << 4;
        }
    }
}

pub(super) fn quantise(values: &[f32], importance: Option<&[f32]>, out: &mut [u8]) {
    let weights = fit::weights::<AFFINE_GROUP>(values, importance);
    let q = fit::affine_block(values, &weights, 15, &mut out[..VALUES_AT]);
    join_halves(&q, &mut out[VALUES_AT..]);
}
