//! How a worker behaves.

use crate::noop::Computing;
use engine::LoadOptions;
use exchange::grant;
use std::time::Duration;

/// The most orders that a worker has in work: more than the engine answers at a time would only wait.
pub const MOST_ORDERS: usize = engine::TOGETHER;

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long one look into the queue waits for an order.
    pub wait: Duration,
    /// How often it looks, while it works, whether what allows the work was revoked.
    pub look: Duration,
    /// How far the clocks of hub and worker may differ.
    pub leeway: Duration,
    /// How long a worker that shall leave goes on with its order before it hands it back.
    pub drain: Duration,
    /// How long it leaves the queue alone that did not answer, or whose orders its clock is against.
    pub pause: Duration,
    /// How often it says what it is.
    pub announce: Duration,
    /// How long it prefers orders of the model that it has loaded.
    pub stay: Duration,
    /// How weights are held in memory.
    pub load: LoadOptions,
    /// How many orders it has in work at once, [`MOST_ORDERS`] at most; 0: as many as memory allows.
    pub orders_at_once: usize,
    /// Bytes of keys and values of all orders in work; 0: what the model leaves of the worker's memory.
    pub most_answer_bytes: u64,
    /// See [`engine::Schedule::page_share`].
    pub page_share: f64,
    /// How many bytes of encoded pages it keeps for further orders.
    pub most_kept_bytes: u64,
    /// What works at its orders.
    pub computing: Computing,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(1),
            look: Duration::from_millis(250),
            leeway: grant::LEEWAY.unsigned_abs(),
            drain: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            announce: Duration::from_secs(10),
            stay: Duration::from_secs(60),
            load: LoadOptions::default(),
            orders_at_once: 0,
            most_answer_bytes: 0,
            page_share: engine::Schedule::default().page_share,
            most_kept_bytes: 1 << 28,
            computing: Computing::default(),
        }
    }
}
