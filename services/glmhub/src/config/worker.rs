//! `[worker]`: how the workers of a process behave.

use crate::{data_folder::DataFolder, machine_memory};
use domain::hardware::Room;
use engine::{
    LoadOptions,
    device::{Device, DeviceError},
    kv::KvType,
};
use runner::{About, Computing, MOST_ORDERS, ModelsFolder};
use serde::Deserialize;
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

/// What of a machine's memory models may take if nobody has said: the rest is for everything else that runs there.
const USABLE_PERCENT: u64 = 90;
/// What says that the device decides.
const AUTO: &str = "auto";
/// Steps that a page may be worked at between two of running answers.
const SHARES: RangeInclusive<f64> = 0.0..=100.0;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    pub count: usize,
    pub memory_bytes: u64,
    pub announce_seconds: u64,
    pub stay_seconds: u64,
    pub keys_file: PathBuf,
    pub weights: String,
    pub device: String,
    pub kv_cache_type: String,
    pub tower_precision: String,
    pub questions_at_once: usize,
    pub orders_at_once: usize,
    pub most_answer_bytes: u64,
    pub page_share: f64,
    pub drain_seconds: u64,
    pub models_folder: PathBuf,
    pub most_models_bytes: u64,
    pub most_kept_bytes: u64,
}

impl WorkerSettings {
    /// Whether the values can be.
    pub(super) fn check(&self) -> Result<(), String> {
        self.load_options()?;
        if self.orders_at_once > MOST_ORDERS {
            let orders = self.orders_at_once;
            return Err(format!(
                "worker.orders_at_once is {orders} and must be at most {MOST_ORDERS}"
            ));
        }
        match SHARES.contains(&self.page_share) {
            true => Ok(()),
            false => Err(format!(
                "worker.page_share is {} and must be from {} to {}",
                self.page_share,
                SHARES.start(),
                SHARES.end()
            )),
        }
    }

    /// How the engine loads models.
    fn load_options(&self) -> Result<LoadOptions, String> {
        let dtype = self
            .weights
            .parse()
            .map_err(|error| format!("worker.weights: {error}"))?;
        let tower = self
            .tower_precision
            .parse()
            .map_err(|error| format!("worker.tower_precision: {error}"))?;
        let options = LoadOptions {
            dtype,
            device: self.device()?,
            kv: self.kv()?,
            tower,
            ..LoadOptions::default()
        };
        let answering = options.answering(self.questions_at_once);
        answering.map_err(|error| format!("worker.questions_at_once: {error}"))
    }

    /// What it computes on.
    fn device(&self) -> Result<Device, String> {
        let device: Device = self
            .device
            .parse()
            .map_err(|error| format!("worker.device: {error}"))?;
        let built = device
            .check_built()
            .map_err(|error| format!("worker.device: {error}"));
        built.map(|()| device)
    }

    /// What keys and values are kept in, if that was said.
    fn kv(&self) -> Result<Option<KvType>, String> {
        if self.kv_cache_type == AUTO {
            return Ok(None);
        }
        let kept: KvType = self
            .kv_cache_type
            .parse()
            .map_err(|error| format!("worker.kv_cache_type: {error}, or {AUTO}"))?;
        let keeps = self.device()?.check_keeps(kept);
        keeps
            .map(|()| Some(kept))
            .map_err(|error| format!("worker.kv_cache_type: {error}"))
    }

    /// Where it lays models out; relative to `folder`.
    pub fn models(&self, folder: &DataFolder) -> ModelsFolder {
        ModelsFolder {
            path: folder.resolve(&self.models_folder),
            most_bytes: self.most_models_bytes,
        }
    }

    /// How its workers behave.
    pub fn runner(&self, computing: Computing) -> Result<runner::Settings, String> {
        Ok(runner::Settings {
            drain: self.drain(),
            announce: self.announce(),
            stay: self.stay(),
            most_kept_bytes: self.most_kept_bytes,
            orders_at_once: self.orders_at_once,
            most_answer_bytes: self.most_answer_bytes,
            page_share: self.page_share,
            load: self.load_options()?,
            computing,
            ..runner::Settings::default()
        })
    }

    /// How often a worker says what it is.
    fn announce(&self) -> Duration {
        Duration::from_secs(self.announce_seconds)
    }

    /// What a worker says of its machine, or why its card cannot be computed on. Workers of one process share its memory.
    pub fn about(&self) -> Result<About, String> {
        let device = self.device()?;
        let memory = self
            .memory(device)
            .map_err(|error| format!("worker.device: {error}"))?;
        // Pages are kept in the machine's memory.
        let kept = if device.is_processor() {
            self.most_kept_bytes
        } else {
            0
        };
        Ok(About {
            device: device.to_string(),
            room: Room {
                memory_bytes: memory.map(|bytes| (bytes / self.count as u64).saturating_sub(kept)),
                value_bytes: self.value_bytes(),
            },
        })
    }

    /// Bytes that models may take there. A card is asked in any case, so that one that is not there shows before any work.
    fn memory(&self, device: Device) -> Result<Option<u64>, DeviceError> {
        let there = match device.is_processor() {
            true => machine_memory::bytes(),
            false => device.memory_bytes()?,
        };
        Ok(match self.memory_bytes {
            0 => there.map(|bytes| bytes / 100 * USABLE_PERCENT),
            bytes => Some(bytes),
        })
    }

    /// Bytes that each value of the weights takes in memory.
    fn value_bytes(&self) -> u64 {
        match self.weights.as_str() {
            "bf16" | "f16" => 2,
            _ => 4,
        }
    }

    /// How long a worker prefers the model that it has loaded.
    fn stay(&self) -> Duration {
        Duration::from_secs(self.stay_seconds)
    }

    /// How long a leaving worker goes on.
    fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}
