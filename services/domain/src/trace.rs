//! Traces: what ties a caller's own request to the order, the answer and the webhook that came of it.
//!
//! Read and written as W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>): `traceparent` and `tracestate`.
//! A trace is said by a stranger, or by a queue that anybody may have written to. It is told in logs, spans and headers,
//! and nothing is ever decided by it.

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
};

mod state;

/// Bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// Somebody before us keeps what is told of the trace.
const SAMPLED: u8 = 1;
/// The id was drawn by chance.
const RANDOM: u8 = 2;

/// A trace, and the span of it that what comes next belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Headers")]
pub struct Trace {
    id: NonZeroU128,
    span: NonZeroU64,
    flags: u8,
    state: Option<String>,
}

/// A trace as two headers say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Version, trace, span and flags.
    pub traceparent: String,
    /// What those who keep the trace say to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

impl Trace {
    /// A new trace with a span that nobody has told of. Nobody is asked to keep it.
    pub fn begin(chance: &mut impl Rng) -> Self {
        Self {
            id: chance.random(),
            span: chance.random(),
            flags: RANDOM,
            state: None,
        }
    }

    /// The trace that the headers say; none if `traceparent` is not as it must be. A `tracestate` that is not as it must
    /// be is left out.
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let version = hex(bytes.get(..2)?)?;
        // Later versions may add more behind a dash, and have these fields first.
        let goes_on = match version {
            0 => bytes.len() == LENGTH,
            0xff => false,
            _ => matches!(bytes.get(LENGTH), None | Some(b'-')),
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !goes_on || !dashes {
            return None;
        }
        let flags = u8::try_from(hex(bytes.get(53..LENGTH)?)?).ok()?;
        Some(Self {
            id: NonZeroU128::new(hex(&bytes[3..35])?)?,
            span: NonZeroU64::new(u64::try_from(hex(&bytes[36..52])?).ok()?)?,
            flags: flags & (SAMPLED | RANDOM),
            state: tracestate.and_then(state::bounded),
        })
    }

    /// The same trace, further on: what comes next belongs to `span`, which is kept or not.
    pub fn within(&self, span: NonZeroU64, sampled: bool) -> Self {
        let flags = self.flags & !SAMPLED | if sampled { SAMPLED } else { 0 };
        Self {
            span,
            flags,
            ..self.clone()
        }
    }

    /// The same trace, further on, in a span that nobody tells of.
    pub fn further(&self, chance: &mut impl Rng) -> Self {
        Self {
            span: chance.random(),
            ..self.clone()
        }
    }

    /// Which trace.
    pub fn id(&self) -> u128 {
        self.id.get()
    }

    /// Which span of it.
    pub fn span(&self) -> u64 {
        self.span.get()
    }

    /// Whether somebody before us keeps what is told of it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header `traceparent`, in version 00.
    pub fn traceparent(&self) -> String {
        let Self { id, span, flags, .. } = self;
        format!("00-{id:032x}-{span:016x}-{flags:02x}")
    }

    /// The header `tracestate`, if there is one: at most 32 members and 512 bytes.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// The trace's id, as logs tell it.
impl fmt::Display for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.id)
    }
}

impl From<Trace> for Headers {
    fn from(trace: Trace) -> Self {
        Self {
            traceparent: trace.traceparent(),
            tracestate: trace.state,
        }
    }
}

/// Reads a field that somebody else wrote: what is no trace is none, and no fault of what it came with.
pub fn if_readable<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Trace>, D::Error> {
    let value = serde_json::Value::deserialize(reader)?;
    let headers: Option<Headers> = serde_json::from_value(value).ok();
    Ok(headers.and_then(|said| Trace::read(&said.traceparent, said.tracestate.as_deref())))
}

/// The number that lower-case hexadecimal digits say.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests;
