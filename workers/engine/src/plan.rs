//! How much memory a model takes, counted before it is loaded.

use crate::config::Config;

/// Bytes of one cached value: keys and values are kept in `f32`.
const CACHED: u64 = 4;
/// Rows that pass the wide parts of the tower at one time.
const WIDE_ROWS: u64 = 512;

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The weights as they are stored.
    pub weights: u64,
    /// Keys and values of one token.
    pub cache_per_token: u64,
    /// Keys and values of a full context.
    pub cache: u64,
    /// What the vision tower holds beside the weights at its widest.
    pub tower: u64,
}

impl MemoryPlan {
    /// For a model of this shape whose weights are stored in so many bytes.
    pub fn of(config: &Config, weights: u64) -> Self {
        let count = |number: usize| number as u64;
        let keys = count(config.key_heads * config.head_width);
        let cache_per_token = 2 * count(config.layers) * keys * CACHED;
        let vision = &config.vision;
        let (rows, hidden, inner) = (
            count(vision.positions()),
            count(vision.hidden),
            count(vision.inner),
        );
        // Rows themselves, queries with keys and values, and what was attended to; then the wide part of a block.
        let tower = rows * hidden * 5 * 4 + WIDE_ROWS.min(rows) * (inner + hidden) * 4;
        Self {
            weights,
            cache_per_token,
            cache: cache_per_token * count(config.context),
            tower,
        }
    }

    /// What is needed at once: a page is encoded before its conversation fills the context.
    pub fn peak(&self) -> u64 {
        self.weights + self.cache.max(self.tower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::published;

    #[test]
    fn the_published_model_in_8_5_gigabytes_needs_less_than_12() {
        let plan = MemoryPlan::of(&published(), 8_500_000_000);
        assert_eq!(plan.cache_per_token, 81_920);
        assert!(plan.peak() < 12_000_000_000, "{plan:?}");
        assert!(plan.tower > 6401 * 1792 * 4 * 4);
    }
}
