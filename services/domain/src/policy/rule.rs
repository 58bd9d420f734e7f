//! One rule of a Cedar file, and what its annotations say.

use super::{
    fault::PolicyFault,
    statements::Statement,
    template::{self, Words},
};
use crate::gate::ReasonCode;
use cedar_policy::{Effect, Policy, PolicyId};

/// Which way a rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEffect {
    /// It permits.
    Permit,
    /// It forbids, whatever else permits.
    Forbid,
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands: FILE:LINE. Names it in explanations.
    pub place: String,
    /// `@id`, if it has one.
    pub id: Option<String>,
    /// It itself, from its first annotation to its semicolon.
    pub text: String,
    /// Which way it speaks.
    pub effect: RuleEffect,
    /// What a refusal by it says; permits have none.
    pub refusal: Option<RuleRefusal>,
}

/// What a refusal by a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRefusal {
    /// `@code`: the stable word.
    pub code: ReasonCode,
    cure: String,
    message: Option<String>,
}

impl RuleRefusal {
    /// What to do about it, with the words filled in.
    pub fn cure(&self, words: &Words) -> String {
        template::fill(&self.cure, words)
    }

    /// What is the matter, if the rule says so itself (`@message`).
    pub fn message(&self, words: &Words) -> Option<String> {
        self.message.as_ref().map(|text| template::fill(text, words))
    }
}

impl Rule {
    /// Reads a statement of `file`, whose whole text is `text`. A rule of an organisation is not `shipped`.
    pub(super) fn read(
        file: &str,
        text: &str,
        statement: Statement<'_>,
        shipped: bool,
    ) -> Result<(Self, Policy), PolicyFault> {
        let bad = |why: String| PolicyFault::at(file, text, statement.offset, why);
        let place = place_of(file, text, statement.offset);
        let id = PolicyId::new(&place);
        let policy = Policy::parse(Some(id), statement.text).map_err(|error| {
            let offset = statement.offset + super::rules::offset_in(&error);
            PolicyFault::at(file, text, offset, super::rules::told(&error))
        })?;
        let effect = match policy.effect() {
            Effect::Permit => RuleEffect::Permit,
            Effect::Forbid => RuleEffect::Forbid,
        };
        let refusal = match effect {
            RuleEffect::Permit => None,
            RuleEffect::Forbid => Some(refusal(&policy, shipped).map_err(bad)?),
        };
        Ok((
            Self {
                place,
                id: policy.annotation("id").map(str::to_owned),
                text: statement.text.to_owned(),
                effect,
                refusal,
            },
            policy,
        ))
    }
}

/// FILE:LINE of a rule that begins at byte `offset` of `text`.
fn place_of(file: &str, text: &str, offset: usize) -> String {
    let line = text.get(..offset).unwrap_or(text).matches('\n').count() + 1;
    format!("{file}:{line}")
}

fn refusal(policy: &Policy, shipped: bool) -> Result<RuleRefusal, String> {
    let told = |key: &str| policy.annotation(key).filter(|text| !text.trim().is_empty());
    let code = told("code").ok_or(
        "a forbid needs @code(\"a_word\"): the refusal's stable code, of small letters, digits and underscores",
    )?;
    let code: ReasonCode = code.parse().map_err(|error| format!("@code: {error}"))?;
    if !shipped && !matches!(code, ReasonCode::OfRule(_)) {
        return Err(format!(
            "@code {code} is one of the hub's own words; choose another for your rule"
        ));
    }
    let cure = told("cure").ok_or("a forbid needs @cure(\"…\"): what whoever is refused can do about it")?;
    let message = told("message");
    for text in [Some(cure), message].into_iter().flatten() {
        if let Some(word) = template::unknown_word(text) {
            let known: Vec<&str> = template::WORDS.iter().map(|(word, _)| *word).collect();
            return Err(format!(
                "{{{word}}} stands for nothing; the words are {}",
                known.join(", ")
            ));
        }
    }
    Ok(RuleRefusal {
        code,
        cure: cure.to_owned(),
        message: message.map(str::to_owned),
    })
}
