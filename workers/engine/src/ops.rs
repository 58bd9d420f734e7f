//! The kernels on tensors. Everything here runs on the CPU; another device would get its own arm here and nowhere
//! else.
//!
//! Functions that return `Result<()>` change their first argument in place. Tensors share storage when cloned, so
//! the caller must own it alone; no argument may alias another.

use candle_core::{
    CpuStorage, DType, Device, InplaceOp1, Layout, Result, Storage, StorageRef, Tensor, WithDType, bail,
};
use half::{bf16, f16};
use kernels::attention::{Mask, Rows, Shape, Span, attend, attend_each, attend_rounded};
use kernels::dense::{Weight, few_rows};
use kernels::product::product as many_rows;
use kernels::rope::{Heads, Rotation, rotate};
use kernels::tiles::rounded_products;
use kernels::{activation, norm};

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub epsilon: f32,
}

/// Weight of a root-mean-square norm.
#[derive(Debug)]
pub struct RmsNorm {
    pub weight: Tensor,
    pub epsilon: f32,
}

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

/// `x += y`; `y` is a row to be added to each row of `x`, or as large as `x`.
pub fn add(x: &Tensor, y: &Tensor) -> Result<()> {
    let y = Values::of(y)?;
    let y = y.as_slice()?;
    change(x, |x| {
        norm::add(x, y);
        Ok(())
    })
}

/// Divides every value.
pub fn divide(x: &Tensor, by: f32) -> Result<()> {
    change(x, |x| {
        x.iter_mut().for_each(|value| *value /= by);
        Ok(())
    })
}

/// The exact GELU.
pub fn gelu(x: &Tensor) -> Result<()> {
    change(x, |x| {
        activation::gelu(x);
        Ok(())
    })
}

impl LayerNorm {
    /// Normalises every row of `x`.
    pub fn apply(&self, x: &Tensor) -> Result<()> {
        let (weight, bias) = (Values::of(&self.weight)?, Values::of(&self.bias)?);
        let (weight, bias) = (weight.as_slice()?, bias.as_slice()?);
        change(x, |x| {
            norm::layer_norm(x, weight, bias, self.epsilon);
            Ok(())
        })
    }
}

impl RmsNorm {
    /// The normalised copy of every row of `x`.
    pub fn of(&self, x: &Tensor) -> Result<Tensor> {
        let weight = Values::of(&self.weight)?;
        let weight = weight.as_slice()?;
        let mut rows = vec![0.0; x.elem_count()];
        with_values(x, |x| norm::rms_norm(x, weight, self.epsilon, &mut rows))?;
        Tensor::from_vec(rows, x.shape(), &Device::Cpu)
    }
}

/// `silu(gate) * up`, of one shape.
pub fn silu_gate(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let mut out = vec![0.0; gate.elem_count()];
    let (gates, ups) = (Values::of(gate)?, Values::of(up)?);
    activation::silu_gate(gates.as_slice()?, ups.as_slice()?, &mut out);
    Tensor::from_vec(out, gate.shape(), &Device::Cpu)
}

/// The same for rows of `[gate | up]`, into `out`: `[rows, 2 * inner]` to `[rows, inner]`.
pub fn silu_gate_fused(out: &Tensor, fused: &Tensor) -> Result<()> {
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

/// Turns the first `heads` heads of every row by its position.
pub fn turn(x: &Tensor, heads: Heads, rotation: &Rotation) -> Result<()> {
    let stride = x.dim(1)?;
    change(x, |x| {
        rotate(x, stride, heads, rotation);
        Ok(())
    })
}

/// A run of context rows: the keys in `keys`, from column `key_column` on, the values alike.
pub struct ContextRun<'a> {
    pub keys: &'a Tensor,
    pub key_column: usize,
    pub values: &'a Tensor,
    pub value_column: usize,
    pub rows: usize,
}

impl ContextRun<'_> {
    fn span<'a>(&self, keys: &'a Values, values: &'a Values) -> Result<Span<'a>> {
        Ok(Span {
            keys: Rows {
                values: &keys.as_slice()?[self.key_column..],
                stride: self.keys.dim(1)?,
            },
            values: Rows {
                values: &values.as_slice()?[self.value_column..],
                stride: self.values.dim(1)?,
            },
            rows: self.rows,
        })
    }
}

