//! What an endpoint may choose of what it is sent: how it is signed, and in which form it comes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const PREFIX: &str = "whsk_";
/// How many random bytes an asymmetric key is made of.
pub const SEED_BYTES: usize = 32;

/// How webhooks of an endpoint are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureChoice {
    /// With a secret that the receiver has too.
    #[default]
    V1,
    /// With a key whose public half the receiver has.
    V1a,
    /// With both.
    Both,
}

impl SignatureChoice {
    /// Whether a secret that the receiver has is used.
    pub fn has_v1(self) -> bool {
        self != SignatureChoice::V1a
    }

    /// Whether a key with a public half is used.
    pub fn has_v1a(self) -> bool {
        self != SignatureChoice::V1
    }

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            SignatureChoice::V1 => "v1",
            SignatureChoice::V1a => "v1a",
            SignatureChoice::Both => "both",
        }
    }
}

/// In which form an endpoint is told of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventForm {
    /// `type`, `timestamp` and `data`, as Standard Webhooks proposes.
    #[default]
    Standard,
    /// `CloudEvents` 1.0, structured.
    CloudEvents,
}

impl EventForm {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            EventForm::Standard => "standard",
            EventForm::CloudEvents => "cloudevents",
        }
    }

    /// The media type of a body.
    pub fn media_type(self) -> &'static str {
        match self {
            EventForm::Standard => "application/json",
            EventForm::CloudEvents => "application/cloudevents+json",
        }
    }
}

/// The word is none of those that an endpoint may choose from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no choice of an endpoint")]
pub struct BadChoice(String);

impl FromStr for SignatureChoice {
    type Err = BadChoice;

    fn from_str(text: &str) -> Result<Self, BadChoice> {
        let all = [SignatureChoice::V1, SignatureChoice::V1a, SignatureChoice::Both];
        let found = all.into_iter().find(|choice| choice.as_str() == text);
        found.ok_or_else(|| BadChoice(text.to_owned()))
    }
}

impl FromStr for EventForm {
    type Err = BadChoice;

    fn from_str(text: &str) -> Result<Self, BadChoice> {
        let all = [EventForm::Standard, EventForm::CloudEvents];
        let found = all.into_iter().find(|form| form.as_str() == text);
        found.ok_or_else(|| BadChoice(text.to_owned()))
    }
}

/// The private key of an endpoint. It does not print, it is wiped from memory when dropped, and it leaves the hub for
/// nobody: receivers have its public half.
pub struct EndpointSeed(SecretBox<[u8; SEED_BYTES]>);

/// The text is no private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a private key is `whsk_` and 32 bytes in base64")]
pub struct BadSeed;

impl EndpointSeed {
    /// A key of random bytes that nobody else knows.
    pub fn of(random: [u8; SEED_BYTES]) -> Self {
        Self(SecretBox::new(Box::new(random)))
    }

    /// As the records keep it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.bytes()))
    }

    /// What signs.
    pub fn bytes(&self) -> &[u8; SEED_BYTES] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for EndpointSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSeed(…)")
    }
}

impl FromStr for EndpointSeed {
    type Err = BadSeed;

    fn from_str(text: &str) -> Result<Self, BadSeed> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| <[u8; SEED_BYTES]>::try_from(bytes).ok());
        bytes.map(Self::of).ok_or(BadSeed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_back_from_their_words() {
        for choice in [SignatureChoice::V1, SignatureChoice::V1a, SignatureChoice::Both] {
            assert_eq!(choice.as_str().parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.as_str());
        }
        for form in [EventForm::Standard, EventForm::CloudEvents] {
            assert_eq!(form.as_str().parse(), Ok(form));
            assert_eq!(serde_json::to_value(form).unwrap(), form.as_str());
        }
        assert!("v2".parse::<SignatureChoice>().is_err() && "binary".parse::<EventForm>().is_err());
    }

    #[test]
    fn a_private_key_reads_back_and_does_not_print() {
        let seed = EndpointSeed::of([7; SEED_BYTES]);
        assert_eq!(
            seed.reveal().parse::<EndpointSeed>().unwrap().bytes(),
            seed.bytes()
        );
        assert_eq!(format!("{seed:?}"), "EndpointSeed(…)");
        for bad in ["", "whsk_", "whsk_AAAA", "whsec_AAAA"] {
            assert_eq!(bad.parse::<EndpointSeed>().err(), Some(BadSeed), "{bad}");
        }
    }
}
