//! The operations by the kernels, on the processor.

use candle_core::{
    CpuStorage, DType, Device, InplaceOp1, Layout, Result, Storage, StorageRef, Tensor, WithDType, bail,
};
use half::{bf16, f16};
use kernels::attention::{self, Kept, Mask, Q8, RoundedContext, Rows, Shape, Span, attend, attend_each};
use kernels::dense::{Weight, few_rows};
use kernels::product::product as many_rows;
use kernels::rope::{Heads, Rotation, rotate};
use kernels::{activation, norm};

mod rounded;

pub(super) use rounded::rounds;
pub use rounded::{Input, Output, product_rounded, round_through};

use super::{ContextRun, FEW, LayerNorm, RmsNorm};
use crate::kv::KvType;

/// An in-place change of contiguous `f32` values.
struct Change<F>(F);

impl<F: Fn(&mut [f32]) -> Result<()>> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "change in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::F32(values), Some((start, end))) => (self.0)(&mut values[start..end]),
            _ => bail!("only contiguous f32 values can be changed in place"),
        }
    }
}

fn change(x: &Tensor, f: impl Fn(&mut [f32]) -> Result<()>) -> Result<()> {
    x.inplace_op1(&Change(f))
}

/// Contiguous values of a tensor, borrowed.
struct Values<'a> {
    storage: StorageRef<'a>,
    start: usize,
    end: usize,
}

impl<'a> Values<'a> {
    fn of(x: &'a Tensor) -> Result<Self> {
        let (storage, layout) = x.storage_and_layout();
        match layout.contiguous_offsets() {
            Some((start, end)) => Ok(Self { storage, start, end }),
            None => bail!("the kernels read contiguous tensors only"),
        }
    }

    fn as_slice<T: WithDType>(&self) -> Result<&[T]> {
        match &*self.storage {
            Storage::Cpu(storage) => Ok(&storage.as_slice::<T>()?[self.start..self.end]),
            _ => bail!("the kernels run on the CPU only"),
        }
    }
}

/// Calls `f` with the values of `x`, which must be contiguous `f32`.
pub fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    Ok(f(Values::of(x)?.as_slice()?))
}

/// The same of what may be missing.
pub fn with_values_of<R>(x: Option<&Tensor>, f: impl FnOnce(Option<&[f32]>) -> R) -> Result<R> {
    match x {
        Some(x) => with_values(x, |x| f(Some(x))),
        None => Ok(f(None)),
    }
}

/// Calls `f` with the values of `y`, contiguous `f32`, for it to write them all.
pub fn write_to(y: &Tensor, f: impl Fn(&mut [f32])) -> Result<()> {
    change(y, |y| {
        f(y);
        Ok(())
    })
}

pub(super) fn add(x: &Tensor, y: &Tensor) -> Result<()> {
    let y = Values::of(y)?;
    let y = y.as_slice()?;
    change(x, |x| {
        norm::add(x, y);
        Ok(())
    })
}

pub(super) fn divide(x: &Tensor, by: f32) -> Result<()> {
    change(x, |x| {
        x.iter_mut().for_each(|value| *value /= by);
        Ok(())
    })
}

pub(super) fn gelu(x: &Tensor) -> Result<()> {
    change(x, |x| {
        activation::gelu(x);
        Ok(())
    })
}

pub(super) fn layer_norm(of: &LayerNorm, x: &Tensor) -> Result<()> {
    let (weight, bias) = (Values::of(&of.weight)?, Values::of(&of.bias)?);
    let (weight, bias) = (weight.as_slice()?, bias.as_slice()?);
    change(x, |x| {
        norm::layer_norm(x, weight, bias, of.epsilon);
        Ok(())
    })
}

pub(super) fn rms_norm(of: &RmsNorm, x: &Tensor) -> Result<Tensor> {
    let weight = Values::of(&of.weight)?;
    let weight = weight.as_slice()?;
    let mut rows = vec![0.0; x.elem_count()];
    with_values(x, |x| norm::rms_norm(x, weight, of.epsilon, &mut rows))?;
    Tensor::from_vec(rows, x.shape(), &Device::Cpu)
}