/// Whether [`rounded_attention`] serves heads of this shape on this processor.
pub fn attends_rounded(shape: Shape) -> bool {
    shape.width <= kernels::attention::WIDEST_ROUNDED && rounded_products()
}

/// As [`attention`] over all of one run, everything but the sums rounded to bf16.
pub fn rounded_attention(shape: Shape, queries: &Tensor, run: &ContextRun) -> Result<Tensor> {
    let (rows, stride) = queries.dims2()?;
    let (query_values, keys, values) = (
        Values::of(queries)?,
        Values::of(run.keys)?,
        Values::of(run.values)?,
    );
    let span = run.span(&keys, &values)?;
    let mut out = vec![0.0; rows * shape.heads * shape.width];
    let queries = Rows {
        values: query_values.as_slice()?,
        stride,
    };
    attend_rounded(shape, queries, span, &mut out);
    Tensor::from_vec(out, (rows, shape.heads * shape.width), &Device::Cpu)
}

/// Attention of the queries in the first columns of `queries` over the context: `[rows, heads * width]`.
pub fn attention(shape: Shape, queries: &Tensor, context: &[ContextRun], mask: Mask) -> Result<Tensor> {
    let (rows, stride) = queries.dims2()?;
    let query_values = Values::of(queries)?;
    let held = held(context)?;
    let mut out = vec![0.0; rows * shape.heads * shape.width];
    let queries = Rows {
        values: query_values.as_slice()?,
        stride,
    };
    attend(shape, queries, &spans(context, &held)?, mask, &mut out);
    Tensor::from_vec(out, (rows, shape.heads * shape.width), &Device::Cpu)
}

/// Attention of each row of queries over a context of its own, all of which it sees.
pub fn attention_each(shape: Shape, queries: &Tensor, contexts: &[Vec<ContextRun>]) -> Result<Tensor> {
    let (rows, stride) = queries.dims2()?;
    let query_values = Values::of(queries)?;
    let held = contexts.iter().map(|context| held(context));
    let held = held.collect::<Result<Vec<_>>>()?;
    let spans = contexts
        .iter()
        .zip(&held)
        .map(|(context, held)| spans(context, held));
    let spans = spans.collect::<Result<Vec<_>>>()?;
    let mut out = vec![0.0; rows * shape.heads * shape.width];
    let queries = Rows {
        values: query_values.as_slice()?,
        stride,
    };
    attend_each(shape, queries, &spans, &mut out);
    Tensor::from_vec(out, (rows, shape.heads * shape.width), &Device::Cpu)
}

/// Keys and values of a run, borrowed.
type Held<'a> = (Values<'a>, Values<'a>);

fn held<'a>(context: &'a [ContextRun]) -> Result<Vec<Held<'a>>> {
    let of_run = |run: &ContextRun<'a>| Ok((Values::of(run.keys)?, Values::of(run.values)?));
    context.iter().map(of_run).collect()
}

fn spans<'a>(context: &[ContextRun], held: &'a [Held]) -> Result<Vec<Span<'a>>> {
    let runs = context.iter().zip(held);
    runs.map(|(run, (keys, values))| run.span(keys, values)).collect()
}

/// Up to this many rows a product is bound by reading the weight, so its rows are read in order, once. A row gives the same
/// bits among as many others.
pub const FEW: usize = 8;

/// `x W^T` for rows `x`, `[rows, inputs]`, and a weight `[outputs, inputs]` in any kept type.
pub fn product(weight: &Tensor, x: &Tensor) -> Result<Tensor> {
    match weight.dtype() {
        DType::F32 => product_of::<f32>(weight, x),
        DType::BF16 => product_of::<bf16>(weight, x),
        DType::F16 => product_of::<f16>(weight, x),
        other => bail!("weights are not kept in {other:?}"),
    }
}

fn product_of<W: Weight + WithDType>(weight: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (outputs, width) = weight.dims2()?;
    let (rows, given) = x.dims2()?;
    if given != width {
        bail!("rows of {given} values do not fit a weight of {width} inputs");
    }
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
