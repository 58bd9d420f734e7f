//! What can be registered: a model with its license and parents, under a name that all licenses of its lineage let it
//! have.

use crate::{
    license::{Duty, License, Licenses},
    lineage::{self, Licensed, LineageEdge},
    model::Model,
    names::{LicenseName, ModelName},
};
use std::collections::HashMap;

/// The most models that one is made from.
pub const PARENT_LIMIT: usize = 100;
/// The most characters of how the license is known, and of where a step of descent is said.
pub const SOURCE_LIMIT: usize = 1000;

/// What is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The model.
    pub model: Model,
    /// What it was made from.
    pub parents: Vec<LineageEdge>,
}

/// Why it is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unregistrable {
    /// A field is empty, too long or too much.
    #[error("{0}")]
    Field(&'static str),
    /// A parent is not registered, so nobody knows what its license asks for.
    #[error("{0} is not registered, so nobody knows what its license asks of what is made from it")]
    ParentUnknown(ModelName),
    /// A license of the lineage asks for another name.
    #[error(transparent)]
    Name(#[from] NameRefused),
}

/// A license of the lineage asks for another name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{license} asks that names of models made under it begin with {prefix:?}, and the name of {} does not; it bears on it by way of {}",
    path.first().map_or("", |model| model.as_str()),
    path.iter().map(ModelName::as_str).collect::<Vec<_>>().join(" -> ")
)]
pub struct NameRefused {
    /// How the part of the name after the owner must begin.
    pub prefix: String,
    /// The license that asks for it.
    pub license: LicenseName,
    /// From the model itself (first) to the one under that license (last).
    pub path: Vec<ModelName>,
}

impl Registration {
    /// Whether it can be registered; `lineages` are those of the registered parents, each as
    /// [`lineage::descent`] orders it.
    pub fn check(&self, licenses: &Licenses, lineages: &[Vec<Licensed>]) -> Result<(), Unregistrable> {
        self.check_fields()?;
        let is_there = |parent: &ModelName| {
            let mut first = lineages.iter().filter_map(|lineage| lineage.first());
            first.any(|own| own.model == *parent && own.license.is_some())
        };
        if let Some(edge) = self.parents.iter().find(|edge| !is_there(&edge.parent)) {
            return Err(Unregistrable::ParentUnknown(edge.parent.clone()));
        }
        Ok(check_name(&self.lineage(lineages), licenses)?)
    }

    fn check_fields(&self) -> Result<(), Unregistrable> {
        let is_text = |text: &str| !text.trim().is_empty() && text.chars().count() <= SOURCE_LIMIT;
        if !is_text(&self.model.license_source) {
            let rule = "`license.source` has 1 to 1000 characters";
            return Err(Unregistrable::Field(rule));
        }
        if self.parents.len() > PARENT_LIMIT {
            return Err(Unregistrable::Field("`parents` has at most 100 entries"));
        }
        match self.parents.iter().all(|edge| is_text(&edge.evidence)) {
            true => Ok(()),
            false => Err(Unregistrable::Field(
                "`evidence` of a parent has 1 to 1000 characters",
            )),
        }
    }

    /// The model, then every model of `lineages` once.
    fn lineage(&self, lineages: &[Vec<Licensed>]) -> Vec<Licensed> {
        let mut all = vec![Licensed {
            model: self.model.name.clone(),
            license: Some(self.model.license.clone()),
            terms_sha256: None,
            through: None,
        }];
        let mut places = HashMap::from([(self.model.name.clone(), 0)]);
        for lineage in lineages {
            for licensed in lineage {
                // Its child stands before it in its list, and so was placed before it.
                let child = licensed.through.and_then(|child| lineage.get(child));
                let through = child.and_then(|child| places.get(&child.model)).copied();
                if !places.contains_key(&licensed.model) {
                    places.insert(licensed.model.clone(), all.len());
                    all.push(Licensed {
                        through: through.or(Some(0)),
                        ..licensed.clone()
                    });
                }
            }
        }
        all
    }
}

/// Whether the first model of `lineage` has a name that every license in it lets it have.
pub fn check_name(lineage: &[Licensed], licenses: &Licenses) -> Result<(), NameRefused> {
    let Some(own) = lineage.first() else { return Ok(()) };
    for (duty, place) in lineage::duties(lineage, licenses) {
        if let Duty::NamePrefix { prefix } = duty
            && !own.model.name().starts_with(&prefix)
            && let Some(license) = lineage.get(place).and_then(|cause| cause.license.clone())
            && !is_licensor(own, licenses.get(&license))
        {
            return Err(NameRefused {
                prefix,
                license,
                path: lineage::path(lineage, place),
            });
        }
    }
    Ok(())
}

