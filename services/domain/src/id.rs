//! Ids: a prefix that tells what they name, then 26 characters that sort by time of making.
//!
//! An id is a version 7 UUID in Crockford's base 32, so it also serves as the cursor of a page.

use crate::clock::SharedClock;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::{ContextV7, Timestamp, Uuid};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id of this kind is `{prefix}_` and 26 characters of 0-9 and a-z without i, l, o, u")]
pub struct BadId {
    /// What the id should have begun with.
    pub prefix: &'static str,
}

fn encode(mut value: u128) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&known| known == byte)?;
        Some(value << 5 | digit as u128)
    })
}

/// Makes ids, each of which sorts after those that it made before. One for a process; hand it the clock of the process.
#[derive(Clone)]
pub struct IdMaker {
    clock: SharedClock,
    counter: Arc<Mutex<ContextV7>>,
}

impl IdMaker {
    /// Ids stamped by `clock`, those of one millisecond told apart by a counter that begins anywhere and by chance.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            counter: Arc::new(Mutex::new(ContextV7::new())),
        }
    }

    /// A fresh id of the kind that the caller expects.
    pub fn make<T: From<Uuid>>(&self) -> T {
        let now = self.clock.now();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        T::from(Uuid::new_v7(Timestamp::from_unix(
            &*counter,
            seconds,
            now.nanosecond(),
        )))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value.as_u128())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = encode(self.0);
                write!(f, "{}_{}", $prefix, std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A batch of documents.
    BatchId = "bat";
    /// An uploaded document.
    DocumentId = "doc";
    /// One page of a document.
    PageId = "pag";
    /// One page and one question.
    JobId = "job";
    /// One page with all its pending questions, on its way to a worker.
    OrderId = "ord";
    /// A tenant's acceptance of terms.
    AcceptanceId = "acc";
    /// A comment on an acceptance.
    CommentId = "com";
    /// An answer of the licence gate.
    DecisionId = "dec";
    /// A place that webhooks are sent to.
    WebhookEndpointId = "whe";
    /// Something that happened, as webhooks tell it.
    EventId = "evt";
    /// One event on its way to one webhook endpoint.
    DeliveryId = "dlv";
    /// An entry of the audit log.
    AuditId = "aud";
    /// A worker process.
    WorkerId = "wrk";
    /// A secret that a program calls with.
    ApiKeyId = "key";
    /// A request that holds a key of the caller's own.
    ClaimId = "clm";
    /// What a tenant no longer keeps of a batch.
    DeletionId = "del";
    /// A change of a model's card.
    CardChangeId = "crd";
    /// Weights of a model on their way into the bucket.
    ModelUploadId = "mup";
    /// A file as clients of OpenAI's API know it.
    FileId = "file";
    /// A batch as they know it.
    OpenaiBatchId = "batch";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;
    use proptest::prelude::*;
    use time::{Duration, OffsetDateTime};

    #[test]
    fn later_ids_sort_after_earlier_ones_as_text() {
        let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)));
        let maker = IdMaker::new(clock.clone());
        let first: BatchId = maker.make();
        clock.turn(Duration::milliseconds(1));
        let second: BatchId = maker.make();
        assert!(first.to_string() < second.to_string());
        assert!(first < second);
    }

    #[test]
    fn ids_of_one_moment_sort_as_they_were_made() {
        let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)));
        let maker = IdMaker::new(clock);
        let made: Vec<String> = (0..10_000).map(|_| maker.make::<JobId>().to_string()).collect();
        assert!(made.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let maker = IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH)));
        let batch: BatchId = maker.make();
        assert_eq!(batch.to_string().parse::<JobId>(), Err(BadId { prefix: "job" }));
    }

    proptest! {
        #[test]
        fn every_id_reads_back_as_itself(value: u128) {
            let id = JobId(value);
            prop_assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<JobId>();
        }
    }
}
