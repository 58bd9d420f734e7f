//! Lists in portions: `?after=<id>&limit=<1..100>` in, `{"data": […], "next": <id or null>}` out.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// How many entries a list gives unless it is told.
const USUAL: u32 = 20;
/// How many entries a list gives at most.
pub const MOST: u32 = 100;

/// The query of a list whose entries have ids of type `I`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging<I> {
    after: Option<I>,
    limit: Option<u32>,
}

impl<I> Paging<I> {
    /// A paging of these values.
    pub fn new(after: Option<I>, limit: Option<u32>) -> Self {
        Self { after, limit }
    }

    /// After which entry to begin, and how many to give. Problem: 400 `limit_out_of_range`.
    pub fn checked(self) -> Result<(Option<I>, u32), Problem> {
        match self.limit.unwrap_or(USUAL) {
            limit if (1..=MOST).contains(&limit) => Ok((self.after, limit)),
            limit => Err(Problem::bad_request(
                "limit_out_of_range",
                format!("limit is a number from 1 to {MOST}, and {limit} was given"),
            )),
        }
    }
}

/// A portion of a list.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    data: Vec<T>,
    next: Option<String>,
}

impl<T> Listed<T> {
    /// `data`, which was asked for with `limit`; if it is full, there may be more after its last entry.
    pub fn new(data: Vec<T>, limit: u32, id: impl Fn(&T) -> String) -> Self {
        let full = data.len() >= limit as usize;
        let next = data.last().filter(|_| full).map(id);
        Self { data, next }
    }
}
