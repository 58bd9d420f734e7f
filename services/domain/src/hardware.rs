//! The memory that a model takes, as a function of how it is used, and where it fits.
//!
//! It counts what glmhub's engine holds: the weights as they are stored, keys and values of every page that is in
//! work, and what the vision tower needs at its widest. What a driver or another runtime takes beside that is not in
//! it; measurements stand beside it, see [`crate::model::Measurement`].

mod machines;
mod need;
mod plan;

pub use machines::{Kind, Machine, Machines};
pub use need::{Need, Room};
pub use plan::{Place, Plan, SCORE_BYTES};

use crate::{card::Card, model::Variant};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Rows that pass the wide parts of the tower at one time.
const WIDE_ROWS: u64 = 512;
/// Bytes of a value that the tower computes with.
const COMPUTED: u64 = 4;
/// Hundredths of a machine's memory up to which a model runs with room to spare.
const COMFORTABLE_PERCENT: u64 = 90;

/// The sizes of a model that its memory follows from, as its `config.json` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Layers of the language model.
    pub layers: u32,
    /// Key and value heads of a layer.
    pub key_heads: u32,
    /// Width of one head.
    pub head_width: u32,
    /// The vision tower, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tower: Option<TowerShape>,
}

/// The sizes of a vision tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerShape {
    /// Rows of one image: its patches and the class row.
    pub positions: u32,
    /// Width of a row.
    pub hidden: u32,
    /// Width of a row inside the MLP.
    pub inner: u32,
    /// Tokens that one image takes of the context.
    pub image_tokens: u32,
}

/// What cached keys and values are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// Four bytes a value: what glmhub's engine keeps on the processor unless it is told otherwise.
    F32,
    /// Two bytes a value.
    F16,
    /// Blocks of 32 values in 34 bytes.
    Q8_0,
}

impl KvType {
    /// Every type.
    pub const ALL: [KvType; 3] = [KvType::F32, KvType::F16, KvType::Q8_0];

    /// The word in queries and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
        }
    }

    /// Bytes of so many values.
    fn bytes(self, values: u64) -> u64 {
        match self {
            KvType::F32 => values.saturating_mul(4),
            KvType::F16 => values.saturating_mul(2),
            KvType::Q8_0 => values.div_ceil(32).saturating_mul(34),
        }
    }
}

/// The word names no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("keys and values are kept in f32, f16 or q8_0")]
pub struct BadKvType;

impl FromStr for KvType {
    type Err = BadKvType;

    fn from_str(text: &str) -> Result<Self, BadKvType> {
        let named = |one: &KvType| one.as_str() == text;
        KvType::ALL.into_iter().find(named).ok_or(BadKvType)
    }
}

/// How a model is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of each page's conversation, images counted by their tokens.
    pub context: u32,
    /// Images of each conversation.
    pub images: u32,
    /// Conversations that are in work at once.
    pub pages: u32,
    /// What keys and values are kept in.
    pub kv: KvType,
}

/// The usage cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUsage {
    /// The images alone take more than the context.
    #[error("{images} images take {tokens} tokens, and the context has {context}")]
    ImagesDoNotFit {
        /// How many images.
        images: u32,
        /// What they take.
        tokens: u64,
        /// What there is.
        context: u32,
    },
    /// The model takes no images.
    #[error("the model takes no images")]
    TakesNoImages,
}

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The weights as they are stored.
    #[serde(rename = "weights_bytes")]
    pub weights: u64,
    /// Keys and values of one token.
    #[serde(rename = "cache_bytes_per_token")]
    pub cache_per_token: u64,
    /// Keys and values of one page's whole context.
    #[serde(rename = "cache_bytes")]
    pub cache: u64,
    /// What the vision tower holds beside the weights at its widest.
    #[serde(rename = "tower_bytes")]
    pub tower: u64,
    /// What is needed at once. A page is encoded before its conversation fills the context, so that each page takes
    /// the larger of the two.
    #[serde(rename = "peak_bytes")]
    pub peak: u64,
}

impl Shape {
    /// The memory of a model of this shape whose weights are stored in so many bytes.
    pub fn memory(&self, weights: u64, usage: Usage) -> Result<Memory, BadUsage> {
        self.check(usage)?;
        let cache_per_token = self.cache_per_token(usage.kv);
        let cache = cache_per_token.saturating_mul(usage.context.into());
        let tower = match usage.images {
            0 => 0,
            _ => self.tower.map_or(0, |tower| tower.widest()),
        };
        let pages = u64::from(usage.pages).saturating_mul(cache.max(tower));
        Ok(Memory {
            weights,
            cache_per_token,
            cache,
            tower,
            peak: weights.saturating_add(pages),
        })
    }

