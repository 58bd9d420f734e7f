//! Seconds that the parts of a model take, each measured alone, so that another program can be measured in between.

use std::ops::ControlFlow;
use std::time::Instant;

use candle_core::Tensor;

use crate::Engine;
use crate::cache::Cache;
use crate::glm4v::{ComputeError, Stage, Trace, Untraced};

/// Seconds of the tower's second block; none if it has fewer.
pub fn tower_block(engine: &Engine) -> Result<Option<f64>, ComputeError> {
    let vision = &engine.config().vision;
    let pixels: Vec<f32> = (0..vision.channels * vision.image_side.pow(2))
        .map(|at| (at as f32 * 0.37).sin())
        .collect();
    let mut second = SecondBlock::default();
    match engine.model().encode_image(&pixels, &mut second) {
        Ok(_) | Err(ComputeError::Cancelled) => Ok(second.took),
        Err(error) => Err(error),
    }
}

/// Breaks off when it has seen what it wants.
#[derive(Default)]
struct SecondBlock {
    began: Option<Instant>,
    took: Option<f64>,
}

impl Trace for SecondBlock {
    fn reached(&mut self, stage: Stage, _: &Tensor) -> ControlFlow<()> {
        match (stage, self.began) {
            (Stage::TowerBlock(0), _) => self.began = Some(Instant::now()),
            (Stage::TowerBlock(1), Some(began)) => {
                self.took = Some(began.elapsed().as_secs_f64());
                return ControlFlow::Break(());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Seconds that `rows` rows take through the language model, with the logits after the last.
pub fn prefill(engine: &Engine, rows: usize) -> Result<f64, ComputeError> {
    let start = Instant::now();
    let mut cache = engine.model().new_cache();
    let last = take_in(engine, rows, &mut cache)?;
    engine.model().logits(&last)?;
    Ok(start.elapsed().as_secs_f64())
}

/// A memory of `rows` rows, to measure [`decode`] after.
pub fn memory(engine: &Engine, rows: usize) -> Result<Cache, ComputeError> {
    let mut cache = engine.model().new_cache();
    take_in(engine, rows, &mut cache)?;
    Ok(cache)
}

fn take_in(engine: &Engine, rows: usize, cache: &mut Cache) -> Result<Tensor, ComputeError> {
    let ids: Vec<u32> = (0..rows).map(|row| row as u32 % 100).collect();
    let positions: Vec<usize> = (0..rows).collect();
    engine
        .model()
        .take_in(&engine.model().embed(&ids)?, &positions, cache, &mut Untraced)
}

/// Seconds that `tokens` tokens take after a memory, one by one.
pub fn decode(engine: &Engine, memory: &Cache, tokens: usize) -> Result<f64, ComputeError> {
    let mut cache = memory.fork();
    let start = Instant::now();
    for token in 0..tokens {
        engine
            .model()
            .step(token as u32 % 100, &mut cache, &mut Untraced)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds that `tokens` tokens take for each of `count` answers that go on after one memory together.
pub fn decode_together(
    engine: &Engine,
    memory: &Cache,
    count: usize,
    tokens: usize,
) -> Result<f64, ComputeError> {
    let mut forks: Vec<Cache> = (0..count).map(|_| memory.fork()).collect();
    let mut caches: Vec<&mut Cache> = forks.iter_mut().collect();
    let start = Instant::now();
    for token in 0..tokens {
        let ids: Vec<u32> = (0..count).map(|answer| (token + answer) as u32 % 100).collect();
        engine.model().step_each(&ids, &mut caches, &mut Untraced)?;
    }
    Ok(start.elapsed().as_secs_f64())
}
