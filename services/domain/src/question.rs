//! Questions of a batch: every page of every document is asked all of them.

use crate::{combining::Scope, order::Parameters};
use serde::Serialize;

/// How many questions a batch may have, and how long each may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionLimits {
    /// The most questions of one batch.
    pub most: usize,
    /// The most characters of one question.
    pub characters: usize,
}

/// A question that keeps its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    text: String,
    parameters: Parameters,
    scope: Scope,
}

/// A question of a batch as it was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// The question's text.
    pub text: String,
    /// How to generate its answers.
    pub parameters: Parameters,
    /// What it is about.
    pub scope: Scope,
}

/// Why a list of questions is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestions {
    /// There is none, or there are too many.
    #[error("a batch has 1 to {most} questions, and {found} were given")]
    Number {
        /// The limit.
        most: usize,
        /// How many were given.
        found: usize,
    },
    /// One of them is out of its limits.
    #[error("question {place}: {field} {rule}")]
    Field {
        /// Which question, from 0.
        place: usize,
        /// The field at fault, as JSON names it.
        field: &'static str,
        /// What the field must be.
        rule: String,
    },
}

impl Question {
    /// The question's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How to generate its answers.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it is about.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The same about something else.
    pub fn about(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }
}

impl From<&Question> for Asked {
    fn from(question: &Question) -> Self {
        Self {
            text: question.text.clone(),
            parameters: question.parameters.clone(),
            scope: question.scope,
        }
    }
}

/// The questions of a batch, in the order given, if all keep `limits`.
pub fn questions(
    given: Vec<(String, Parameters)>,
    limits: QuestionLimits,
) -> Result<Vec<Question>, BadQuestions> {
    if given.is_empty() || given.len() > limits.most {
        return Err(BadQuestions::Number {
            most: limits.most,
            found: given.len(),
        });
    }
    let check = |(place, (text, parameters)): (usize, (String, Parameters))| {
        let bad = |(field, rule)| BadQuestions::Field { place, field, rule };
        check_text(&text, limits.characters).map_err(bad)?;
        check_parameters(&parameters).map_err(bad)?;
        Ok(Question {
            text,
            parameters,
            scope: Scope::Page,
        })
    };
    given.into_iter().enumerate().map(check).collect()
}