    /// The largest context, of at most `usage.context` tokens, with which the model fits into `available` bytes; none
    /// if it fits with no context that has room for its images.
    pub fn largest_context(&self, weights: u64, usage: Usage, available: u64) -> Option<u32> {
        let fits = |context: u32| {
            let memory = self.memory(weights, Usage { context, ..usage });
            memory.is_ok_and(|memory| memory.peak <= available)
        };
        let least = match self.tower {
            Some(tower) => tower.image_tokens.saturating_mul(usage.images).max(1),
            None => 1,
        };
        if !fits(least) {
            return None;
        }
        let (mut fitting, mut above) = (least, usage.context.saturating_add(1));
        while above - fitting > 1 {
            let middle = fitting + (above - fitting) / 2;
            match fits(middle) {
                true => fitting = middle,
                false => above = middle,
            }
        }
        Some(fitting)
    }

    fn check(&self, usage: Usage) -> Result<(), BadUsage> {
        let tokens = match (usage.images, self.tower) {
            (0, _) => 0,
            (_, None) => return Err(BadUsage::TakesNoImages),
            (images, Some(tower)) => u64::from(images) * u64::from(tower.image_tokens),
        };
        match tokens > usage.context.into() {
            true => Err(BadUsage::ImagesDoNotFit {
                images: usage.images,
                tokens,
                context: usage.context,
            }),
            false => Ok(()),
        }
    }

    fn cache_per_token(&self, kv: KvType) -> u64 {
        // No block has values of two heads.
        let keys = u64::from(self.key_heads).saturating_mul(kv.bytes(self.head_width.into()));
        (2 * u64::from(self.layers)).saturating_mul(keys)
    }
}

impl TowerShape {
    /// Rows themselves, queries with keys and values, and what was attended to; then the wide part of a block.
    fn widest(self) -> u64 {
        let (rows, hidden, inner) = (
            u64::from(self.positions),
            u64::from(self.hidden),
            u64::from(self.inner),
        );
        rows * hidden * 5 * COMPUTED + WIDE_ROWS.min(rows) * (inner + hidden) * COMPUTED
    }
}

/// Whether a model fits a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// With a tenth of the memory left, or more.
    Runs,
    /// With less than that left: anything else on the machine may be too much.
    Tight,
    /// It does not.
    DoesNotRun,
}

impl Verdict {
    /// Whether what takes `peak` bytes fits into `available`.
    pub fn of(peak: u64, available: u64) -> Self {
        // Without a product that could overflow: what is left is compared.
        if peak <= available / 100 * COMFORTABLE_PERCENT {
            Verdict::Runs
        } else if peak <= available {
            Verdict::Tight
        } else {
            Verdict::DoesNotRun
        }
    }

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Runs => "runs",
            Verdict::Tight => "tight",
            Verdict::DoesNotRun => "does_not_run",
        }
    }
}

/// A machine with what it means for a model.
#[derive(Debug, Clone, Serialize)]
pub struct Fit<'a> {
    /// The machine.
    #[serde(flatten)]
    pub machine: &'a Machine,
    /// What of its memory the model may have.
    pub available_bytes: u64,
    /// Whether it fits.
    pub verdict: Verdict,
    /// The largest context that fits there, up to the one that was asked about.
    pub largest_context_tokens: Option<u32>,
}

/// What `usage` takes, and what that means on every one of `machines`.
pub fn fits<'a>(
    shape: &Shape,
    weights: u64,
    usage: Usage,
    machines: &'a Machines,
) -> Result<(Memory, Vec<Fit<'a>>), BadUsage> {
    let memory = shape.memory(weights, usage)?;
    let on = |machine: &'a Machine| {
        let available_bytes = machine.available();
        Fit {
            machine,
            available_bytes,
            verdict: Verdict::of(memory.peak, available_bytes),
            largest_context_tokens: shape.largest_context(weights, usage, available_bytes),
        }
    };
    Ok((memory, machines.iter().map(on).collect()))
}

/// What a card says about the usual way to run its model: the shape, the variant with the bytes of its weights, and one
/// page with one image at the full context. None if too little is known.
pub fn usual<'a>(card: &Card, variants: &'a [Variant]) -> Option<(Shape, &'a Variant, u64, Usage)> {
    let shape = card.shape?;
    let usual = card.usual_variant.as_deref();
    let variant = match usual {
        Some(name) => variants.iter().find(|variant| variant.name == name),
        None => variants.iter().find(|variant| variant.file_bytes.is_some()),
    }?;
    let usage = Usage {
        context: card.context_tokens?,
        images: u32::from(shape.tower.is_some()),
        pages: 1,
        kv: KvType::F32,
    };
    Some((shape, variant, variant.file_bytes?, usage))
}

#[cfg(test)]
mod tests;
