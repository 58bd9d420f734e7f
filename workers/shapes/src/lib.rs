//! JSON schemas that answers follow.
//!
//! A schema comes from whoever asks, so it is hostile: [`Shape::of`] takes only what is small, refers to nothing
//! elsewhere and compiles within limits, and says why it does not take the rest. The hub asks that before it takes a
//! question; a worker compiles it again for the tokens of its model ([`Vocabulary`]) and lets the model choose only what
//! keeps to it ([`Following`]). At the end [`Shape::fits`] says whether an answer does.
//!
//! Not here: models, tokens' texts, jobs. What compiles and follows schemas is `llguidance`, what judges answers
//! `jsonschema`.

mod following;
mod hostile;

pub use following::{Following, OffShape, Vocabulary};

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value, json};

/// A schema that can be followed.
#[derive(Debug)]
pub struct Shape {
    validator: Validator,
    schema: Value,
}

/// Why a schema is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadShape {
    /// It is neither an object nor small.
    #[error("a schema is an object")]
    NoObject,
    /// It is too long.
    #[error("the schema has {bytes} bytes and may have {most}")]
    TooLong {
        /// Of its JSON.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// It is nested too deeply.
    #[error("the schema is nested more than {most} levels deep")]
    TooDeep {
        /// The limit.
        most: usize,
    },
    /// It has a reference that leads out of it.
    #[error(
        "the schema refers to {0:?}: only what stands in it itself, such as #/$defs/NAME, can be referred to"
    )]
    Elsewhere(String),
    /// It is no schema, or one that cannot be followed.
    #[error("the schema cannot be followed: {0}")]
    Unusable(String),
}

/// The most levels of a schema.
pub const MOST_LEVELS: usize = 64;
/// The most bytes of a schema that a worker follows, whatever the hub took.
pub const MOST_BYTES: usize = 256 * 1024;

impl Shape {
    /// A schema of at most `most` bytes, compiled within limits of time and memory.
    pub fn of(schema: &Value, most: usize) -> Result<Self, BadShape> {
        hostile::check(schema, most)?;
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options
            .build(schema)
            .map_err(|error| BadShape::Unusable(error.to_string()))?;
        let shape = Self {
            validator,
            schema: compact(schema),
        };
        following::compiles(&shape.schema)?;
        Ok(shape)
    }

    /// Whether a text is JSON that keeps to the schema.
    pub fn fits(&self, text: &str) -> bool {
        serde_json::from_str(text).is_ok_and(|value: Value| self.validator.is_valid(&value))
    }

    /// The schema of any object.
    pub fn object() -> Value {
        json!({ "type": "object" })
    }
}

/// The schema for answers without white space between their parts: a model that may write it may write it forever.
fn compact(schema: &Value) -> Value {
    let mut members: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
    members.insert("x-guidance".into(), json!({ "whitespace_flexible": false }));
    Value::Object(members)
}

#[cfg(test)]
mod tests;