type Broken = (&'static str, String);

fn check_text(text: &str, most: usize) -> Result<(), Broken> {
    let characters = text.chars().count();
    if text.trim().is_empty() {
        return Err(("text", "must say something".into()));
    }
    if characters > most {
        return Err((
            "text",
            format!("has {characters} characters, and {most} are allowed"),
        ));
    }
    // A database may refuse to store it, and no model was trained on it.
    if text.contains('\0') {
        return Err(("text", "must not contain the character U+0000".into()));
    }
    Ok(())
}

/// The most tokens that any context of the family holds.
const MOST_NEW_TOKENS: u32 = 8_192;

fn check_parameters(given: &Parameters) -> Result<(), Broken> {
    let whole = |field, value: Option<u32>, most: u32| match value {
        Some(value) if value == 0 || value > most => Err((field, format!("must be from 1 to {most}"))),
        _ => Ok(()),
    };
    let real = |field, value: Option<f64>, fits: fn(f64) -> bool, rule: &str| match value {
        Some(value) if !fits(value) => Err((field, rule.to_owned())),
        _ => Ok(()),
    };
    whole("parameters.max_new_tokens", given.max_new_tokens, MOST_NEW_TOKENS)?;
    whole("parameters.top_k", given.top_k, 1_000_000)?;
    let temperature = |value| (0.0..=5.0).contains(&value);
    real(
        "parameters.temperature",
        given.temperature,
        temperature,
        "must be from 0 to 5",
    )?;
    let share = |value| value > 0.0 && value <= 1.0;
    real(
        "parameters.top_p",
        given.top_p,
        share,
        "must be above 0 and at most 1",
    )?;
    let penalty = |value| value > 0.0 && value <= 10.0;
    real(
        "parameters.repetition_penalty",
        given.repetition_penalty,
        penalty,
        "must be above 0 and at most 10",
    )?;
    check_stop(given.stop.as_deref().unwrap_or_default())?;
    check_logprobs(given)?;
    // What JSON carries exactly in every client: larger seeds would come back changed.
    match given.seed {
        Some(seed) if seed > (1 << 53) - 1 => {
            Err(("parameters.seed", "must be at most 9007199254740991".into()))
        }
        _ => Ok(()),
    }
}

/// The most texts that end an answer, and the most bytes of each.
const MOST_STOPS: usize = 4;
const MOST_STOP_BYTES: usize = 256;

fn check_stop(given: &[String]) -> Result<(), Broken> {
    let fits = |text: &String| (1..=MOST_STOP_BYTES).contains(&text.len()) && !text.contains('\0');
    if given.len() > MOST_STOPS || !given.iter().all(fits) {
        let rule = format!("must be at most {MOST_STOPS} texts of 1 to {MOST_STOP_BYTES} bytes");
        return Err(("parameters.stop", rule));
    }
    Ok(())
}

/// The most alternatives to a token.
const MOST_ALTERNATIVES: u32 = 20;
/// The most tokens, alternatives counted in, that are reported of an answer: they are kept with it.
const MOST_REPORTED: u32 = 65_536;
/// The tokens that an answer may have whose question says no length.
pub const USUAL_TOKENS: u32 = 1_024;

fn check_logprobs(given: &Parameters) -> Result<(), Broken> {
    let Some(alternatives) = given.top_logprobs else {
        return Ok(());
    };
    if alternatives > MOST_ALTERNATIVES {
        let rule = format!("must be at most {MOST_ALTERNATIVES}");
        return Err(("parameters.top_logprobs", rule));
    }
    let tokens = given.max_new_tokens.unwrap_or(USUAL_TOKENS);
    if tokens.saturating_mul(alternatives + 1) > MOST_REPORTED {
        let rule = format!(
            "are too many for {tokens} tokens: with the tokens themselves at most {MOST_REPORTED} are reported"
        );
        return Err(("parameters.top_logprobs", rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QuestionLimits = QuestionLimits {
        most: 2,
        characters: 5,
    };

    fn plain(text: &str) -> (String, Parameters) {
        (text.to_owned(), Parameters::default())
    }

    fn field_of(parameters: Parameters) -> Option<&'static str> {
        match questions(vec![("total".into(), parameters)], LIMITS) {
            Err(BadQuestions::Field { field, .. }) => Some(field),
            _ => None,
        }
    }

    #[test]
    fn one_question_up_to_the_limit_is_taken_and_one_more_is_not() {
        assert_eq!(
            questions(vec![], LIMITS),
            Err(BadQuestions::Number { most: 2, found: 0 })
        );
        assert_eq!(questions(vec![plain("a"), plain("b")], LIMITS).unwrap().len(), 2);
        let three = vec![plain("a"), plain("b"), plain("c")];
        assert_eq!(
            questions(three, LIMITS),
            Err(BadQuestions::Number { most: 2, found: 3 })
        );
    }

    #[test]
    fn text_is_counted_in_characters_and_must_say_something() {
        assert!(questions(vec![plain("总计多少?")], LIMITS).is_ok());
        for bad in ["总计是多少?", "", "  \n", "a\0b"] {
            let seen = questions(vec![plain("a"), plain(bad)], LIMITS);
            assert!(
                matches!(
                    seen,
                    Err(BadQuestions::Field {
                        place: 1,
                        field: "text",
                        ..
                    })
                ),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn parameters_are_taken_at_their_edges_and_named_beyond_them() {
        let none = Parameters::default();
        let tokens = |n| Parameters {
            max_new_tokens: Some(n),
            ..Parameters::default()
        };
        assert_eq!(
            [0, 1, 8_192, 8_193].map(|n| field_of(tokens(n)).is_none()),
            [false, true, true, false]
        );
        let heat = |t| Parameters {
            temperature: Some(t),
            ..Parameters::default()
        };
        assert_eq!(
            [-0.1, 0.0, 5.0, 5.1, f64::NAN].map(|t| field_of(heat(t)).is_none()),
            [false, true, true, false, false]
        );
        let share = |p| Parameters {
            top_p: Some(p),
            ..Parameters::default()
        };
        assert_eq!(
            [0.0, 0.1, 1.0, 1.1].map(|p| field_of(share(p)).is_none()),
            [false, true, true, false]
        );
        assert_eq!(
            field_of(Parameters {
                top_k: Some(0),
                ..none.clone()
            }),
            Some("parameters.top_k")
        );
        let penalty = Parameters {
            repetition_penalty: Some(10.5),
            ..none.clone()
        };
        assert_eq!(field_of(penalty), Some("parameters.repetition_penalty"));
        assert_eq!(
            field_of(Parameters {
                seed: Some(1 << 53),
                ..none
            }),
            Some("parameters.seed")
        );
    }

    #[test]
    fn stops_are_few_and_short() {
        let stop = |texts: &[&str]| Parameters {
            stop: Some(texts.iter().map(|&text| text.to_owned()).collect()),
            ..Parameters::default()
        };
        let long = "x".repeat(256);
        for good in [&[][..], &["a", "b", "c", "d"], &[&long]] {
            assert_eq!(field_of(stop(good)), None, "{good:?}");
        }
        let longer = "x".repeat(257);
        for bad in [&[""][..], &["a", "b", "c", "d", "e"], &[&longer], &["\0"]] {
            assert_eq!(field_of(stop(bad)), Some("parameters.stop"), "{bad:?}");
        }
    }

    #[test]
    fn reported_tokens_are_bounded_with_their_alternatives() {
        let logprobs = |top, tokens| Parameters {
            top_logprobs: Some(top),
            max_new_tokens: tokens,
            ..Parameters::default()
        };
        for good in [
            logprobs(20, None),
            logprobs(0, Some(8_192)),
            logprobs(7, Some(8_192)),
        ] {
            assert_eq!(field_of(good), None);
        }
        for bad in [logprobs(21, Some(1)), logprobs(8, Some(8_192))] {
            assert_eq!(field_of(bad), Some("parameters.top_logprobs"));
        }
    }
}
