//! Letting a model choose only what keeps to a schema.

use crate::{BadShape, Shape};
use llguidance::{
    Matcher, ParserFactory,
    api::{ParserLimits, TopLevelGrammar},
    panic_utils,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};
use serde_json::Value;
use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock, OnceLock},
};

/// Nothing keeps to the schema any more, or finding that out took too much.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be followed any further: {0}")]
pub struct OffShape(String);

/// What a schema may take to compile, and a token to be found. A thousand of these units are about 20 microseconds.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 400_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 50_000,
        max_grammar_size: 100_000,
        precompute_large_lexemes: false,
        // Errors would tell what was answered so far.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

fn factory(tokens: &TokEnv, slices: &[String]) -> Result<ParserFactory, BadShape> {
    let factory = ParserFactory::new(tokens, InferenceCapabilities::default(), slices);
    let mut factory = factory.map_err(|error| unusable(&error))?;
    factory.quiet();
    *factory.limits_mut() = limits();
    Ok(factory)
}

fn unusable(error: &impl fmt::Display) -> BadShape {
    BadShape::Unusable(error.to_string())
}

fn matcher(factory: &ParserFactory, schema: &Value) -> Result<Matcher, BadShape> {
    let grammar = TopLevelGrammar::from_json_schema(schema.clone());
    let parser = panic_utils::catch_unwind(AssertUnwindSafe(|| factory.create_parser(grammar)));
    let matcher = Matcher::new(parser);
    match matcher.get_error() {
        Some(error) => Err(unusable(&error)),
        None => Ok(matcher),
    }
}

/// Whether a schema compiles, for tokens that are a byte each.
pub(crate) fn compiles(schema: &Value) -> Result<(), BadShape> {
    static BYTES: LazyLock<Result<ParserFactory, BadShape>> =
        LazyLock::new(|| factory(&ApproximateTokEnv::single_byte_env(), &[]));
    let factory = BYTES.as_ref().map_err(Clone::clone)?;
    let mut matcher = matcher(factory, schema)?;
    // Much of a schema is compiled when the first token is asked for.
    let first = matcher.compute_mask().map_err(|error| unusable(&error))?;
    match first.is_zero() {
        true => Err(BadShape::Unusable("nothing keeps to it".into())),
        false => Ok(()),
    }
}

/// The tokens of a model.
pub struct Vocabulary {
    words: Vec<Vec<u8>>,
    end: u32,
    /// Made when the first schema is followed: it takes a moment and some memory.
    factory: OnceLock<Result<ParserFactory, BadShape>>,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary")
            .field("words", &self.words.len())
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Of each id what it adds to a text, nothing for those that are no text; `end` ends an answer.
    pub fn new(words: Vec<Vec<u8>>, end: u32) -> Self {
        Self {
            words,
            end,
            factory: OnceLock::new(),
        }
    }

    /// An answer that will keep to `shape`.
    pub fn follow(&self, shape: &Shape) -> Result<Following, BadShape> {
        let factory = self.factory.get_or_init(|| self.factory());
        let matcher = matcher(factory.as_ref().map_err(Clone::clone)?, &shape.schema)?;
        Ok(Following(matcher))
    }

    fn factory(&self) -> Result<ParserFactory, BadShape> {
        let mut words = self.words.clone();
        if let Some(end) = words.get_mut(self.end as usize) {
            *end = b"\xFF<|end|>".to_vec();
        }
        let info = TokRxInfo::new(words.len() as u32, self.end);
        let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)));
        factory(&tokens, &llguidance::earley::SlicedBiasComputer::json_slices())
    }
}

/// An answer that keeps to a schema, while it is being written.
pub struct Following(Matcher);

impl Following {
    /// Makes every token out of the question that would leave the schema: no logit is less than theirs.
    pub fn narrow(&mut self, logits: &mut [f32]) -> Result<(), OffShape> {
        let allowed = self.0.compute_mask_or_eos().map_err(off)?;
        if allowed.is_zero() {
            return Err(OffShape("no token keeps to it".into()));
        }
        for (id, logit) in (0..).zip(logits) {
            if id as usize >= allowed.len() || !allowed.is_allowed(id) {
                *logit = f32::MIN;
            }
        }
        Ok(())
    }

    /// Goes on with a token that was chosen.
    pub fn take(&mut self, id: u32) -> Result<(), OffShape> {
        self.0.consume_token(id).map_err(off)
    }

    /// Whether nothing can follow any more.
    pub fn is_complete(&self) -> bool {
        self.0.is_stopped()
    }
}

fn off(error: impl fmt::Display) -> OffShape {
    OffShape(error.to_string())
}
