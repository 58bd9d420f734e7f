//! Where random bytes come from: handed in, so that tests can choose them.

use std::sync::Arc;

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes.
#[derive(Clone)]
pub struct Randomness(Arc<Fill>);

impl Default for Randomness {
    /// The thread's generator, which is fit for secrets.
    fn default() -> Self {
        Self::new(|bytes| rand::Rng::fill(&mut rand::rng(), bytes))
    }
}

impl Randomness {
    /// Bytes that `fill` fills in.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A number from 0 to 1.
    pub fn part(&self) -> f64 {
        f64::from(u32::from_be_bytes(self.bytes())) / f64::from(u32::MAX)
    }
}
