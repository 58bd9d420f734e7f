//! Work on many rows, a block at a time.

use candle_core::Tensor;

use super::trace::{ComputeError, Trace, ask};
use crate::weights::Linear;

/// Calls `f` with the number of the first row and the rows of each block of `x`, as long as it is to go on, which `f` may
/// ask as well.
pub(super) fn for_blocks(
    x: &Tensor,
    block: usize,
    trace: &mut dyn Trace,
    f: impl Fn(usize, &Tensor, &mut dyn Trace) -> Result<(), ComputeError>,
) -> Result<(), ComputeError> {
    let rows = x.dim(0)?;
    for first in (0..rows).step_by(block) {
        ask(trace)?;
        f(first, &x.narrow(0, first, block.min(rows - first))?, trace)?;
    }
    Ok(())
}

/// `layer` of all rows of `x`, finely, block by block: a row's values do not depend on the others.
pub(super) fn forward_finely_in_blocks(
    layer: &Linear,
    x: &Tensor,
    block: usize,
    trace: &mut dyn Trace,
) -> Result<Tensor, ComputeError> {
    let rows = x.dim(0)?;
    if rows <= block {
        return Ok(layer.forward_finely(x)?);
    }
    let mut parts = Vec::with_capacity(rows.div_ceil(block));
    for first in (0..rows).step_by(block) {
        ask(trace)?;
        parts.push(layer.forward_finely(&x.narrow(0, first, block.min(rows - first))?)?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}
