//! `Q5_K`: as `Q4_K`, with a fifth bit for each value.
//!
//! Layout: the head of `Q4_K`, then 32 bytes of fifth bits (bit `g` of byte `i` belongs to value `i` of group `g`), then
//! the four low bits as `Q4_K` has them.

use super::{
    BLOCK, Unpacked,
    bits::half_at,
    fit::{self, AFFINE_GROUP},
    groups, q4_k,
};

/// Bytes of a block.
pub(super) const BYTES: usize = 4 + groups::BYTES + BLOCK / 8 + BLOCK / 2;
pub(super) const FIFTHS_AT: usize = groups::AT + groups::BYTES;
pub(super) const VALUES_AT: usize = FIFTHS_AT + BLOCK / 8;

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
    q4_k::set_groups(groups::of(bytes), block);
    q4_k::halves(&bytes[VALUES_AT..BYTES], &mut block.q);
    let fifths = &bytes[FIFTHS_AT..VALUES_AT];
    for (group, q) in block.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (q, fifth) in q.iter_mut().zip(fifths) {
            *q |= ((fifth >> group) & 1) << 4;
        }
    }
}

pub(super) fn quantise(values: &[f32], importance: Option<&[f32]>, out: &mut [u8]) {
    let weights = fit::weights::<AFFINE_GROUP>(values, importance);
    let q = fit::affine_block(values, &weights, 31, &mut out[..FIFTHS_AT]);
    let fifths = &mut out[FIFTHS_AT..VALUES_AT];
    fifths.fill(0);
    for (group, q) in q.as_chunks::<32>().0.iter().enumerate() {
        for (fifth, q) in fifths.iter_mut().zip(q) {
            *fifth |= (q >> 4) << group;
        }
    }
    q4_k::join_halves(&q, &mut out[VALUES_AT..]);
}
