//! The golden sets: tiny random checkpoints and what an independent reference computed from them.

use std::path::{Path, PathBuf};

use engine::device::Device;
use engine::kv::KvType;
use engine::prompt::{Conversation, Message, Role};
use engine::{Engine, LoadOptions, WeightType};
use safetensors::SafeTensors;
use serde::Deserialize;

pub const SETS: [&str; 3] = ["tiny-a", "tiny-b", "tiny-c"];

/// The kernels, and the operators that compute on cards.
pub const DEVICES: [Device; 2] = [Device::Cpu, Device::CandleCpu];

/// Every set on every device.
pub fn sets_on_devices() -> impl Iterator<Item = (&'static str, Device)> {
    SETS.into_iter()
        .flat_map(|set| DEVICES.map(|device| (set, device)))
}

pub fn dir(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(set)
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
    image: Option<String>,
}

#[derive(Deserialize)]
pub struct Expected {
    messages: Vec<Said>,
    pub prompt_ids: Vec<u32>,
    pub position_ids: Vec<usize>,
    pub greedy_ids: Vec<u32>,
    pub tokenizer_cases: Vec<(String, Vec<u32>)>,
}

impl Expected {
    pub fn load(set: &str) -> Self {
        serde_json::from_slice(&std::fs::read(dir(set).join("expected.json")).unwrap()).unwrap()
    }

    pub fn conversation(&self) -> Conversation {
        let messages = self.messages.iter().map(|said| Message {
            role: Role::named(&said.role).unwrap(),
            content: said.content.clone(),
            image: said.image.is_some(),
        });
        Conversation::new(messages.collect()).unwrap()
    }

    pub fn has_image(&self) -> bool {
        self.conversation().has_image()
    }

    /// Where the begin-of-image id stands.
    pub fn image_at(&self, engine: &Engine) -> Option<usize> {
        let begin = engine.tokenizer().special("<|begin_of_image|>").unwrap();
        self.prompt_ids.iter().position(|&id| id == begin)
    }
}

/// The reference's tensors.
pub struct Tensors(Vec<u8>);

impl Tensors {
    pub fn load(set: &str) -> Self {
        Self(std::fs::read(dir(set).join("expected.safetensors")).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0)
            .unwrap()
            .tensor(name)
            .unwrap()
            .data()
            .to_vec()
    }

    pub fn u8s(&self, name: &str) -> Vec<u8> {
        self.bytes(name)
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        self.bytes(name)
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect()
    }

    pub fn i32s(&self, name: &str) -> Vec<i32> {
        self.bytes(name)
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| i32::from_le_bytes(bytes))
            .collect()
    }
}

pub fn engine(set: &str) -> Engine {
    engine_of(set, WeightType::F32)
}

pub fn engine_on(set: &str, device: Device) -> Engine {
    let options = LoadOptions {
        device,
        ..LoadOptions::default()
    };
    Engine::load(&dir(set), &options).unwrap()
}

/// One that keeps keys and values so.
pub fn engine_keeping(model: &Path, kept: KvType) -> Engine {
    let options = LoadOptions {
        kv: Some(kept),
        ..LoadOptions::default()
    };
    Engine::load(model, &options).unwrap()
}

/// One that answers so many questions at once.
pub fn engine_at_once(set: &str, at_once: usize) -> Engine {
    Engine::load(&dir(set), &LoadOptions::default().answering(at_once).unwrap()).unwrap()
}

pub fn engine_of(set: &str, dtype: WeightType) -> Engine {
    Engine::load(
        &dir(set),
        &LoadOptions {
            dtype,
            ..LoadOptions::default()
        },
    )
    .unwrap()
}

/// The set's picture.
pub fn page(set: &str) -> pages::RgbPage {
    let bytes = std::fs::read(dir(set).join("input.png")).unwrap();
    pages::decode(&bytes, &pages::Limits::default()).unwrap()
}

/// Fails where `got` is further than `bound` from `expected` anywhere, and gives the distance.
pub fn close(what: &str, got: &[f32], expected: &[f32], bound: f32) -> f32 {
    assert_eq!(got.len(), expected.len(), "{what} has another size");
    let distances = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let worst = distances.fold(0.0, |worst, distance| {
        if distance > worst || distance.is_nan() {
            distance
        } else {
            worst
        }
    });
    assert!(worst <= bound, "{what} is off by {worst:e}, more than {bound:e}");
    worst
}
