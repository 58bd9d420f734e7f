//! Which grants this worker has used up: an order that somebody puts into the queue again is not worked at again.
//!
//! Another worker knows nothing of it. What it would report, the hub does not take: the attempt is over.

use domain::{grant::Grant, id::OrderId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The orders and attempts whose work is done, each with the moment from which its grant is refused anyway.
#[derive(Default)]
pub(crate) struct Spent(Mutex<HashMap<(OrderId, u32), i64>>);

impl Spent {
    /// Remembers that the work of `grant` is done. At `refused_from` (seconds since 1970) it is over by itself.
    pub(crate) fn note(&self, order: OrderId, attempt: u32, refused_from: i64) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.insert((order, attempt), refused_from);
    }

    /// Whether the work of `grant` is done; forgets what is over at `now`.
    pub(crate) fn holds(&self, grant: &Grant, now: i64) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.retain(|_, refused_from| *refused_from > now);
        spent.contains_key(&(grant.order, grant.attempt))
    }
}
