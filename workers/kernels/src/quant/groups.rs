//! Eight scales and eight minima of six bits each in twelve bytes, as `Q4_K` and `Q5_K` share them.

/// Bytes that they take.
pub(super) const BYTES: usize = 12;
/// Groups of 32 values in a block.
pub(super) const GROUPS: usize = 8;

/// The scales and the minima.
#[inline(always)]
pub(super) fn unpack(bytes: &[u8]) -> ([u8; GROUPS], [u8; GROUPS]) {
    let (mut scales, mut mins) = ([0; GROUPS], [0; GROUPS]);
    for group in 0..4 {
        scales[group] = bytes[group] & 63;
        mins[group] = bytes[group + 4] & 63;
        scales[group + 4] = (bytes[group + 8] & 15) | (bytes[group] >> 6) << 4;
        mins[group + 4] = (bytes[group + 8] >> 4) | (bytes[group + 4] >> 6) << 4;
    }
    (scales, mins)
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
