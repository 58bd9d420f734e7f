//! Who wants to see how far a computation is, or what it computed on the way.

use std::ops::ControlFlow;

use candle_core::Tensor;

/// A point that a computation has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Patches with their positions: `[positions, tower hidden]`.
    Patches,
    /// After tower block `n`: the same shape.
    TowerBlock(usize),
    /// After the 2x2 convolution: `[image rows - 2, hidden]`.
    Downsampled,
    /// The image's rows, framed and scaled: `[image rows, hidden]`.
    ImageRows,
    /// A chunk of rows that enters the language model: `[rows, hidden]`.
    Embedded,
    /// The same chunk after layer `n`.
    Layer(usize),
    /// The same chunk after the final norm. Reached only if [`Trace::wants_final_norm`].
    FinalNorm,
}

/// Receives every stage with its rows, and may break the computation off.
pub trait Trace {
    fn reached(&mut self, stage: Stage, rows: &Tensor) -> ControlFlow<()>;

    /// Asked between the parts of a layer, which at full size takes seconds.
    fn goes_on(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The final norm of rows that no logits are asked for is computed only for those who look at it.
    fn wants_final_norm(&self) -> bool {
        false
    }

    /// The stages of an answer's own tokens are told only to those who ask for them.
    fn wants_tokens(&self) -> bool {
        false
    }
}

/// Nobody looks.
#[derive(Debug, Clone, Copy)]
pub struct Untraced;

impl Trace for Untraced {
    fn reached(&mut self, _: Stage, _: &Tensor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Looks at no rows, but is asked at every stage and between the parts of a layer whether to go on.
pub struct Asked<F>(pub F);

impl<F: FnMut() -> ControlFlow<()>> Trace for Asked<F> {
    fn reached(&mut self, _: Stage, _: &Tensor) -> ControlFlow<()> {
        (self.0)()
    }

    fn goes_on(&mut self) -> ControlFlow<()> {
        (self.0)()
    }

    fn wants_tokens(&self) -> bool {
        true
    }
}

/// Why a computation gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    #[error("the computation was broken off")]
    Cancelled,
    #[error("the computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Reports a stage.
pub(super) fn report(trace: &mut dyn Trace, stage: Stage, rows: &Tensor) -> Result<(), ComputeError> {
    unless_broken_off(trace.reached(stage, rows))
}

/// Asks whether to go on between the parts of a layer.
pub(super) fn ask(trace: &mut dyn Trace) -> Result<(), ComputeError> {
    unless_broken_off(trace.goes_on())
}

fn unless_broken_off(flow: ControlFlow<()>) -> Result<(), ComputeError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ComputeError::Cancelled),
    }
}
