//! Eight scales and eight minima of six bits each in twelve bytes, as `Q4_K` and `Q5_K` share them.

/// Bytes that they take.
pub(super) const BYTES: usize = 12;
/// Where they are in a block: after its own scale and minimum.
pub(super) const AT: usize = 4;
/// Groups of 32 values in a block.
pub(super) const GROUPS: usize = 8;

/// The twelve bytes of a block.
#[inline(always)]
pub(super) fn of(block: &[u8]) -> &[u8; BYTES] {
    &block[AT..].as_chunks().0[0]
}

/// The scales and the minima, each in the byte of its group.
#[inline(always)]
pub(super) fn unpack(bytes: &[u8; BYTES]) -> ([u8; GROUPS], [u8; GROUPS]) {
    const SIX: u32 = 0x3f3f_3f3f;
    const FOUR: u32 = 0x0f0f_0f0f;
    const TWO: u32 = 0x0303_0303;
    let [first, second, third] =
        [0, 4, 8].map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
    let scales = u64::from(first & SIX) | u64::from((third & FOUR) | (first >> 6 & TWO) << 4) << 32;
    let mins = u64::from(second & SIX) | u64::from((third >> 4 & FOUR) | (second >> 6 & TWO) << 4) << 32;
    (scales.to_le_bytes(), mins.to_le_bytes())
}

/// The inverse of [`unpack`]; all are below 64.
pub(super) fn pack(scales: &[u8; GROUPS], mins: &[u8; GROUPS], bytes: &mut [u8]) {
    for group in 0..4 {
        bytes[group] = scales[group] | (scales[group + 4] >> 4) << 6;
        bytes[group + 4] = mins[group] | (mins[group + 4] >> 4) << 6;
        bytes[group + 8] = (scales[group + 4] & 15) | (mins[group + 4] & 15) << 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(
            scales in proptest::array::uniform8(0u8..64), mins in proptest::array::uniform8(0u8..64),
        ) {
            let mut bytes = [0; BYTES];
            pack(&scales, &mins, &mut bytes);
            prop_assert_eq!(unpack(&bytes), (scales, mins));
        }
    }
}