/// Whether the model is of those who gave out the license: it is not made under it but first published.
fn is_licensor(own: &Licensed, license: Option<&std::sync::Arc<License>>) -> bool {
    let owner = own.model.owner();
    license.is_some_and(|license| license.licensors.iter().any(|known| known == owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lineage::Relation, model::Card};
    use time::OffsetDateTime;

    fn licensed(model: &str, license: &str, through: Option<usize>) -> Licensed {
        Licensed {
            model: model.parse().unwrap(),
            license: license.parse().ok(),
            terms_sha256: None,
            through,
        }
    }

    fn glm() -> Vec<Licensed> {
        vec![
            licensed("THUDM/glm-4v-9b", "glm-4", None),
            licensed("THUDM/glm-4-9b", "glm-4", Some(0)),
        ]
    }

    fn registration(name: &str, parents: &[&str]) -> Registration {
        let edge = |parent: &&str| LineageEdge {
            parent: parent.parse().unwrap(),
            child: name.parse().unwrap(),
            relation: Relation::Finetune,
            evidence: "the card".into(),
        };
        Registration {
            model: Model {
                name: name.parse().unwrap(),
                license: "mit".parse().unwrap(),
                license_source: "the card".into(),
                card: Card::default(),
                registered_at: OffsetDateTime::UNIX_EPOCH,
            },
            parents: parents.iter().map(edge).collect(),
        }
    }

    #[test]
    fn what_descends_from_glm_4_is_named_after_it_however_far_it_is() {
        let licenses = Licenses::shipped().unwrap();
        let between = vec![
            licensed("acme/glm-4-base", "apache-2.0", None),
            licensed("THUDM/glm-4v-9b", "glm-4", Some(0)),
        ];
        let named = registration("acme/glm-4-reader", &["acme/glm-4-base"]);
        assert_eq!(named.check(&licenses, std::slice::from_ref(&between)), Ok(()));
        for name in ["acme/reader", "glm-4/reader", "acme/my-glm-4"] {
            let free = vec![licensed("acme/free", "mit", None)];
            let wrong = registration(name, &["acme/free", "acme/glm-4-base"]);
            let Err(Unregistrable::Name(refused)) = wrong.check(&licenses, &[free, between.clone()]) else {
                panic!("{name} was taken")
            };
            assert_eq!(
                (refused.prefix.as_str(), refused.license.as_str()),
                ("glm-4", "glm-4")
            );
            let path: Vec<&str> = refused.path.iter().map(ModelName::as_str).collect();
            assert_eq!(path, [name, "acme/glm-4-base", "THUDM/glm-4v-9b"]);
        }
    }

    #[test]
    fn a_model_without_such_ancestors_is_named_at_will() {
        let licenses = Licenses::shipped().unwrap();
        assert_eq!(registration("acme/reader", &[]).check(&licenses, &[]), Ok(()));
        let free = vec![licensed("acme/free", "apache-2.0", None)];
        let child = registration("acme/reader", &["acme/free"]);
        assert_eq!(child.check(&licenses, &[free]), Ok(()));
    }

    #[test]
    fn the_license_of_the_model_itself_asks_too() {
        let licenses = Licenses::shipped().unwrap();
        assert_eq!(check_name(&glm(), &licenses), Ok(()));
        let first = [licensed("meta-llama/Meta-Llama-3-8B", "llama3", None)];
        assert_eq!(check_name(&first, &licenses), Ok(()));
        let derived = [licensed("acme/Meta-Llama-3-8B", "llama3", None)];
        assert!(check_name(&derived, &licenses).is_err());
        let own = [licensed("acme/reader", "glm-4", None)];
        assert_eq!(
            check_name(&own, &licenses).unwrap_err().path,
            [own[0].model.clone()]
        );
    }

    #[test]
    fn parents_are_registered_first() {
        let licenses = Licenses::shipped().unwrap();
        let child = registration("acme/glm-4-reader", &["THUDM/glm-4v-9b", "no/such"]);
        let refused = child.check(&licenses, &[glm()]);
        assert_eq!(
            refused,
            Err(Unregistrable::ParentUnknown("no/such".parse().unwrap()))
        );
        let own = registration("acme/circle", &["acme/circle"]);
        assert!(matches!(
            own.check(&licenses, &[]),
            Err(Unregistrable::ParentUnknown(_))
        ));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let licenses = Licenses::shipped().unwrap();
        let mut unsaid = registration("acme/glm-4-reader", &["THUDM/glm-4v-9b"]);
        unsaid.parents[0].evidence = " ".into();
        assert!(matches!(
            unsaid.check(&licenses, &[glm()]),
            Err(Unregistrable::Field(_))
        ));
        unsaid.model.license_source = String::new();
        assert!(matches!(
            unsaid.check(&licenses, &[glm()]),
            Err(Unregistrable::Field(_))
        ));
    }
}
