use super::*;

const PLAIN: &str = "id = \"x\"\ntitle = \"X\"\nsource = \"here\"\nrevocable = false\n[purposes.research]\n";

#[test]
fn the_shipped_licenses_say_what_their_texts_say() {
    let licenses = Licenses::shipped().unwrap();
    let glm = licenses.get(&"glm-4".parse().unwrap()).unwrap();
    assert!(glm.revocable);
    assert_eq!(glm.purpose(Purpose::Research).conditions, BTreeSet::new());
    assert_eq!(
        glm.purpose(Purpose::Evaluation).conditions,
        BTreeSet::from([Condition::Acceptance])
    );
    let all = BTreeSet::from([Condition::Acceptance, Condition::Registration, Condition::Review]);
    assert_eq!(glm.purpose(Purpose::Commercial).conditions, all);
    assert!(glm.duties.contains(&Duty::Attribution {
        text: "Built with glm-4".into()
    }));
    assert!(glm.duties.contains(&Duty::NamePrefix {
        prefix: "glm-4".into()
    }));
    for free in ["apache-2.0", "mit"] {
        let license = licenses.get(&free.parse().unwrap()).unwrap();
        let facts = license.purpose(Purpose::Commercial);
        assert_eq!(
            (facts.permission, facts.conditions.len()),
            (Permission::Permitted, 0),
            "{free}"
        );
    }
}

#[test]
fn a_text_is_known_by_its_digest_where_its_licensor_published_it() {
    let licenses = Licenses::shipped().unwrap();
    let apache = licenses.get(&"apache-2.0".parse().unwrap()).unwrap();
    let own = Sha256::of(include_bytes!("../../../../LICENSE"));
    assert!(
        apache
            .published_at(&own)
            .is_some_and(|place| place.contains("apache.org"))
    );
    assert_eq!(apache.published_at(&Sha256::of(b"another text")), None);
    let other = licenses.get(&"mit".parse().unwrap()).unwrap();
    assert_eq!(other.published_at(&own), None);
}

#[test]
fn a_purpose_that_a_license_does_not_mention_is_unknown() {
    let license = License::read("x.toml", &format!("{PLAIN}permission = \"permitted\"")).unwrap();
    assert_eq!(
        license.purpose(Purpose::Research).permission,
        Permission::Permitted
    );
    assert_eq!(
        license.purpose(Purpose::Commercial).permission,
        Permission::Unknown
    );
}

#[test]
fn a_file_under_another_name_is_refused() {
    let error = License::read("y.toml", &format!("{PLAIN}permission = \"permitted\"")).unwrap_err();
    assert!(error.to_string().contains("must be named x.toml"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = License::read(
        "x.toml",
        &format!("{PLAIN}permission = \"permitted\"\nfree = true"),
    )
    .unwrap_err();
    assert!(error.to_string().contains(":7:1: "), "{error}");
    let error = License::read(
        "x.toml",
        &format!("duties = [{{kind = \"notice\", x = 1}}]\n{PLAIN}"),
    );
    assert!(error.is_err());
}

#[test]
fn conditions_that_nobody_could_meet_are_refused() {
    for rest in [
        "permission = \"prohibited\"\nconditions = [\"acceptance\"]",
        "permission = \"permitted\"\nconditions = [\"review\"]",
        "permission = \"prohibited\"\nuntil = \"2030-01-01T00:00:00Z\"",
        "permission = \"permitted\"\nuntil = \"2030\"",
        "permission = \"prohibited\"\nterritories = [\"CN\"]",
        "permission = \"permitted\"\nterritories = [\"CN\"]",
        "permission = \"permitted\"\nconditions = [\"acceptance\"]\nterritories = []",
        "permission = \"permitted\"\nconditions = [\"acceptance\"]\nexcept_territories = [\"EU\"]",
        "permission = \"permitted\"\nconditions = [\"acceptance\"]\nterritories = [\"CN\"]\nexcept_territories = [\"DE\"]",
    ] {
        assert!(
            License::read("x.toml", &format!("{PLAIN}{rest}")).is_err(),
            "{rest}"
        );
    }
}

#[test]
fn the_narrower_of_two_permissions_is_left() {
    use Permission::{Permitted, Prohibited, Unknown};
    assert_eq!(Permitted.and(Unknown), Unknown);
    assert_eq!(Unknown.and(Prohibited), Prohibited);
    assert_eq!(Permitted.and(Permitted), Permitted);
}
