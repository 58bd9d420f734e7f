//! `Q6_K`: 256 values of 6 bits around zero in 16 groups, each with a signed scale of 8 bits.
//!
//! Layout: 128 bytes of four low bits, 64 bytes of two high bits, 16 scales, and the block's scale in half precision.
//! Each half of the block has 64 bytes of low bits and 32 of high bits: quarter `k` of its values takes the low
//! (`k` < 2) or high halves of the bytes at `32 * (k % 2)`, and bits `2 k` and `2 k + 1` of the high bytes.

use super::{
    BLOCK, GROUP, Unpacked,
    bits::{half_at, put_step},
    fit,
};

/// Bytes of a block.
pub(super) const BYTES: usize = BLOCK / 2 + BLOCK / 4 + BLOCK / GROUP + 2;
pub(super) const HIGHS_AT: usize = BLOCK / 2;
pub(super) const SCALES_AT: usize = HIGHS_AT + BLOCK / 4;
pub(super) const SCALE_AT: usize = SCALES_AT + BLOCK / GROUP;
/// What is stored for zero.
pub(super) const ZERO: i16 = 32;

#[inline(always)]
pub(super) fn unpack(bytes: &[u8]) -> Unpacked {
    let mut block = Unpacked::EMPTY;
    unpack_into(bytes, &mut block);
    block
}

/// As [`unpack`], without a copy. Numbers stay as they are stored, 0..=63; the minimum takes `ZERO` off again.
#[inline(always)]
pub(super) fn unpack_into(bytes: &[u8], block: &mut Unpacked) {
    block.d = half_at(bytes, SCALE_AT);
    block.dmin = block.d;
    for (group, &scale) in bytes[SCALES_AT..SCALE_AT].iter().enumerate() {
        block.scales[group] = i16::from(scale as i8);
        block.mins[group] = ZERO * block.scales[group];
    }
    let (lows, highs) = (
        bytes[..HIGHS_AT].as_chunks::<64>().0,
        bytes[HIGHS_AT..SCALES_AT].as_chunks::<32>().0,
    );
    for ((low, high), q) in lows.iter().zip(highs).zip(block.q.as_chunks_mut::<128>().0) {
        for place in 0..32 {
            q[place] = (low[place] & 15) | (high[place] & 3) << 4;
            q[place + 32] = (low[place + 32] & 15) | (high[place] >> 2 & 3) << 4;
            q[place + 64] = (low[place] >> 4) | (high[place] >> 4 & 3) << 4;
            q[place + 96] = (low[place + 32] >> 4) | (high[place] >> 6) << 4;
        }
    }
}

fn pack(q: &[u8; BLOCK], out: &mut [u8]) {
    let (lows, highs) = out[..SCALES_AT].split_at_mut(HIGHS_AT);
    let halves = lows
        .as_chunks_mut::<64>()
        .0
        .iter_mut()
        .zip(highs.as_chunks_mut::<32>().0);
    for ((low, high), q) in halves.zip(q.as_chunks::<128>().0) {
        for place in 0..32 {
            let [a, b, c, d] = [0, 32, 64, 96].map(|quarter| q[place + quarter]);
            low[place] = (a & 15) | (c & 15) << 4;
            low[place + 32] = (b & 15) | (d & 15) << 4;
            high[place] = a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6;
        }
    }
}

pub(super) fn quantise(values: &[f32], importance: Option<&[f32]>, out: &mut [u8]) {
    let weights = fit::weights::<GROUP>(values, importance);
    let mut scales = [0f32; BLOCK / GROUP];
    for ((scale, values), weights) in scales
        .iter_mut()
        .zip(values.as_chunks::<GROUP>().0)
        .zip(weights.as_chunks::<GROUP>().0)
    {
        *scale = fit::symmetric(values, weights, ZERO as i32);
    }
    let largest = scales.iter().copied().fold(0f32, |largest, scale| {
        if scale.abs() > largest.abs() {
            scale
        } else {
            largest
        }
    });
    // The largest scale takes the end of the range that reaches one further.
    let d = put_step(out, SCALE_AT, largest, -128.0);
    let mut q = [ZERO as u8; BLOCK];
    for (group, (values, q)) in values
        .as_chunks::<GROUP>()
        .0
        .iter()
        .zip(q.as_chunks_mut::<GROUP>().0)
        .enumerate()
    {
        let counted = if d == 0.0 {
            0.0
        } else {
            (scales[group] / d).round().clamp(-128.0, 127.0)
        };
        out[SCALES_AT + group] = counted as i8 as u8;
        let step = d * counted;
        for (q, value) in q.iter_mut().zip(values) {
            let steps = if step == 0.0 {
                0.0
            } else {
                (value / step).round().clamp(-32.0, 31.0)
            };
            *q = (steps as i16 + ZERO) as u8;
        }
    }
    pack(&q, out);
}
