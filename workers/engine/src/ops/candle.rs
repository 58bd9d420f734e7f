//! The operations by candle's operators, on whichever device the tensors lie.
//!
//! Values are `f32` between operations. Products with weights in 16 bits are computed in these. Attention is computed in
//! `f32`, keys and values widened where they are kept in fewer bits, with scores of a few queries at a time, so that their
//! memory is bounded; or by flash attention, where that is there and not everything is exact.

use candle_core::{D, DType, Device, Result, Tensor};
use kernels::attention::{Mask, Shape};
use kernels::rope::{self, Heads};

use crate::device::{Attention, flash_attention};
use crate::kv::KvType;

use super::{ContextRun, LayerNorm, RmsNorm, Rotation};

/// Bytes of scores at one time. Their distances to the largest and their exponentials take as much again, each.
pub const SCORE_BYTES: usize = 1 << 26;

/// Added to the score of what a query may not see: after it an exponential is 0.
const UNSEEN: f64 = -1e30;

/// The widest head that flash attention takes; it has to be a multiple of the other number.
const FLASH_WIDTHS: (usize, usize) = (256, 8);

/// Where candle's operators compute, and what they keep keys and values in: whole numbers of values alone.
#[derive(Debug, Clone)]
pub struct Operators {
    pub device: Device,
    pub kept: KvType,
}

impl Operators {
    pub(super) fn rotation(&self, rotation: &rope::Rotation, rows: usize, pairs: usize) -> Result<Rotation> {
        let tensor = |values| Tensor::from_slice(values, (rows, 1, pairs), &self.device);
        Ok(Rotation::Candle(tensor(rotation.cos())?, tensor(rotation.sin())?))
    }

    pub(super) fn attention(
        &self,
        shape: Shape,
        queries: &Tensor,
        context: &[ContextRun],
        mask: Mask,
    ) -> Result<Tensor> {
        let (widest, multiple) = FLASH_WIDTHS;
        let takes = shape.width <= widest && shape.width.is_multiple_of(multiple);
        match flash_attention(&self.device) {
            Some(attend) if takes && self.kept != KvType::F32 => flash(attend, shape, queries, context, mask),
            _ => attention(shape, queries, context, mask),
        }
    }

    pub(super) fn attention_each(
        &self,
        shape: Shape,
        queries: &Tensor,
        contexts: &[Vec<ContextRun>],
    ) -> Result<Tensor> {
        let each = |(row, context): (usize, &Vec<ContextRun>)| {
            self.attention(shape, &queries.narrow(0, row, 1)?, context, Mask::Full)
        };
        let rows = contexts.iter().enumerate().map(each);
        Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)
    }
}

/// Puts new values into the place of the old ones.
fn put(x: &Tensor, values: &Tensor) -> Result<()> {
    x.slice_set(&values.contiguous()?, 0, 0)
}

pub(super) fn add(x: &Tensor, y: &Tensor) -> Result<()> {
    put(x, &x.broadcast_add(y)?)
}

pub(super) fn divide(x: &Tensor, by: f32) -> Result<()> {
    put(x, &(x / f64::from(by))?)
}

pub(super) fn gelu(x: &Tensor) -> Result<()> {
    put(x, &x.gelu_erf()?)
}

pub(super) fn layer_norm(norm: &LayerNorm, x: &Tensor) -> Result<()> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let normed = divided_by_size(&centred, norm.epsilon)?;
    put(x, &normed.broadcast_mul(&norm.weight)?.broadcast_add(&norm.bias)?)
}

pub(super) fn rms_norm(norm: &RmsNorm, x: &Tensor) -> Result<Tensor> {
    divided_by_size(x, norm.epsilon)?.broadcast_mul(&norm.weight)
}

/// Every row divided by the root of its mean square.
fn divided_by_size(x: &Tensor, epsilon: f32) -> Result<Tensor> {
    let size = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(epsilon))?.sqrt()?;
    x.broadcast_div(&size)
}

pub(super) fn silu_gate(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}

pub(super) fn silu_gate_fused(out: &Tensor, fused: &Tensor) -> Result<()> {
    let inner = out.dim(1)?;
    put(
        out,
        &silu_gate(&fused.narrow(1, 0, inner)?, &fused.narrow(1, inner, inner)?)?,
    )
}

