//! What must go along when a model's files are given out: the texts of its terms, and a notice of its duties.

use crate::{
    digest::Sha256,
    gate::Allowed,
    license::{Duty, Licenses},
    lineage::{self, Licensed},
    model::Revision,
    names::LicenseName,
};
use std::collections::BTreeSet;

/// The text of a license.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// The license.
    pub license: LicenseName,
    /// The digest of its exact text.
    pub sha256: Sha256,
}

impl Terms {
    /// Where the text stands in an archive.
    pub fn path(&self) -> String {
        format!("TERMS/{}-{}.txt", self.license, &self.sha256.to_string()[..12])
    }
}

/// A license obliges to pass on a copy of its terms, and no text of it is here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{license} obliges to pass on a copy of its terms, and no text of it is on this hub")]
pub struct TermsAbsent {
    /// The license.
    pub license: LicenseName,
}

/// The texts that must go along with the files of the first model of `lineage`: for every model in it the text that
/// came with its weights, or else the newest of its license, which `newest` tells.
pub fn terms(
    lineage: &[Licensed],
    licenses: &Licenses,
    newest: impl Fn(&LicenseName) -> Option<Sha256>,
) -> Result<BTreeSet<Terms>, TermsAbsent> {
    let mut texts = BTreeSet::new();
    for licensed in lineage {
        let Some(license) = &licensed.license else {
            continue;
        };
        match licensed.terms_sha256.or_else(|| newest(license)) {
            Some(sha256) => drop(texts.insert(Terms {
                license: license.clone(),
                sha256,
            })),
            None if owes_copy(licenses, license) => {
                return Err(TermsAbsent {
                    license: license.clone(),
                });
            }
            None => {}
        }
    }
    Ok(texts)
}

fn owes_copy(licenses: &Licenses, license: &LicenseName) -> bool {
    licenses
        .get(license)
        .is_some_and(|facts| facts.duties.contains(&Duty::TermsCopy))
}

/// The line of a notice that says under which decision the files were given out.
pub fn given_out(allowed: &Allowed) -> String {
    format!(
        "Given out to {} for {} under decision {}.\n",
        allowed.tenant(),
        allowed.purpose(),
        allowed.decision()
    )
}

/// The notice that stands beside the files of a revision: which they are, and what is owed for them.
pub fn notice(
    revision: &Revision,
    lineage: &[Licensed],
    licenses: &Licenses,
    terms: &BTreeSet<Terms>,
) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!("{}, revision {}", revision.model, revision.sha256));
    line(String::new());
    for (duty, place) in lineage::duties(lineage, licenses) {
        let owed = lineage
            .get(place)
            .map_or_else(String::new, |licensed| format!(" (owed for {})", licensed.model));
        line(match duty {
            Duty::Notice => format!("Keep the copyright notices{owed}."),
            Duty::Attribution { text } => format!("{text}{owed}"),
            Duty::TermsCopy => format!("Pass on the texts below TERMS/ with every copy{owed}."),
            Duty::NamePrefix { prefix } => {
                format!("Begin the names of models that you derive with {prefix:?}{owed}.")
            }
        });
    }
    for terms in terms {
        let facts = licenses.get(&terms.license);
        let title = facts.map_or(terms.license.as_str(), |license| &license.title);
        line(format!("{}: {title}", terms.path()));
        for prohibition in facts.iter().flat_map(|license| &license.prohibitions) {
            line(format!("  prohibited: {prohibition}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licensed(model: &str, license: &str, terms: Option<&str>) -> Licensed {
        Licensed {
            model: model.parse().unwrap(),
            license: Some(license.parse().unwrap()),
            terms_sha256: terms.map(|text| Sha256::of(text.as_bytes())),
            through: None,
        }
    }

    fn found(lineage: &[Licensed]) -> Result<Vec<String>, TermsAbsent> {
        let newest = |license: &LicenseName| (license.as_str() == "mit").then(|| Sha256::of(b"newest"));
        let texts = terms(lineage, &Licenses::shipped().unwrap(), newest)?;
        Ok(texts.iter().map(Terms::path).collect())
    }

    #[test]
    fn the_texts_of_all_ancestors_go_along_each_once() {
        let one = Sha256::of(b"one").to_string();
        let newest = Sha256::of(b"newest").to_string();
        let lineage = [
            licensed("a/own", "glm-4", Some("one")),
            licensed("a/parent", "mit", None),
            licensed("a/top", "glm-4", Some("one")),
        ];
        assert_eq!(
            found(&lineage).unwrap(),
            [
                format!("TERMS/glm-4-{}.txt", &one[..12]),
                format!("TERMS/mit-{}.txt", &newest[..12])
            ]
        );
    }

    #[test]
    fn nothing_goes_out_without_a_text_that_must_go_along() {
        let absent = found(&[licensed("a/own", "mit", None), licensed("a/top", "glm-4", None)]);
        assert_eq!(absent.unwrap_err().license.as_str(), "glm-4");
    }
}
