//! What many measurements of one thing come to.

use serde::Serialize;
use std::time::Duration;

/// Milliseconds, of measurements that were each taken once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Half of them took at most this.
    pub p50: f64,
    /// 99 of 100 took at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Figures {
    /// The figures of `measured`; zero, if there is nothing.
    pub fn of(mut measured: Vec<Duration>) -> Self {
        measured.sort_unstable();
        // The smallest value that so many hundredths of all do not exceed.
        let rank = |hundredths: usize| (measured.len() * hundredths).div_ceil(100).saturating_sub(1);
        let value = |hundredths: usize| measured.get(rank(hundredths)).map_or(0.0, milliseconds);
        Self {
            p50: value(50),
            p99: value(99),
            max: value(100),
        }
    }
}

/// The middle one of values; of two the higher, and zero of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: &Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_values_that_were_measured() {
        let all = (1..=200).rev().map(Duration::from_millis).collect();
        let (p50, p99, max) = (100.0, 198.0, 200.0);
        assert_eq!(Figures::of(all), Figures { p50, p99, max });
        let one = Figures::of(vec![Duration::from_micros(1_550)]);
        assert_eq!((one.p50, one.max), (1.6, 1.6));
        assert_eq!(Figures::of(vec![]).max, 0.0);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 4.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
