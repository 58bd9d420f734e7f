use super::*;
use crate::license::Licenses;
use proptest::prelude::*;

fn licenses() -> Licenses {
    Licenses::shipped().unwrap()
}

fn name(number: usize) -> ModelName {
    format!("m/{number}").parse().unwrap()
}

fn edge(child: usize, parent: usize) -> LineageEdge {
    let (child, parent) = (name(child), name(parent));
    LineageEdge {
        parent,
        child,
        relation: Relation::Merge,
        evidence: "told".into(),
    }
}

fn licensed(model: usize, license: &str, through: Option<usize>) -> Licensed {
    Licensed {
        model: name(model),
        license: license.parse().ok(),
        terms_sha256: None,
        through,
    }
}

#[test]
fn a_diamond_is_walked_once() {
    let found = descent(&name(0), &[edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3)]);
    let expected = [
        (name(0), None),
        (name(1), Some(0)),
        (name(2), Some(0)),
        (name(3), Some(1)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_cycle_ends() {
    let found = descent(&name(0), &[edge(0, 1), edge(1, 2), edge(2, 0), edge(2, 2)]);
    assert_eq!(found.len(), 3);
}

#[test]
fn ten_thousand_edges_in_a_row_are_walked() {
    let edges: Vec<_> = (0..10_000).map(|number| edge(number, number + 1)).collect();
    let found = descent(&name(0), &edges);
    assert_eq!((found.len(), found[10_000].1), (10_001, Some(9_999)));
}

#[test]
fn a_path_leads_from_the_model_to_the_ancestor() {
    let lineage = [
        licensed(0, "mit", None),
        licensed(1, "mit", Some(0)),
        licensed(2, "glm-4", Some(1)),
    ];
    assert_eq!(path(&lineage, 2), [name(0), name(1), name(2)]);
    assert_eq!(path(&lineage, 0), [name(0)]);
}

#[test]
fn a_list_that_leads_in_circles_still_gives_a_path() {
    let lineage = [licensed(0, "mit", Some(1)), licensed(1, "mit", Some(0))];
    assert_eq!(path(&lineage, 1).len(), 2);
}

#[test]
fn an_ancestor_of_unknown_license_makes_the_whole_unknown() {
    let free = licensed(0, "mit", None);
    assert_eq!(
        permission(std::slice::from_ref(&free), &licenses(), Purpose::Commercial),
        Permission::Permitted
    );
    let lineage = [free, licensed(1, "nobody-knows", Some(0))];
    assert_eq!(
        permission(&lineage, &licenses(), Purpose::Commercial),
        Permission::Unknown
    );
    assert_eq!(
        permission(&[], &licenses(), Purpose::Research),
        Permission::Unknown
    );
}

#[test]
fn duties_unite_and_name_the_nearest_cause() {
    let lineage = [
        licensed(0, "mit", None),
        licensed(1, "glm-4", Some(0)),
        licensed(2, "glm-4", Some(1)),
    ];
    let all = duties(&lineage, &licenses());
    assert_eq!(all[&Duty::Notice], 0);
    assert_eq!(
        all[&Duty::Attribution {
            text: "Built with glm-4".into()
        }],
        1
    );
}

fn any_license() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("mit"),
        Just("apache-2.0"),
        Just("glm-4"),
        Just("nobody-knows")
    ]
}

proptest! {
    #[test]
    fn an_ancestor_more_never_permits_more_nor_obliges_to_less(
        chain in proptest::collection::vec(any_license(), 1..8),
        extra in any_license(),
    ) {
        let list = |names: &[&str]| -> Vec<Licensed> {
            let through = |place: usize| place.checked_sub(1);
            names.iter().enumerate().map(|(place, license)| licensed(place, license, through(place))).collect()
        };
        let (before, mut longer) = (list(&chain), chain.clone());
        longer.push(extra);
        let after = list(&longer);
        for purpose in Purpose::ALL {
            prop_assert!(permission(&after, &licenses(), purpose) >= permission(&before, &licenses(), purpose));
        }
        let (few, many) = (duties(&before, &licenses()), duties(&after, &licenses()));
        prop_assert!(few.keys().all(|duty| many.contains_key(duty)));
    }

    #[test]
    fn every_walk_ends_and_meets_each_ancestor_once(
        pairs in proptest::collection::vec((0usize..12, 0usize..12), 0..60),
    ) {
        let edges: Vec<_> = pairs.iter().map(|&(child, parent)| edge(child, parent)).collect();
        let found = descent(&name(0), &edges);
        let once: HashSet<_> = found.iter().map(|(model, _)| model).collect();
        prop_assert_eq!(once.len(), found.len());
        for (place, (_, through)) in found.iter().enumerate() {
            prop_assert!(through.is_none_or(|nearer| nearer < place));
        }
    }
}
