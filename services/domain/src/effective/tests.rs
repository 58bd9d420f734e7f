use super::*;
use crate::lineage::{LineageEdge, Relation, descent};
use crate::policy::PolicyFile;
use proptest::prelude::*;

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

/// Licenses that permit research in some territories, the third until a moment.
fn territorial() -> Licenses {
    let file = |(id, clause): (&str, &str)| {
        let head = format!("id = \"{id}\"\ntitle = \"T\"\nsource = \"here\"\nrevocable = false\n");
        let purpose = "[purposes.research]\npermission = \"permitted\"\nconditions = [\"acceptance\"]\n";
        PolicyFile::new(format!("licenses/{id}.toml"), format!("{head}{purpose}{clause}"))
    };
    let clauses = [
        ("a", "territories = [\"CN\", \"DE\", \"FR\"]"),
        ("b", "except_territories = [\"CN\"]"),
        (
            "c",
            "territories = [\"CN\", \"DE\"]\nuntil = \"2030-01-01T00:00:00Z\"",
        ),
        ("d", "until = \"2029-01-01T00:00:00Z\""),
    ];
    Licenses::read(&clauses.map(file)).unwrap()
}

/// A chain of models under these licenses.
fn chain(licenses: &[&str]) -> Vec<Licensed> {
    let licensed = |(place, license): (usize, &&str)| Licensed {
        model: name(place),
        license: Some(license.parse().unwrap()),
        terms_sha256: None,
        through: place.checked_sub(1),
    };
    licenses.iter().enumerate().map(licensed).collect()
}

#[test]
fn territories_intersect_and_the_earliest_end_counts_each_with_the_way_to_its_cause() {
    let found = terms(&chain(&["d", "a", "b", "c", "a"]), &territorial());
    let research = &found.purposes[&Purpose::Research];
    assert_eq!(research.territories.as_ref().unwrap().to_string(), "only in DE");
    let clauses: Vec<(String, usize)> = research
        .clauses
        .iter()
        .map(|clause| (clause.what.to_string(), clause.cause.path.len()))
        .collect();
    let expected = [
        ("only in CN, DE, FR", 2),
        ("everywhere but in CN", 3),
        ("only in CN, DE", 4),
    ];
    assert_eq!(clauses, expected.map(|(words, steps)| (words.to_owned(), steps)));
    let ends = research.ends.as_ref().unwrap();
    assert_eq!((ends.what.until.year(), ends.cause.path.len()), (2029, 1));
    let free = &effective(&[], |_| "mit").purposes[&Purpose::Research];
    assert_eq!(
        (&free.ends, &free.territories, free.clauses.len()),
        (&None, &None, 0)
    );
}

fn any_license() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b", "c", "d", "unheard-of"])
}

proptest! {
    #[test]
    fn an_ancestor_more_never_widens_territories_nor_moves_the_end_away(
        few in proptest::collection::vec(any_license(), 1..6),
        extra in any_license(),
    ) {
        let many = [&few[..], &[extra]].concat();
        let research = |licenses: &[&str]| terms(&chain(licenses), &territorial()).purposes[&Purpose::Research].clone();
        let (before, after) = (research(&few), research(&many));
        for code in ["CN", "DE", "FR", "US"] {
            let code = code.parse().unwrap();
            let within = |terms: &EffectivePurpose| terms.territories.as_ref().is_none_or(|all| all.contains(code));
            prop_assert!(!within(&after) || within(&before));
        }
        let end = |terms: &EffectivePurpose| terms.ends.as_ref().map(|ends| ends.what.until);
        prop_assert!(end(&before).is_none_or(|until| end(&after).is_some_and(|later| later <= until)));
    }
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
