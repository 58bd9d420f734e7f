//! A model's card: facts, each with where it was read, when, and who reviewed it.

use crate::hardware::Shape;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::{Date, Duration};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// What a model takes in and gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Text in, text out.
    Text,
    /// Images and text in, text out.
    ImageText,
}

impl Modality {
    /// The word in queries, JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::ImageText => "image_text",
        }
    }
}

/// Whether files in few bits are to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantisation {
    /// They are published.
    Published,
    /// They are not: the original weights are quantised.
    Required,
}

/// A model's facts beside name and license. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// Who publishes it.
    pub publisher: Option<String>,
    /// Its family, such as `glm`.
    pub family: Option<String>,
    /// One line about it.
    pub summary: Option<String>,
    /// A paragraph about it.
    pub overview: Option<String>,
    /// How many parameters it has.
    pub parameters: Option<u64>,
    /// What it takes in and gives out.
    pub modality: Option<Modality>,
    /// How many tokens fit its context.
    pub context_tokens: Option<u32>,
    /// When it was released.
    #[serde(with = "day::option")]
    pub released: Option<Date>,
    /// Where its weights are published.
    pub source: Option<String>,
    /// What it is good at.
    pub strengths: Vec<String>,
    /// What speaks against it.
    pub weaknesses: Vec<String>,
    /// Whether files in few bits are to be had.
    pub quantisation: Option<Quantisation>,
    /// The variant that most begin with.
    pub usual_variant: Option<String>,
    /// The sizes that its memory follows from.
    pub shape: Option<Shape>,
    /// What was measured.
    pub measurements: Vec<Measurement>,
    /// Where facts were read.
    pub sources: BTreeMap<FactName, FactSource>,
    /// Who looked over the whole card.
    pub review: Option<Review>,
    /// Its texts in Chinese.
    pub chinese: Option<Texts>,
}

/// The texts of a card in another language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    /// One line about it.
    pub summary: Option<String>,
    /// A paragraph about it.
    pub overview: Option<String>,
    /// What it is good at.
    pub strengths: Vec<String>,
    /// What speaks against it.
    pub weaknesses: Vec<String>,
}

/// A fact that has a source of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactName {
    /// The license.
    License,
    /// How many parameters.
    Parameters,
    /// The day of release.
    Released,
    /// The length of the context.
    ContextTokens,
    /// What it takes in and gives out.
    Modality,
    /// The family.
    Family,
    /// What it was made from.
    Parents,
    /// The sizes that its memory follows from.
    Shape,
    /// The sizes of its variants.
    Variants,
    /// Strengths and weaknesses.
    Qualities,
}

impl FactName {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FactName::License => "license",
            FactName::Parameters => "parameters",
            FactName::Released => "released",
            FactName::ContextTokens => "context_tokens",
            FactName::Modality => "modality",
            FactName::Family => "family",
            FactName::Parents => "parents",
            FactName::Shape => "shape",
            FactName::Variants => "variants",
            FactName::Qualities => "qualities",
        }
    }
}

/// Where a fact was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactSource {
    /// The page or file.
    pub source: String,
    /// When it was read.
    #[serde(with = "day")]
    pub seen: Date,
    /// Who reviewed it; nobody while it is proposed.
    #[serde(default)]
    pub reviewed_by: String,
}

/// Days after which a fact should be read again.
pub const STALE_DAYS: i64 = 365;

impl FactSource {
    /// Whether it should be read again.
    pub fn is_stale(&self, today: Date) -> bool {
        today - self.seen > Duration::days(STALE_DAYS)
    }
}

/// A review of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Who reviewed.
    pub by: String,
    /// When.
    #[serde(with = "day")]
    pub on: Date,
    /// By which policy.
    pub policy: String,
}

/// What somebody measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Of which variant.
    pub variant: String,
    /// With how many tokens in the context.
    pub context_tokens: u32,
    /// Bytes of memory, where it was measured.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Tokens a second while decoding, in hundredths.
    #[serde(default)]
    pub centitokens_per_second: Option<u32>,
    /// On what.
    pub on: String,
    /// By whom.
    pub by: String,
    /// Where it is told.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn a_fact_is_stale_a_year_after_it_was_read() {
        let fact = FactSource {
            source: "https://example.org".into(),
            seen: date!(2026 - 11 - 26),
            reviewed_by: "somebody".into(),
        };
        assert!(!fact.is_stale(date!(2027 - 11 - 26)));
        assert!(fact.is_stale(date!(2027 - 11 - 27)));
    }

    #[test]
    fn an_empty_card_says_that_everything_is_unknown() {
        let card: Card = toml::from_str("").unwrap();
        assert_eq!(card, Card::default());
    }
}
