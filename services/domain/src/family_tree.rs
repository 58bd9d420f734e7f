//! The models around one: ancestors, descendants and siblings, each with what its whole lineage permits.

use crate::{
    effective,
    license::{Licenses, Permission},
    lineage::{self, Licensed, LineageEdge},
    names::{LicenseName, ModelName},
    purpose::Purpose,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One model of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub model: ModelName,
    /// Its own license; none if it is not registered here.
    pub license: Option<LicenseName>,
    /// What its whole lineage permits for each purpose.
    pub permissions: BTreeMap<Purpose, Permission>,
    /// The parent through which commercial use became narrower than its own license leaves it, if one did.
    pub tightened_by: Option<ModelName>,
    /// Steps from the farthest ancestor.
    pub generation: usize,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilyTree {
    /// The model that it is drawn around.
    pub model: ModelName,
    /// All, by generation and name.
    pub models: Vec<Member>,
    /// What was made from what.
    pub edges: Vec<LineageEdge>,
}

impl FamilyTree {
    /// The tree of `edges` around `model`; `known` are the licenses of those that are registered.
    pub fn of(
        model: &ModelName,
        edges: Vec<LineageEdge>,
        known: &HashMap<ModelName, LicenseName>,
        licenses: &Licenses,
    ) -> Self {
        let mut names = BTreeSet::from([model.clone()]);
        names.extend(
            edges
                .iter()
                .flat_map(|edge| [edge.parent.clone(), edge.child.clone()]),
        );
        let generations = generations(&names, &edges);
        let member = |name: &ModelName| Member {
            generation: generations.get(name).copied().unwrap_or_default(),
            ..member(name, &edges, known, licenses)
        };
        let mut models: Vec<Member> = names.iter().map(member).collect();
        models.sort_by(|a, b| (a.generation, &a.model).cmp(&(b.generation, &b.model)));
        Self {
            model: model.clone(),
            models,
            edges,
        }
    }

    /// One of its models.
    pub fn get(&self, model: &ModelName) -> Option<&Member> {
        self.models.iter().find(|member| member.model == *model)
    }

    /// As a flow chart of Mermaid.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let place = |model: &ModelName| self.models.iter().position(|member| member.model == *model);
        for (number, member) in self.models.iter().enumerate() {
            let license = member
                .license
                .as_ref()
                .map_or("license not known", LicenseName::as_str);
            text += &format!("    m{number}[\"{}<br/>{license}\"]\n", member.model);
        }
        for edge in &self.edges {
            if let (Some(parent), Some(child)) = (place(&edge.parent), place(&edge.child)) {
                text += &format!("    m{parent} -->|{}| m{child}\n", edge.relation.as_str());
            }
        }
        text
    }
}

fn member(
    name: &ModelName,
    edges: &[LineageEdge],
    known: &HashMap<ModelName, LicenseName>,
    licenses: &Licenses,
) -> Member {
    let licensed = |(model, through): (ModelName, Option<usize>)| Licensed {
        license: known.get(&model).cloned(),
        terms_sha256: None,
        through,
        model,
    };
    let lineage: Vec<Licensed> = lineage::descent(name, edges).into_iter().map(licensed).collect();
    let terms = effective::terms(&lineage, licenses);
    let commercial = terms.purposes.get(&Purpose::Commercial);
    let because = commercial.and_then(|purpose| purpose.because.as_ref());
    Member {
        model: name.clone(),
        license: known.get(name).cloned(),
        permissions: terms
            .purposes
            .iter()
            .map(|(purpose, facts)| (*purpose, facts.permission))
            .collect(),
        tightened_by: because.and_then(|cause| cause.path.get(1).cloned()),
        generation: 0,
    }
}

/// For each model the steps from its farthest ancestor. On a cycle the count ends with the number of models.
fn generations(names: &BTreeSet<ModelName>, edges: &[LineageEdge]) -> HashMap<ModelName, usize> {
    let mut all: HashMap<ModelName, usize> = names.iter().map(|name| (name.clone(), 0)).collect();
    for _ in 0..names.len() {
        let mut changed = false;
        for edge in edges {
            let next = all.get(&edge.parent).map_or(0, |parent| parent + 1);
            if let Some(child) = all.get_mut(&edge.child)
                && *child < next
                && next < names.len()
            {
                *child = next;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::Relation;

    fn name(text: &str) -> ModelName {
        text.parse().unwrap()
    }

    fn tree(edges: &[(&str, &str)], known: &[(&str, &str)]) -> FamilyTree {
        let edges = edges.iter().map(|(parent, child)| LineageEdge {
            parent: name(parent),
            child: name(child),
            relation: Relation::Finetune,
            evidence: "told".into(),
        });
        let known = known
            .iter()
            .map(|(model, license)| (name(model), license.parse().unwrap()))
            .collect();
        FamilyTree::of(
            &name("a/own"),
            edges.collect(),
            &known,
            &Licenses::shipped().unwrap(),
        )
    }

    #[test]
    fn a_parent_whose_license_prohibits_tightens_its_child_and_the_edge_is_named() {
        let tree = tree(
            &[("a/base", "a/own"), ("a/own", "a/small")],
            &[("a/base", "cc-by-nc-4.0"), ("a/own", "mit"), ("a/small", "mit")],
        );
        let own = tree.get(&name("a/own")).unwrap();
        assert_eq!(own.permissions[&Purpose::Commercial], Permission::Prohibited);
        assert_eq!(own.tightened_by, Some(name("a/base")));
        let small = tree.get(&name("a/small")).unwrap();
        assert_eq!(
            (small.generation, small.tightened_by.clone()),
            (2, Some(name("a/own")))
        );
        assert_eq!(tree.get(&name("a/base")).unwrap().tightened_by, None);
    }

    #[test]
    fn a_parent_that_nobody_registered_makes_its_children_unknown_never_free() {
        let tree = tree(&[("x/y", "a/own")], &[("a/own", "mit")]);
        let own = tree.get(&name("a/own")).unwrap();
        assert_eq!(own.permissions[&Purpose::Commercial], Permission::Unknown);
        assert_eq!(own.tightened_by, Some(name("x/y")));
        assert!(tree.mermaid().contains("x/y<br/>license not known"));
        assert!(
            tree.mermaid().contains("m0 -->|finetune| m1") || tree.mermaid().contains("m1 -->|finetune| m0")
        );
    }

    #[test]
    fn a_cycle_ends_and_a_model_alone_is_a_tree() {
        let cycle = tree(&[("a/own", "a/b"), ("a/b", "a/own")], &[]);
        assert_eq!(cycle.models.len(), 2);
        let alone = tree(&[], &[("a/own", "mit")]);
        assert_eq!(alone.models.len(), 1);
        assert_eq!(
            alone.models[0].permissions[&Purpose::Commercial],
            Permission::Permitted
        );
    }
}
