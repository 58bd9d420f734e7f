//! From logits to the next token.
//!
//! Written on slices rather than with candle's `LogitsProcessor`: that one compares top-p with
//! probabilities that were not renormalised after top-k, and knows neither penalties nor masks.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How to choose tokens. The default is greedy: the most probable token, the lowest id of equals.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// `None` or 0 is greedy; otherwise logits are divided by it.
    pub temperature: Option<f64>,
    /// Keep the fewest tokens whose probabilities reach this sum (after top-k); in (0, 1].
    pub top_p: Option<f64>,
    /// Keep this many most probable tokens; at least 1.
    pub top_k: Option<usize>,
    /// Above 1 makes tokens of the history less likely; 1 leaves them alone. Greedy obeys it too.
    pub repetition_penalty: f64,
    /// The same seed, logits and settings give the same tokens.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: None,
            top_p: None,
            top_k: None,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

/// A setting outside its range, or logits that mean nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    #[error("{field} is {value}, but must be {range}")]
    OutOfRange {
        field: &'static str,
        value: String,
        range: &'static str,
    },
    #[error("the model computed a value that is not a number; its weights or arithmetic are broken")]
    NotANumber,
}

impl Sampling {
    pub fn is_greedy(&self) -> bool {
        self.temperature.is_none_or(|temperature| temperature == 0.0)
    }

    /// Checks every field's range.
    pub fn validate(&self) -> Result<(), SamplingError> {
        let refuse = |field, value: String, range| Err(SamplingError::OutOfRange { field, value, range });
        if let Some(value) = self.temperature.filter(|value| !(0.0..=100.0).contains(value)) {
            return refuse("temperature", value.to_string(), "from 0 (greedy) to 100");
        }
        if let Some(value) = self.top_p.filter(|&value| !(value > 0.0 && value <= 1.0)) {
            return refuse("top_p", value.to_string(), "above 0 and at most 1");
        }
        if let Some(value) = self.top_k.filter(|&value| value == 0) {
            return refuse("top_k", value.to_string(), "at least 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty <= 100.0) {
            let value = self.repetition_penalty.to_string();
            return refuse("repetition_penalty", value, "above 0 and at most 100 (1 is none)");
        }
        Ok(())
    }
}

/// Chooses the tokens of one answer.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    tokenless: Vec<u32>,
    random: StdRng,
}

impl Sampler {
    /// `tokenless` are the ids that have no token. They are never drawn at random. Greedy choice ignores
    /// the list: it is the model's own argmax, as reference answers have it.
    pub fn new(sampling: Sampling, tokenless: Vec<u32>) -> Result<Sampler, SamplingError> {
        sampling.validate()?;
        let random = StdRng::seed_from_u64(sampling.seed);
        Ok(Sampler {
            sampling,
            tokenless,
            random,
        })
    }

    /// The next token. `logits` (one per id) are changed in place; `history` are the ids that the
    /// repetition penalty speaks of: the prompt's, unexpanded, and the answer's so far.
    pub fn choose(&mut self, logits: &mut [f32], history: &[u32]) -> Result<u32, SamplingError> {
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(SamplingError::NotANumber);
        }
        penalise(logits, history, self.sampling.repetition_penalty);
        if self.sampling.is_greedy() {
            return greatest(logits).ok_or(SamplingError::NotANumber);
        }
        for &id in &self.tokenless {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let candidates = self.candidates(logits);
        draw(&candidates, self.random.random::<f64>()).ok_or(SamplingError::NotANumber)
    }

    /// The ids that may be drawn with their weights, the likeliest first where an order is needed.
    fn candidates(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        let Sampling {
            temperature,
            top_p,
            top_k,
            ..
        } = self.sampling;
        let temperature = temperature.unwrap_or(1.0);
        let top_p = top_p.filter(|&p| p < 1.0);
        let mut kept: Vec<(u32, f32)> = if top_k.is_some() || top_p.is_some() {
            greatest_first(logits, top_k.unwrap_or(logits.len()))
        } else {
            (0..).zip(logits.iter().copied()).collect()
        };
        kept.retain(|(_, logit)| logit.is_finite());
        let peak = kept
            .iter()
            .map(|&(_, logit)| f64::from(logit))
            .fold(f64::NEG_INFINITY, f64::max);
        let mut weighted: Vec<(u32, f64)> = kept
            .into_iter()
            .map(|(id, logit)| (id, ((f64::from(logit) - peak) / temperature).exp()))
            .collect();
        if let Some(p) = top_p {
            keep_mass(&mut weighted, p);
        }
        weighted
    }
}

/// Divides positive and multiplies negative logits of the ids in `history`, each id once.
fn penalise(logits: &mut [f32], history: &[u32], penalty: f64) {
    if penalty == 1.0 {
        return;
    }
    let penalty = penalty as f32;
    let mut ids = history.to_vec();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = if *logit < 0.0 {
                *logit * penalty
            } else {
                *logit / penalty
            };
        }
    }
}

/// The id of the greatest logit, the lowest of equals.
pub(crate) fn greatest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (id, &logit) in (0..).zip(logits) {
        if best.is_none_or(|(_, greatest)| logit > greatest) {
            best = Some((id, logit));
        }
    }
    best.map(|(id, _)| id)
}

/// The `count` greatest logits with their ids, greatest first, lower ids first among equals.
fn greatest_first(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    if count == 0 {
        return Vec::new();
    }
    if count < all.len() {
        all.select_nth_unstable_by(count - 1, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

/// Keeps the first candidates whose weights reach the share `p` of all weights; one at least.
fn keep_mass(weighted: &mut Vec<(u32, f64)>, p: f64) {
    let enough = p * weighted.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    let reached = weighted.iter().position(|(_, weight)| {
        sum += weight;
        sum >= enough
    });
    weighted.truncate(reached.map_or(weighted.len(), |last| last + 1));
}

/// The candidate at `point` (in [0, 1)) of the weights laid end to end.
fn draw(weighted: &[(u32, f64)], point: f64) -> Option<u32> {
    let target = point * weighted.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut sum = 0.0;
    let chosen = weighted.iter().find(|(_, weight)| {
        sum += weight;
        sum > target
    });
    chosen.or(weighted.last()).map(|&(id, _)| id)
}

/// The `k` likeliest ids with the natural logarithm of their probabilities, likeliest first, lower ids
/// first among equals. Take it from the model's own logits, before [`Sampler::choose`] changes them.
pub fn top_logprobs(logits: &[f32], k: usize) -> Vec<(u32, f32)> {
    let normaliser = normaliser(logits);
    greatest_first(logits, k)
        .into_iter()
        .map(|(id, logit)| (id, (f64::from(logit) - normaliser) as f32))
        .collect()
}

/// The natural logarithm of one id's probability, of the same logits as [`top_logprobs`]. None for an id that they lack.
pub fn logprob(logits: &[f32], id: u32) -> Option<f32> {
    let logit = f64::from(*logits.get(id as usize)?);
    Some((logit - normaliser(logits)) as f32)
}

fn normaliser(logits: &[f32]) -> f64 {
    let peak = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let mass: f64 = logits.iter().map(|&logit| (f64::from(logit) - peak).exp()).sum();
    peak + mass.ln()
}

#[cfg(test)]
mod tests;
