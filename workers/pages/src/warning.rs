//! What is amiss with a document that gives its pages all the same.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The most warnings that are told of one document.
pub const MOST_WARNINGS: usize = 16;
/// The most characters that are told of a font's name.
pub const MOST_NAME_CHARACTERS: usize = 100;

/// Every kind has a stable [`code`](Warning::code); the message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum Warning {
    #[error(
        "the font \"{font}\" is neither in the PDF document nor on this machine, so text in it may be missing: make the PDF with its fonts in it"
    )]
    #[serde(rename = "font_missing")]
    FontMissing { font: String },
}

impl Warning {
    /// The stable code of this kind of warning.
    pub fn code(&self) -> &'static str {
        match self {
            Warning::FontMissing { .. } => "font_missing",
        }
    }

    /// The same in bounds, without characters that no name has.
    fn bounded(self) -> Self {
        match self {
            Warning::FontMissing { font } => {
                let shown = font.chars().filter(|one| !one.is_control());
                Warning::FontMissing {
                    font: shown.take(MOST_NAME_CHARACTERS).collect(),
                }
            }
        }
    }
}

/// The warnings of one document, each once and no more than [`MOST_WARNINGS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<Warning>>>);

impl Warnings {
    pub(crate) fn add(&self, warning: Warning) {
        let warning = warning.bounded();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_WARNINGS && !told.contains(&warning) {
            told.push(warning);
        }
    }

    /// Those of `warnings`, whoever told them.
    pub(crate) fn of(warnings: Vec<Warning>) -> Vec<Warning> {
        let told = Self::default();
        warnings.into_iter().for_each(|warning| told.add(warning));
        told.list()
    }

    pub(crate) fn list(&self) -> Vec<Warning> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_one_on_the_wire() {
        let missing = Warning::FontMissing {
            font: "宋体".into()
        };
        let wire = serde_json::to_value(&missing).unwrap();
        assert_eq!(wire["code"], missing.code());
        assert_eq!(serde_json::from_value::<Warning>(wire).unwrap(), missing);
    }

    #[test]
    fn warnings_are_bounded_in_number_and_length_and_each_is_told_once() {
        let font = |font: String| Warning::FontMissing { font };
        let names = (0..100).flat_map(|place| [place, place]);
        let told = Warnings::of(names.map(|place| font(format!("A\0{place}"))).collect());
        let first: Vec<Warning> = (0..MOST_WARNINGS)
            .map(|place| font(format!("A{place}")))
            .collect();
        assert_eq!(told, first);
        let long = |characters| Warnings::of(vec![font("字".repeat(characters))]);
        assert_eq!(long(MOST_NAME_CHARACTERS + 1), long(MOST_NAME_CHARACTERS));
        assert_ne!(long(MOST_NAME_CHARACTERS - 1), long(MOST_NAME_CHARACTERS));
    }
}
