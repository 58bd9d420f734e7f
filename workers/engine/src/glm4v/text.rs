//! The language model: from embedded rows to logits.

use candle_core::{DType, Tensor};
use kernels::attention::{Mask, Shape};
use kernels::rope::Heads;

use super::blocks::for_blocks;
use super::trace::{ComputeError, Stage, Trace, ask, report};
use crate::cache::Cache;
use crate::config::Config;
use crate::ops::{Ops, RmsNorm, Rotation};
use crate::weights::{Linear, Rounding, Table, Weights, WeightsError};

/// Rows that go through the widest part at one time: bounds how long a breaking off takes.
const BLOCK: usize = 256;

/// H = hidden, Q = heads * head width, K = key heads * head width, F = inner, V = vocabulary.
#[derive(Debug)]
pub struct Text {
    ops: Ops,
    layers: Vec<Layer>,
    /// `[V, H]`.
    embedding: Table,
    final_norm: RmsNorm,
    output: Linear,
    hidden: usize,
    inner: usize,
    query_heads: usize,
    key_heads: Heads,
    rotated_pairs: usize,
    rope_base: f64,
}

/// Where rows go.
pub enum Memory<'a, 'c> {
    /// All into one: those of a prompt.
    One(&'a mut Cache),
    /// Each into one of its own: the next of several answers.
    Each(&'a mut [&'c mut Cache]),
}

impl Memory<'_, '_> {
    /// What may be rounded on the way of these rows: prompts are many, and each answer's next row comes alone or with few,
    /// whose bits do not depend on how many they are.
    fn rounding(&self) -> Rounding {
        match self {
            Memory::One(_) => Rounding::Quantised,
            Memory::Each(_) => Rounding::Nothing,
        }
    }

    fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> candle_core::Result<()> {
        match self {
            Memory::One(cache) => cache.layer(layer).append(keys, values),
            Memory::Each(caches) => caches.iter_mut().enumerate().try_for_each(|(row, cache)| {
                let (keys, values) = (keys.narrow(0, row, 1)?, values.narrow(0, row, 1)?);
                cache.layer(layer).append(&keys, &values)
            }),
        }
    }

    fn advance(&mut self, positions: &[usize]) {
        match self {
            Memory::One(cache) => cache.advance(positions),
            Memory::Each(caches) => {
                for (cache, &position) in caches.iter_mut().zip(positions) {
                    cache.advance(&[position]);
                }
            }
        }
    }
}

/// Rows on their way through a layer: one layer's after the other's, so that no memory is taken anew for each.
struct Room {
    /// `[rows, Q + 2 K]`.
    qkv: Tensor,
    /// `[rows, H]`.
    branch: Tensor,
    /// `[BLOCK, 2 F]`: gate and up.
    fused: Tensor,
    /// `[rows, F]`.
    gated: Tensor,
}

#[derive(Debug)]
struct Layer {
    ops: Ops,
    shape: Shape,
    attention_norm: RmsNorm,
    /// `[H] -> [Q | K | K]`: queries, keys, values, each head by head.
    qkv: Linear,
    dense: Linear,
    mlp_norm: RmsNorm,
    /// `[H] -> [F | F]`: gate, up.
    gate_up: Linear,
    down: Linear,
}

impl Text {
    pub fn new(config: &Config, weights: &mut Weights) -> Result<Self, WeightsError> {
        let Config {
            hidden, vocabulary, ..
        } = *config;
        Ok(Self {
            ops: weights.ops().clone(),
            layers: (0..config.layers)
                .map(|layer| Layer::new(config, weights, layer))
                .collect::<Result<_, _>>()?,
            embedding: weights.table(
                "transformer.embedding.word_embeddings.weight",
                [vocabulary, hidden],
            )?,
            final_norm: rms_norm(weights, "transformer.encoder.final_layernorm", config)?,
            output: weights.linear("transformer.output_layer", [vocabulary, hidden], false)?,
            hidden,
            inner: config.inner,
            query_heads: config.heads,
            key_heads: Heads {
                heads: config.key_heads,
                width: config.head_width,
            },
            rotated_pairs: config.rotated() / 2,
            rope_base: config.rope_base,
        })
    }

    /// An empty memory for this model.
    pub fn new_cache(&self) -> Cache {
        Cache::new(self.layers.len(), self.key_heads, &self.ops)
    }

    /// Bytes that a memory of `rows` rows takes.
    pub fn memory_bytes(&self, rows: usize) -> u64 {
        Cache::bytes(rows, self.layers.len(), self.key_heads, self.ops.kept())
    }

    /// `[ids, H]` in `f32`, in the machine's memory. Every id is below the vocabulary.
    pub fn embed(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        self.embedding.rows(ids)
    }

    /// Takes rows, `[rows, H]` at their positions, through all layers and into the memory: `[rows, H]`, not yet
    /// normalised for the output.
    pub fn forward(
        &self,
        rows: &Tensor,
        positions: &[usize],
        memory: &mut Memory,
        trace: &mut dyn Trace,
    ) -> Result<Tensor, ComputeError> {
        report(trace, Stage::Embedded, rows)?;
        // The layers change their rows in place, and the given ones may be shared.
        let x = rows.to_device(&self.ops.device())?.force_contiguous()?;
        let rotation = self.ops.rotation(positions, self.rotated_pairs, self.rope_base)?;
        let room = self.room(x.dim(0)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            layer.forward(&x, &rotation, index, memory, &room, trace)?;
            report(trace, Stage::Layer(index), &x)?;
        }
        memory.advance(positions);
        if trace.wants_final_norm() {
            report(trace, Stage::FinalNorm, &self.ops.rms_norm(&self.final_norm, &x)?)?;
        }
        Ok(x)
    }

