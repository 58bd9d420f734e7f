//! Where a model is computed: the one place that knows which devices a build has.

use std::fmt;
use std::str::FromStr;

use candle_core::Tensor;

use crate::kv::KvType;
pub use crate::ops::SCORE_BYTES;
use crate::ops::{Operators, Ops};

/// A device. Cards are counted from 0, as their drivers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, by the kernels that are made for it.
    #[default]
    Cpu,
    /// The processor, by candle's operators: what a card computes, where there is none. Slow; to compare with.
    CandleCpu,
    /// A card of NVIDIA.
    Cuda(usize),
    /// A card of Apple.
    Metal(usize),
}

/// The device cannot be computed on.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("this glmhub was built without {name}: build it with --features {feature}")]
    NotBuilt {
        name: &'static str,
        feature: &'static str,
    },
    #[error(
        "{device} keeps keys and values in f32 or f16, not in {kept}: blocks of values are read by the kernels of cpu alone"
    )]
    NotKept { device: Device, kept: KvType },
    #[error("{device} cannot be computed on: {source}")]
    Unusable {
        device: Device,
        source: candle_core::Error,
    },
}

/// The text names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a device; choose cpu, cuda:N or metal:N, where N counts cards from 0")]
pub struct BadDevice(String);

impl FromStr for Device {
    type Err = BadDevice;

    fn from_str(text: &str) -> Result<Self, BadDevice> {
        let bad = || BadDevice(text.to_owned());
        let (kind, number) = match text {
            "cpu" => return Ok(Device::Cpu),
            "candle-cpu" => return Ok(Device::CandleCpu),
            card => card.split_once(':').ok_or_else(bad)?,
        };
        // A sign would be parsed too.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let number = number.parse().map_err(|_| bad())?;
        match kind {
            "cuda" => Ok(Device::Cuda(number)),
            "metal" => Ok(Device::Metal(number)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::CandleCpu => f.write_str("candle-cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Metal(number) => write!(f, "metal:{number}"),
        }
    }
}

impl Device {
    /// Whether this build can compute on it, if the machine has it.
    pub fn check_built(self) -> Result<(), DeviceError> {
        let missing = |name, feature| Err(DeviceError::NotBuilt { name, feature });
        match self {
            Device::Cuda(_) if !cfg!(feature = "cuda") => missing("CUDA", "cuda"),
            Device::Metal(_) if !cfg!(feature = "metal") => missing("Metal", "metal"),
            _ => Ok(()),
        }
    }

    /// Whether keys and values can be kept so there.
    pub fn check_keeps(self, kept: KvType) -> Result<(), DeviceError> {
        match (self, kept) {
            (Device::Cpu, _) | (_, KvType::F32 | KvType::F16) => Ok(()),
            (device, kept) => Err(DeviceError::NotKept { device, kept }),
        }
    }

    /// Whether it computes in the machine's own memory.
    pub fn is_processor(self) -> bool {
        matches!(self, Device::Cpu | Device::CandleCpu)
    }

    /// The bytes of a card's own memory, where its driver tells.
    pub fn memory_bytes(self) -> Result<Option<u64>, DeviceError> {
        Ok(card_bytes(&self.open()?))
    }

    /// The operators that compute there. If nothing was said of keys and values, the kernels keep them exact, and others in
    /// half of the bits, unless everything is `exact`.
    pub(crate) fn operators(self, kept: Option<KvType>, exact: bool) -> Result<Ops, DeviceError> {
        let kept = kept.unwrap_or(match self {
            Device::Cpu => KvType::F32,
            _ if exact => KvType::F32,
            _ => KvType::F16,
        });
        self.check_keeps(kept)?;
        Ok(match self {
            Device::Cpu => Ops::Kernels(kept),
            _ => Ops::Candle(Operators {
                device: self.open()?,
                kept,
            }),
        })
    }

    fn open(self) -> Result<candle_core::Device, DeviceError> {
        self.check_built()?;
        let opened = match self {
            Device::Cpu | Device::CandleCpu => Ok(candle_core::Device::Cpu),
            Device::Cuda(number) => candle_core::Device::new_cuda(number),
            Device::Metal(number) => candle_core::Device::new_metal(number),
        };
        opened.map_err(|source| DeviceError::Unusable { device: self, source })
    }
}

/// Attention over queries `[1, rows, heads, width]`, keys and values `[1, seen, key heads, width]`, all in one type of 16 bits:
/// what is multiplied with the scores, and whether the queries are the last rows of what is seen and look at none behind.
pub(crate) type Attention = fn(&Tensor, &Tensor, &Tensor, f32, bool) -> candle_core::Result<Tensor>;

/// Flash attention, where the build has it for the device.
#[cfg(feature = "flash-attention")]
pub(crate) fn flash_attention(device: &candle_core::Device) -> Option<Attention> {
    device
        .is_cuda()
        .then_some(candle_flash_attn::flash_attn as Attention)
}

/// Flash attention, which this build does not have.
#[cfg(not(feature = "flash-attention"))]
pub(crate) fn flash_attention(_device: &candle_core::Device) -> Option<Attention> {
    None
}

#[cfg(feature = "cuda")]
fn card_bytes(device: &candle_core::Device) -> Option<u64> {
    let stream = device.as_cuda_device().ok()?.cuda_stream();
    let (_, total) = stream.context().mem_get_info().ok()?;
    u64::try_from(total).ok()
}

#[cfg(not(feature = "cuda"))]
fn card_bytes(_device: &candle_core::Device) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_it_is_shown() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("candle-cpu", Device::CandleCpu),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:12", Device::Cuda(12)),
            ("metal:1", Device::Metal(1)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_device_is_refused_by_its_text() {
        for text in [
            "", "gpu", "CUDA:0", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "tpu:0",
        ] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a device")), "{error}");
        }
        let too_many = format!("cuda:{}0", usize::MAX);
        assert!(too_many.parse::<Device>().is_err());
    }

    #[test]
    fn blocks_of_values_are_kept_where_the_kernels_compute() {
        for kept in KvType::ALL {
            assert!(Device::Cpu.check_keeps(kept).is_ok());
            let on_a_card = Device::Cuda(0).check_keeps(kept);
            assert_eq!(on_a_card.is_ok(), kept != KvType::Q8_0);
        }
        let refused = Device::CandleCpu
            .operators(Some(KvType::Q8_0), false)
            .unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("candle-cpu keeps keys and values in f32 or f16, not in q8_0")
        );
    }

    #[test]
    fn what_keys_and_values_are_kept_in_follows_the_device_unless_it_was_said() {
        let kept = |device: Device, said, exact| device.operators(said, exact).unwrap().kept();
        for exact in [false, true] {
            assert_eq!(kept(Device::Cpu, None, exact), KvType::F32);
            assert_eq!(kept(Device::Cpu, Some(KvType::F16), exact), KvType::F16);
            assert_eq!(kept(Device::CandleCpu, Some(KvType::F32), exact), KvType::F32);
        }
        assert_eq!(kept(Device::CandleCpu, None, true), KvType::F32);
        assert_eq!(kept(Device::CandleCpu, None, false), KvType::F16);
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_build_without_cards_says_what_it_lacks() {
        let said = |device: Device| device.memory_bytes().unwrap_err().to_string();
        assert_eq!(
            said(Device::Cuda(0)),
            "this glmhub was built without CUDA: build it with --features cuda"
        );
        assert_eq!(
            said(Device::Metal(0)),
            "this glmhub was built without Metal: build it with --features metal"
        );
        assert!(Device::Cpu.check_built().is_ok() && Device::CandleCpu.check_built().is_ok());
    }
}
