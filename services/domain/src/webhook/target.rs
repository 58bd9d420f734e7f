//! What a tenant says about an endpoint, apart from its URL.

use super::EventType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The most characters of an endpoint's description.
pub const MOST_DESCRIPTION_CHARACTERS: usize = 500;

/// What an endpoint cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It asks for nothing.
    #[error("event_types is empty; leave it out for every type, or delete the endpoint")]
    NoTypes,
    /// It asks for what is not for asking.
    #[error("{0} is sent by a test alone; it cannot be asked for")]
    NotSubscribable(EventType),
    /// Its description is too long.
    #[error("a description has at most {MOST_DESCRIPTION_CHARACTERS} characters")]
    LongDescription,
}

/// The types of events that an endpoint asked for; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTypes(BTreeSet<EventType>);

impl EventTypes {
    /// Checks what was asked for. Doubles count once.
    pub fn new(types: impl IntoIterator<Item = EventType>) -> Result<Self, BadTarget> {
        let types: BTreeSet<EventType> = types.into_iter().collect();
        match types.iter().find(|one| !EventType::SUBSCRIBABLE.contains(one)) {
            Some(one) => Err(BadTarget::NotSubscribable(*one)),
            None if types.is_empty() => Err(BadTarget::NoTypes),
            None => Ok(Self(types)),
        }
    }

    /// Every type there is to ask for.
    pub fn all() -> Self {
        Self(EventType::SUBSCRIBABLE.into())
    }

    /// Whether it was asked for.
    pub fn contains(&self, one: EventType) -> bool {
        self.0.contains(&one)
    }
}

/// Checks an endpoint's description.
pub fn check_description(text: &str) -> Result<(), BadTarget> {
    if text.chars().count() > MOST_DESCRIPTION_CHARACTERS {
        Err(BadTarget::LongDescription)
    } else {
        Ok(())
    }
}

/// What is true of an endpoint now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointState {
    /// Events are sent to it.
    Enabled,
    /// Nothing is sent to it.
    Disabled {
        /// Since when.
        at: OffsetDateTime,
        /// Why, as a stable word: `asked`, or `gone` if it answered 410.
        code: String,
    },
}