/// Pair `i` of a head is its values `2i` and `2i + 1`; what lies behind the pairs passes through.
pub(super) fn turn(x: &Tensor, Heads { heads, width }: Heads, cos: &Tensor, sin: &Tensor) -> Result<()> {
    let (rows, pairs) = (x.dim(0)?, cos.dim(2)?);
    let all = x.narrow(1, 0, heads * width)?.reshape((rows, heads, width))?;
    let turning = all.narrow(2, 0, 2 * pairs)?.reshape((rows, heads, pairs, 2))?;
    let part = |at| turning.narrow(3, at, 1)?.squeeze(3)?.contiguous();
    let (a, b) = (part(0)?, part(1)?);
    let turned = [
        (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?,
        (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?,
    ];
    let turned = Tensor::stack(&turned, 3)?.reshape((rows, heads, 2 * pairs))?;
    let passing = all.narrow(2, 2 * pairs, width - 2 * pairs)?.contiguous()?;
    let all = Tensor::cat(&[turned, passing], 2)?.reshape((rows, heads * width))?;
    x.slice_set(&all, 1, 0)
}

fn attention(shape: Shape, queries: &Tensor, context: &[ContextRun], mask: Mask) -> Result<Tensor> {
    let Shape {
        heads,
        key_heads,
        width,
    } = shape;
    let [keys, values] = gathered(shape, context)?;
    let by_head = |rows: &Tensor| rows.to_dtype(DType::F32)?.transpose(0, 1)?.contiguous();
    let (keys, values) = (by_head(&keys)?, by_head(&values)?);
    let (seen, rows, sharing) = (keys.dim(1)?, queries.dim(0)?, heads / key_heads);
    let keys = keys.t()?;
    let queries = (queries.narrow(1, 0, heads * width)? / (width as f64).sqrt())?;
    let at_once = (SCORE_BYTES / (heads * seen * DType::F32.size_in_bytes())).max(1);
    let mut out = Vec::with_capacity(rows.div_ceil(at_once));
    for first in (0..rows).step_by(at_once) {
        let count = at_once.min(rows - first);
        // Heads that share a key head are more queries of that head.
        let queries = queries.narrow(0, first, count)?.reshape((count, heads, width))?;
        let queries = queries.transpose(0, 1)?.contiguous()?;
        let mut scores = queries
            .reshape((key_heads, sharing * count, width))?
            .matmul(&keys)?;
        if mask == Mask::Causal && rows > 1 {
            let hidden = unseen(seen - rows + first, count, seen, queries.device())?;
            scores = scores
                .reshape((heads, count, seen))?
                .broadcast_add(&hidden)?
                .reshape((key_heads, sharing * count, seen))?;
        }
        let shares = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let attended = shares
            .matmul(&values)?
            .broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
        let attended = attended.reshape((heads, count, width))?.transpose(0, 1)?;
        out.push(attended.reshape((count, heads * width))?);
    }
    Tensor::cat(&out, 0)
}

/// `[count, seen]`: the query of row `row + i` sees itself and what lies before it.
fn unseen(row: usize, count: usize, seen: usize, device: &Device) -> Result<Tensor> {
    let numbers = |from: usize, to: usize| Tensor::arange(from as u32, to as u32, device);
    let (rows, columns) = (
        numbers(row, row + count)?.unsqueeze(1)?,
        numbers(0, seen)?.unsqueeze(0)?,
    );
    columns.broadcast_gt(&rows)?.to_dtype(DType::F32)? * UNSEEN
}

/// Keys and values of all runs, oldest first: `[rows, key heads, width]`.
fn gathered(Shape { key_heads, width, .. }: Shape, context: &[ContextRun]) -> Result<[Tensor; 2]> {
    let all = |part: fn(&ContextRun) -> (Tensor, usize)| {
        let run = |run: &ContextRun| {
            let (values, column) = part(run);
            let values = values.narrow(0, 0, run.rows)?;
            values.narrow(1, column, key_heads * width)?.contiguous()
        };
        let runs = context.iter().map(run).collect::<Result<Vec<_>>>()?;
        let rows = Tensor::cat(&runs, 0)?;
        rows.reshape((rows.dim(0)?, key_heads, width))
    };
    Ok([
        all(|run| (run.keys.clone(), run.key_column))?,
        all(|run| (run.values.clone(), run.value_column))?,
    ])
}

/// The same by flash attention. Keys that are not kept in 16 bits are of the tower, whose values may be beyond `f16`.
fn flash(
    attend: Attention,
    shape: Shape,
    queries: &Tensor,
    context: &[ContextRun],
    mask: Mask,
) -> Result<Tensor> {
    let Shape { heads, width, .. } = shape;
    let (rows, [keys, values]) = (queries.dim(0)?, gathered(shape, context)?);
    let narrow = match keys.dtype() {
        DType::F32 => DType::BF16,
        kept => kept,
    };
    let queries = queries
        .narrow(1, 0, heads * width)?
        .reshape((1, rows, heads, width))?;
    let scale = 1.0 / (width as f32).sqrt();
    let attended = attend(
        &queries.to_dtype(narrow)?,
        &keys.to_dtype(narrow)?.unsqueeze(0)?,
        &values.to_dtype(narrow)?.unsqueeze(0)?,
        scale,
        mask == Mask::Causal,
    )?;
    attended.reshape((rows, heads * width))?.to_dtype(DType::F32)
}

pub(super) fn product(weight: &Tensor, x: &Tensor) -> Result<Tensor> {
    x.to_dtype(weight.dtype())?
        .matmul(&weight.t()?)?
        .to_dtype(DType::F32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Ops;

    /// Values that repeat nowhere near.
    fn values(rows: usize, width: usize, seed: f32) -> Tensor {
        let value = |at: usize| ((at as f32 + seed) * 0.618).sin();
        Tensor::from_vec(
            (0..rows * width).map(value).collect(),
            (rows, width),
            &Device::Cpu,
        )
        .unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f32 {
        let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        off.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn scores_in_several_blocks_over_several_runs_are_those_of_the_kernels() {
        let shape = Shape {
            heads: 8,
            key_heads: 2,
            width: 8,
        };
        let (rows, lengths) = (900, [256, 1500, 844]);
        let seen: usize = lengths.iter().sum();
        assert!(rows * shape.heads * seen * 4 > SCORE_BYTES, "all in one block");
        let queries = values(rows, 100, 0.0);
        let runs: Vec<_> = lengths
            .iter()
            .map(|&length| (values(length + 3, 40, length as f32), length))
            .collect();
        let context = runs.iter().map(|(values, rows)| ContextRun {
            keys: values,
            key_column: 3,
            values,
            value_column: 20,
            rows: *rows,
        });
        let context: Vec<_> = context.collect();
        let candle = Ops::Candle(Operators {
            device: Device::Cpu,
            kept: KvType::F32,
        });
        for mask in [Mask::Causal, Mask::Full] {
            let [kernels, candle] = [&Ops::Kernels(KvType::F32), &candle]
                .map(|ops| ops.attention(shape, &queries, &context, mask).unwrap());
            let off = distance(&kernels, &candle);
            assert!(off < 1e-5, "{mask:?}: {off:e}");
            // What is handed to flash attention; the tower's values are rounded for it to 8 significant bits.
            let off = distance(
                &kernels,
                &flash(stands_in, shape, &queries, &context, mask).unwrap(),
            );
            assert!(off > 0.0 && off < 0.02, "{mask:?} by flash attention: {off:e}");
        }
    }

    /// Computes what flash attention is to compute, from the tensors that it takes.
    fn stands_in(
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        scale: f32,
        causal: bool,
    ) -> Result<Tensor> {
        let (one, rows, heads, width) = queries.dims4()?;
        let (_, seen, key_heads, _) = keys.dims4()?;
        assert_eq!((one, scale), (1, 1.0 / (width as f32).sqrt()));
        let shape = Shape {
            heads,
            key_heads,
            width,
        };
        let of_16_bits = |x: &Tensor, columns| {
            assert_eq!(x.dtype(), DType::BF16);
            x.to_dtype(DType::F32)?.reshape((x.dim(1)?, columns))
        };
        let (keys, values) = (
            of_16_bits(keys, key_heads * width)?,
            of_16_bits(values, key_heads * width)?,
        );
        let run = ContextRun {
            keys: &keys,
            key_column: 0,
            values: &values,
            value_column: 0,
            rows: seen,
        };
        let mask = if causal { Mask::Causal } else { Mask::Full };
        let queries = of_16_bits(queries, heads * width)?;
        let attended = Ops::Kernels(KvType::F32).attention(shape, &queries, &[run], mask)?;
        attended.reshape((1, rows, heads, width))?.to_dtype(DType::BF16)
    }
}