pub(super) fn silu_gate(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let mut out = vec![0.0; gate.elem_count()];
    let (gates, ups) = (Values::of(gate)?, Values::of(up)?);
    activation::silu_gate(gates.as_slice()?, ups.as_slice()?, &mut out);
    Tensor::from_vec(out, gate.shape(), &Device::Cpu)
}

pub(super) fn silu_gate_fused(out: &Tensor, fused: &Tensor) -> Result<()> {
    let (rows, inner) = out.dims2()?;
    if fused.dims2()? != (rows, 2 * inner) {
        bail!("rows of {:?} do not fit rows of {:?}", fused.shape(), out.shape());
    }
    let fused = Values::of(fused)?;
    let fused = fused.as_slice()?;
    change(out, |out| {
        activation::silu_gate_fused(fused, inner, out);
        Ok(())
    })
}

pub(super) fn turn(x: &Tensor, heads: Heads, rotation: &Rotation) -> Result<()> {
    let stride = x.dim(1)?;
    change(x, |x| {
        rotate(x, stride, heads, rotation);
        Ok(())
    })
}

/// What the kernels find in a tensor of keys or values.
trait Stored: Kept {
    fn find<'a>(tensor: &'a Values) -> Result<&'a [Self]>;
}

impl Stored for f32 {
    fn find<'a>(tensor: &'a Values) -> Result<&'a [Self]> {
        tensor.as_slice()
    }
}

impl Stored for f16 {
    fn find<'a>(tensor: &'a Values) -> Result<&'a [Self]> {
        tensor.as_slice()
    }
}

impl Stored for Q8 {
    fn find<'a>(tensor: &'a Values) -> Result<&'a [Self]> {
        Ok(tensor.as_slice::<u8>()?.as_chunks().0)
    }
}

pub(super) fn keep(kept: KvType, rows: &Tensor, heads: Heads) -> Result<Tensor> {
    match kept {
        KvType::F32 => Ok(rows.clone()),
        KvType::F16 => {
            let values = kept_as::<f16>(rows, heads)?;
            Tensor::from_vec(values, (rows.dim(0)?, kept.columns(heads)), &Device::Cpu)
        }
        KvType::Q8_0 => {
            let blocks = kept_as::<Q8>(rows, heads)?;
            let bytes = blocks.into_flattened();
            Tensor::from_vec(bytes, (rows.dim(0)?, kept.columns(heads)), &Device::Cpu)
        }
    }
}

fn kept_as<T: Kept>(rows: &Tensor, Heads { heads, width }: Heads) -> Result<Vec<T>> {
    let mut kept = vec![T::ZERO; rows.dim(0)? * heads * T::count(width)];
    with_values(rows, |values| attention::keep(values, width, &mut kept))?;
    Ok(kept)
}

impl ContextRun<'_> {
    fn span<'a, T: Stored>(&self, keys: &'a Values, values: &'a Values) -> Result<Span<'a, T>> {
        let rows = |tensor: &Tensor, values, column| {
            let values = T::find(values)?;
            let stride = values.len() / tensor.dim(0)?;
            Result::Ok(Rows {
                values: &values[column..],
                stride,
            })
        };
        Ok(Span {
            keys: rows(self.keys, keys, self.key_column)?,
            values: rows(self.values, values, self.value_column)?,
            rows: self.rows,
        })
    }
}

pub(super) fn rounded_context(shape: Shape, run: &ContextRun) -> Result<Option<RoundedContext>> {
    if shape.width > kernels::attention::WIDEST_ROUNDED || !rounds() {
        return Ok(None);
    }
    let (keys, values) = (Values::of(run.keys)?, Values::of(run.values)?);
    Ok(Some(RoundedContext::of(shape, run.span(&keys, &values)?)))
}

/// Attention of the queries in the first columns of `queries` over the whole of a context, into `out`:
/// `[rows, heads * width]`.
pub fn attend_rounded(context: &RoundedContext, queries: &Tensor, out: &Tensor) -> Result<()> {
    let stride = queries.dim(1)?;
    let values = Values::of(queries)?;
    let values = values.as_slice()?;
    write_to(out, |out| context.attend(Rows { values, stride }, out))
}

pub(super) fn attention(
    shape: Shape,
    queries: &Tensor,
    context: &[ContextRun],
    mask: Mask,
) -> Result<Tensor> {
    match kept_in(context) {
        DType::F16 => attention_over::<f16>(shape, queries, context, mask),
        DType::U8 => attention_over::<Q8>(shape, queries, context, mask),
        _ => attention_over::<f32>(shape, queries, context, mask),
    }
}

