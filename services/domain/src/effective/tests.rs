use super::*;
use crate::lineage::{LineageEdge, Relation, descent};

fn name(number: usize) -> ModelName {
    format!("m/{number}").parse().unwrap()
}

/// The effective terms of `m/0` with edges (child, parent), where `license` tells each model's license.
fn effective(edges: &[(usize, usize)], license: impl Fn(usize) -> &'static str) -> EffectiveTerms {
    let edge = |&(child, parent): &(usize, usize)| LineageEdge {
        parent: name(parent),
        child: name(child),
        relation: Relation::Merge,
        evidence: "told".into(),
    };
    let edges: Vec<LineageEdge> = edges.iter().map(edge).collect();
    let licensed = |(model, through): (ModelName, Option<usize>)| {
        let license = license(model.name().parse().unwrap());
        Licensed {
            license: (license != "unregistered").then(|| license.parse().unwrap()),
            terms_sha256: None,
            through,
            model,
        }
    };
    let lineage: Vec<Licensed> = descent(&name(0), &edges).into_iter().map(licensed).collect();
    terms(&lineage, &Licenses::shipped().unwrap())
}

fn because(found: &EffectiveTerms, purpose: Purpose) -> (Permission, Option<Vec<ModelName>>) {
    let found = &found.purposes[&purpose];
    let path = found.because.as_ref().map(|cause| cause.path.clone());
    (found.permission, path)
}

#[test]
fn a_free_license_alone_permits_everything_and_still_obliges() {
    let found = effective(&[], |_| "mit");
    assert_eq!(
        because(&found, Purpose::Commercial),
        (Permission::Permitted, None)
    );
    let duties: Vec<&Duty> = found.duties.iter().map(|duty| &duty.what).collect();
    assert_eq!(duties, [&Duty::Notice, &Duty::TermsCopy]);
    assert_eq!((found.revocable, found.prohibitions.len()), (None, 0));
}

#[test]
fn a_restricted_grandparent_binds_with_the_way_to_it() {
    let found = effective(&[(0, 1), (1, 2)], |number| ["mit", "apache-2.0", "glm-4"][number]);
    let way = [name(0), name(1), name(2)];
    let commercial = &found.purposes[&Purpose::Commercial];
    let asked: Vec<Condition> = commercial
        .conditions
        .iter()
        .map(|one| one.what.condition)
        .collect();
    assert_eq!(
        asked,
        [Condition::Acceptance, Condition::Registration, Condition::Review]
    );
    assert!(commercial.conditions.iter().all(|one| one.cause.path == way));
    assert_eq!(found.revocable.unwrap().path, way);
    let notice = found
        .duties
        .iter()
        .find(|duty| duty.what == Duty::Notice)
        .unwrap();
    assert_eq!(notice.cause.path, [name(0)], "the nearest cause");
    let prefix = Duty::NamePrefix {
        prefix: "glm-4".into(),
    };
    let prefix = found.duties.iter().find(|duty| duty.what == prefix).unwrap();
    assert_eq!(prefix.cause.path, way);
    assert_eq!(found.prohibitions[0].what.prohibition, "military use");
    assert_eq!(
        found.prohibitions[0].cause.license,
        Some("glm-4".parse().unwrap())
    );
}

#[test]
fn a_diamond_tells_one_way_and_each_duty_once() {
    let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
    let found = effective(&edges, |number| if number == 3 { "unregistered" } else { "mit" });
    let (permission, path) = because(&found, Purpose::Research);
    assert_eq!(permission, Permission::Unknown);
    assert_eq!(path.unwrap(), [name(0), name(1), name(3)]);
    assert_eq!(found.duties.len(), 2);
    assert_eq!(found.lineage.len(), 4);
}

#[test]
fn a_cycle_ends_and_what_is_unknown_in_it_is_not_free() {
    let found = effective(&[(0, 1), (1, 2), (2, 0)], |number| {
        ["mit", "in-house", "mit"][number]
    });
    for purpose in Purpose::ALL {
        let (permission, path) = because(&found, purpose);
        assert_eq!(permission, Permission::Unknown);
        assert_eq!(path.unwrap(), [name(0), name(1)]);
    }
}

#[test]
fn ten_thousand_edges_come_to_one_answer_with_the_way_of_ten_thousand_steps() {
    let row: Vec<(usize, usize)> = (0..10_000).map(|number| (number, number + 1)).collect();
    let found = effective(&row, |number| if number == 10_000 { "glm-4" } else { "mit" });
    let commercial = &found.purposes[&Purpose::Commercial];
    assert_eq!(commercial.permission, Permission::Permitted);
    assert_eq!(commercial.conditions[0].cause.path.len(), 10_001);
    let wide: Vec<(usize, usize)> = (1..=10_000).map(|number| (0, number)).collect();
    let found = effective(
        &wide,
        |number| if number == 7_777 { "unregistered" } else { "mit" },
    );
    let (permission, path) = because(&found, Purpose::Evaluation);
    assert_eq!(
        (permission, path.unwrap()),
        (Permission::Unknown, vec![name(0), name(7_777)])
    );
}

#[test]
fn of_no_lineage_nothing_is_known() {
    let found = terms(&[], &Licenses::shipped().unwrap());
    assert_eq!(because(&found, Purpose::Research), (Permission::Unknown, None));
}
