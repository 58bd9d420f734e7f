//! What the registry knows about models.

use crate::{
    digest::Sha256,
    lineage::LineageEdge,
    names::{LicenseName, ModelName},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use crate::card::{Card, Modality};

/// A runnable form of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name, such as `q4_k_m`.
    pub name: String,
    /// The size of its file.
    #[serde(default)]
    pub file_bytes: Option<u64>,
    /// The memory that it needs.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// What to know before choosing it.
    #[serde(default)]
    pub note: Option<String>,
}

/// A named line of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// The license that it is under.
    pub license: LicenseName,
    /// How the hub knows that.
    pub license_source: String,
    /// Its facts.
    pub card: Card,
    /// Since when it is registered here.
    pub registered_at: OffsetDateTime,
}

/// An immutable state of a model's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The model.
    pub model: ModelName,
    /// The digest of its manifest.
    pub sha256: Sha256,
    /// The text of the terms that came with the files.
    pub terms_sha256: Option<Sha256>,
    /// The bytes of all its artifacts.
    pub bytes: u64,
    /// Since when it is here.
    pub imported_at: OffsetDateTime,
}

/// A file of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it stands below the model's folder, with `/` between the parts.
    pub path: String,
    /// Its bytes.
    pub sha256: Sha256,
    /// How many there are.
    pub bytes: u64,
}

/// The digest of a list of files, whatever its order: SHA-256 over one line `SHA256 BYTES PATH` for each, by path.
pub fn artifacts_digest(artifacts: &[Artifact]) -> Sha256 {
    let mut sorted: Vec<&Artifact> = artifacts.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let line = |artifact: &&Artifact| format!("{} {} {}\n", artifact.sha256, artifact.bytes, artifact.path);
    let lines: String = sorted.iter().map(line).collect();
    Sha256::of(lines.as_bytes())
}

/// A model as the seed file tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedModel {
    /// Its name.
    pub name: ModelName,
    /// The license that it is under.
    pub license: LicenseName,
    /// How that is known.
    pub license_source: String,
    /// Its facts.
    pub card: Card,
    /// Its runnable forms.
    #[serde(default)]
    pub variants: Vec<Variant>,
}

impl SeedModel {
    /// Names this state of the entry.
    pub fn digest(&self) -> Sha256 {
        // Maps are ordered and no key is anything but text, so this cannot fail and is the same everywhere.
        Sha256::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The models that every hub knows from its first start: `models/seed.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The models.
    #[serde(rename = "model")]
    pub models: Vec<SeedModel>,
    /// What was made from what.
    #[serde(rename = "edge", default)]
    pub edges: Vec<LineageEdge>,
}

impl Seed {
    /// The seed that is compiled in.
    pub fn shipped() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("../../../models/seed.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::Licenses;
    use time::macros::date;

    #[test]
    fn the_seed_knows_glm_4v_9b_and_its_parent() {
        let seed = Seed::shipped().unwrap();
        let vision = seed
            .models
            .iter()
            .find(|model| model.name.as_str() == "THUDM/glm-4v-9b")
            .unwrap();
        assert_eq!(vision.license.as_str(), "glm-4");
        assert_eq!(vision.card.context_tokens, Some(8192));
        assert_eq!(vision.card.released, Some(date!(2024 - 06 - 04)));
        assert_eq!(vision.card.modality, Some(Modality::ImageText));
        assert!(
            vision
                .variants
                .iter()
                .any(|variant| variant.file_bytes == Some(8_500_000_000))
        );
        assert_eq!(seed.edges[0].parent.as_str(), "THUDM/glm-4-9b");
        assert_eq!(seed.edges[0].child, vision.name);
    }

    #[test]
    fn there_are_at_least_15_models_and_every_fact_of_a_card_has_its_source() {
        let seed = Seed::shipped().unwrap();
        assert!(seed.models.len() >= 15);
        for model in &seed.models {
            let (name, card) = (&model.name, &model.card);
            let has = |fact: crate::card::FactName| {
                assert!(
                    card.sources.contains_key(&fact),
                    "{name}: no source of {}",
                    fact.as_str()
                );
            };
            has(crate::card::FactName::License);
            has(crate::card::FactName::Parameters);
            has(crate::card::FactName::Modality);
            has(crate::card::FactName::Family);
            if card.context_tokens.is_some() {
                has(crate::card::FactName::ContextTokens);
            }
            if card.released.is_some() {
                has(crate::card::FactName::Released);
            }
            if card.shape.is_some() {
                has(crate::card::FactName::Shape);
            }
            if !card.strengths.is_empty() || !card.weaknesses.is_empty() {
                has(crate::card::FactName::Qualities);
            }
            assert!(card.review.is_some() && card.summary.is_some(), "{name}");
        }
    }

    #[test]
    fn a_list_of_files_has_one_digest_in_any_order_and_another_with_any_change() {
        let file = |path: &str, bytes| Artifact {
            path: path.into(),
            sha256: Sha256::of(path.as_bytes()),
            bytes,
        };
        let digest = artifacts_digest(&[file("a", 1), file("B", 2)]);
        assert_eq!(artifacts_digest(&[file("B", 2), file("a", 1)]), digest);
        let (b, a) = (Sha256::of(b"B"), Sha256::of(b"a"));
        assert_eq!(digest, Sha256::of(format!("{b} 2 B\n{a} 1 a\n").as_bytes()));
        assert_ne!(artifacts_digest(&[file("a", 1)]), digest);
        assert_ne!(artifacts_digest(&[file("a", 1), file("B", 3)]), digest);
    }

    #[test]
    fn every_seeded_model_is_under_a_license_that_has_a_file() {
        let licenses = Licenses::shipped().unwrap();
        for model in Seed::shipped().unwrap().models {
            assert!(licenses.get(&model.license).is_some(), "{}", model.name);
        }
    }
}
