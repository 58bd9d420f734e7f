//! From stored bytes to values of the wanted type, every one of them checked to be finite.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gguf::TensorType;
use half::{bf16, f16};
use kernels::pool;

/// Values that one thread takes at a time.
const BLOCK: usize = 64 * 1024;

/// A type that weights are kept in.
pub(super) trait Kept: Copy + Default + Send + Sync + candle_core::WithDType {
    const NAME: &'static str;
    fn narrowed(value: f32) -> Self;
    fn finite(self) -> bool;
}

impl Kept for f32 {
    const NAME: &'static str = "f32";
    fn narrowed(value: f32) -> Self {
        value
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Kept for bf16 {
    const NAME: &'static str = "bf16";
    fn narrowed(value: f32) -> Self {
        bf16::from_f32(value)
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Kept for f16 {
    const NAME: &'static str = "f16";
    fn narrowed(value: f32) -> Self {
        f16::from_f32(value)
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// The values, or the number of the first that is not finite. `kind` is not a quantised one.
pub(super) fn convert<T: Kept>(bytes: &[u8], kind: TensorType) -> Result<Vec<T>, usize> {
    match kind {
        TensorType::F32 => each(bytes, f32::from_le_bytes),
        TensorType::F16 => each(bytes, |value| f16::from_le_bytes(value).to_f32()),
        _ => each(bytes, |value| bf16::from_le_bytes(value).to_f32()),
    }
}

fn each<const N: usize, T: Kept>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> f32 + Sync,
) -> Result<Vec<T>, usize> {
    let (stored, _) = bytes.as_chunks::<N>();
    let mut values = vec![T::default(); stored.len()];
    let first_bad = AtomicUsize::new(stored.len());
    let blocks = values.chunks_mut(BLOCK).zip(stored.chunks(BLOCK)).enumerate();
    pool::for_each(blocks, |(block, (values, stored))| {
        let mut all_finite = true;
        for (value, &stored) in values.iter_mut().zip(stored) {
            *value = T::narrowed(read(stored));
            all_finite &= value.finite();
        }
        if !all_finite && let Some(at) = values.iter().position(|value| !value.finite()) {
            first_bad.fetch_min(block * BLOCK + at, Ordering::Relaxed);
        }
    });
    match first_bad.into_inner() {
        at if at < stored.len() => Err(at),
        _ => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_type_is_read_into_every_kept_one() {
        let numbers = [0.0f32, -1.5, 0.375, 1024.0];
        let wide: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let brain: Vec<u8> = numbers
            .iter()
            .flat_map(|&x| bf16::from_f32(x).to_le_bytes())
            .collect();
        let half: Vec<u8> = numbers
            .iter()
            .flat_map(|&x| f16::from_f32(x).to_le_bytes())
            .collect();
        for (bytes, kind) in [
            (&wide, TensorType::F32),
            (&brain, TensorType::Bf16),
            (&half, TensorType::F16),
        ] {
            assert_eq!(convert::<f32>(bytes, kind).unwrap(), numbers);
            assert_eq!(convert::<bf16>(bytes, kind).unwrap(), numbers.map(bf16::from_f32));
            assert_eq!(convert::<f16>(bytes, kind).unwrap(), numbers.map(f16::from_f32));
        }
    }

    #[test]
    fn the_first_value_that_is_not_finite_is_named() {
        let mut numbers = vec![1.0f32; 3 * BLOCK];
        numbers[2 * BLOCK + 7] = f32::NAN;
        numbers[2 * BLOCK + 9] = f32::INFINITY;
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(convert::<f32>(&bytes, TensorType::F32), Err(2 * BLOCK + 7));
    }

    #[test]
    fn a_value_too_large_for_f16_is_not_finite_there() {
        assert_eq!(convert::<f16>(&1e6f32.to_le_bytes(), TensorType::F32), Err(0));
        assert!(convert::<bf16>(&1e6f32.to_le_bytes(), TensorType::F32).is_ok());
    }
}