    fn room(&self, rows: usize) -> candle_core::Result<Room> {
        let device = self.ops.device();
        let zeros = |rows, columns| Tensor::zeros((rows, columns), DType::F32, &device);
        let Heads { heads, width } = self.key_heads;
        Ok(Room {
            qkv: zeros(rows, self.query_heads * width + 2 * heads * width)?,
            branch: zeros(rows, self.hidden)?,
            fused: zeros(rows.min(BLOCK), 2 * self.inner)?,
            gated: zeros(rows, self.inner)?,
        })
    }

    /// The logits after each of `rows`, `[rows, H]`: `V` for each.
    pub fn logits(&self, rows: &Tensor) -> Result<Vec<Vec<f32>>, ComputeError> {
        let rows = self.ops.rms_norm(&self.final_norm, rows)?;
        Ok(self.output.forward(&rows)?.to_vec2()?)
    }
}

impl Layer {
    fn new(config: &Config, weights: &mut Weights, layer: usize) -> Result<Self, WeightsError> {
        let at = format!("transformer.encoder.layers.{layer}");
        let Config {
            hidden,
            inner,
            heads,
            key_heads,
            head_width: width,
            ..
        } = *config;
        let fused = (heads + 2 * key_heads) * width;
        let attention = format!("{at}.self_attention");
        Ok(Self {
            ops: weights.ops().clone(),
            shape: Shape {
                heads,
                key_heads,
                width,
            },
            attention_norm: rms_norm(weights, &format!("{at}.input_layernorm"), config)?,
            qkv: weights.linear(
                &format!("{attention}.query_key_value"),
                [fused, hidden],
                config.qkv_bias,
            )?,
            dense: weights.linear(&format!("{attention}.dense"), [hidden, heads * width], false)?,
            mlp_norm: rms_norm(weights, &format!("{at}.post_attention_layernorm"), config)?,
            gate_up: weights.linear(&format!("{at}.mlp.dense_h_to_4h"), [2 * inner, hidden], false)?,
            down: weights.linear(&format!("{at}.mlp.dense_4h_to_h"), [hidden, inner], false)?,
        })
    }

    /// Changes `x`, `[rows, H]`, in place. What it has put into the cache when it is broken off is of no use.
    fn forward(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        index: usize,
        memory: &mut Memory,
        room: &Room,
        trace: &mut dyn Trace,
    ) -> Result<(), ComputeError> {
        let attended = self.attention(
            &self.ops.rms_norm(&self.attention_norm, x)?,
            rotation,
            index,
            memory,
            room,
        )?;
        ask(trace)?;
        let rounding = memory.rounding();
        let branch = self.dense.forward_in(&room.branch, &attended, rounding)?;
        self.ops.add(x, &branch)?;
        for_blocks(
            &self.ops.rms_norm(&self.mlp_norm, x)?,
            BLOCK,
            trace,
            |first, x, _| {
                let gated = room.gated.narrow(0, first, x.dim(0)?)?;
                let fused = self.gate_up.forward_in(&room.fused, x, rounding)?;
                Ok(self.ops.silu_gate_fused(&gated, &fused)?)
            },
        )?;
        ask(trace)?;
        let branch = self.down.forward_in(&room.branch, &room.gated, rounding)?;
        Ok(self.ops.add(x, &branch)?)
    }

    /// `[rows, H]` to `[rows, Q]`; keys and values go into the memory of layer `index`.
    fn attention(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        index: usize,
        memory: &mut Memory,
        room: &Room,
    ) -> candle_core::Result<Tensor> {
        let Shape {
            heads,
            key_heads,
            width,
        } = self.shape;
        let (queries, keys) = (heads * width, key_heads * width);
        let qkv = self.qkv.forward_in(&room.qkv, x, memory.rounding())?;
        // Query and key heads lie side by side, so they turn in one go.
        self.ops.turn(
            &qkv,
            Heads {
                heads: heads + key_heads,
                width,
            },
            rotation,
        )?;
        let part = |at, width| qkv.narrow(1, at, width)?.contiguous();
        memory.append(index, &part(queries, keys)?, &part(queries + keys, keys)?)?;
        match memory {
            Memory::One(cache) => self
                .ops
                .attention(self.shape, &qkv, &cache.context(index), Mask::Causal),
            Memory::Each(caches) => {
                let contexts: Vec<_> = caches.iter().map(|cache| cache.context(index)).collect();
                self.ops.attention_each(self.shape, &qkv, &contexts)
            }
        }
    }
}

fn rms_norm(weights: &mut Weights, name: &str, config: &Config) -> Result<RmsNorm, WeightsError> {
    let weight = weights.tensor(&format!("{name}.weight"), &[config.hidden])?;
    Ok(RmsNorm {
        weight,
        epsilon: config.norm_epsilon,
    })
}