fn attention_over<T: Stored>(
    shape: Shape,
    queries: &Tensor,
    context: &[ContextRun],
    mask: Mask,
) -> Result<Tensor> {
    let (rows, stride) = queries.dims2()?;
    let query_values = Values::of(queries)?;
    let held = held(context)?;
    let mut out = vec![0.0; rows * shape.heads * shape.width];
    let queries = Rows {
        values: query_values.as_slice()?,
        stride,
    };
    attend(shape, queries, &spans::<T>(context, &held)?, mask, &mut out);
    Tensor::from_vec(out, (rows, shape.heads * shape.width), &Device::Cpu)
}

pub(super) fn attention_each(shape: Shape, queries: &Tensor, contexts: &[Vec<ContextRun>]) -> Result<Tensor> {
    match kept_in(contexts.first().map_or(&[], Vec::as_slice)) {
        DType::F16 => attention_each_over::<f16>(shape, queries, contexts),
        DType::U8 => attention_each_over::<Q8>(shape, queries, contexts),
        _ => attention_each_over::<f32>(shape, queries, contexts),
    }
}

fn attention_each_over<T: Stored>(
    shape: Shape,
    queries: &Tensor,
    contexts: &[Vec<ContextRun>],
) -> Result<Tensor> {
    let (rows, stride) = queries.dims2()?;
    let query_values = Values::of(queries)?;
    let held = contexts.iter().map(|context| held(context));
    let held = held.collect::<Result<Vec<_>>>()?;
    let spans = contexts
        .iter()
        .zip(&held)
        .map(|(context, held)| spans::<T>(context, held));
    let spans = spans.collect::<Result<Vec<_>>>()?;
    let mut out = vec![0.0; rows * shape.heads * shape.width];
    let queries = Rows {
        values: query_values.as_slice()?,
        stride,
    };
    attend_each(shape, queries, &spans, &mut out);
    Tensor::from_vec(out, (rows, shape.heads * shape.width), &Device::Cpu)
}

/// What all runs of a context are kept in, as their tensors have it.
fn kept_in(context: &[ContextRun]) -> DType {
    context.first().map_or(DType::F32, |run| run.keys.dtype())
}

/// Keys and values of a run, borrowed.
type Held<'a> = (Values<'a>, Values<'a>);

fn held<'a>(context: &'a [ContextRun]) -> Result<Vec<Held<'a>>> {
    let of_run = |run: &ContextRun<'a>| Ok((Values::of(run.keys)?, Values::of(run.values)?));
    context.iter().map(of_run).collect()
}

fn spans<'a, T: Stored>(context: &[ContextRun], held: &'a [Held]) -> Result<Vec<Span<'a, T>>> {
    let runs = context.iter().zip(held);
    runs.map(|(run, (keys, values))| run.span(keys, values)).collect()
}

pub(super) fn product(weight: &Tensor, x: &Tensor) -> Result<Tensor> {
    match weight.dtype() {
        DType::F32 => product_of::<f32>(weight, x),
        DType::BF16 => product_of::<bf16>(weight, x),
        DType::F16 => product_of::<f16>(weight, x),
        other => bail!("weights are not kept in {other:?}"),
    }
}

fn product_of<W: Weight + WithDType>(weight: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (rows, outputs, width) = product_shape(weight, x)?;
    let mut out = vec![0.0; rows * outputs];
    let (weights, x) = (Values::of(weight)?, Values::of(x)?);
    let (weights, x) = (weights.as_slice::<W>()?, x.as_slice()?);
    if rows <= FEW {
        few_rows(weights, x, width, &mut out);
    } else {
        many_rows(weights, x, width, &mut out);
    }
    Tensor::from_vec(out, (rows, outputs), &Device::Cpu)
}

/// Rows, outputs, and the width of both sides.
fn product_shape(weight: &Tensor, x: &Tensor) -> Result<(usize, usize, usize)> {
    let ((outputs, width), (rows, given)) = (weight.dims2()?, x.dims2()?);
    if given != width {
        bail!("rows of {given} values do not fit a weight of {width} inputs");
    }
    Ok((rows, outputs, width))
}
