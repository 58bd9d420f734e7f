use super::{cases::Cases, *};
use crate::{access::Act, digest::Sha256};
use std::collections::BTreeSet;

const RULE: &str =
    "@code(\"closed\") @cure(\"wait\")\nforbid (principal, action == Action::\"use\", resource);\n";

fn refused(name: &str, text: &str) -> String {
    Policies::with_own(vec![PolicyFile::new(name, text)])
        .unwrap_err()
        .to_string()
}

fn cases() -> Vec<Cases> {
    let read = |(name, text)| Cases::read(name, text).unwrap_or_else(|fault| panic!("{fault}"));
    cases::shipped_cases().map(read).collect()
}

#[test]
fn every_case_of_the_policies_is_decided_as_it_says() {
    let mut held = 0;
    for file in cases() {
        let played = file.play(&[]).unwrap_or_else(|bad| panic!("{bad}"));
        assert!(played.failed.is_empty(), "{}", BadPolicies(played.failed));
        held += played.held;
    }
    assert!(held >= 30, "only {held} cases were found");
}

#[test]
fn every_license_every_code_and_every_act_has_cases() {
    let covered: BTreeSet<String> = cases().iter().flat_map(Cases::covered).collect();
    let policies = Policies::shipped().unwrap();
    let licenses = policies.licenses().iter().map(|license| license.id.to_string());
    let codes = ReasonCode::of_judge().map(ToString::to_string);
    let acts = Act::ALL.iter().map(|act| act.as_str().to_owned());
    for word in licenses.chain(codes).chain(acts) {
        assert!(covered.contains(&word), "no case speaks of {word}");
    }
}

#[test]
fn a_reading_is_named_by_all_its_files() {
    let shipped = Policies::shipped().unwrap();
    assert_eq!(shipped.sha256(), Policies::shipped().unwrap().sha256());
    let own = |name: &str, text: &str| {
        Policies::with_own(vec![PolicyFile::new(name, text)])
            .unwrap()
            .sha256()
    };
    let digests = [
        shipped.sha256(),
        own("rules/own.cedar", RULE),
        own("rules/other.cedar", RULE),
        own("rules/own.cedar", &format!("{RULE}// and a remark")),
    ];
    assert_eq!(digests.iter().collect::<BTreeSet<&Sha256>>().len(), digests.len());
}

#[test]
fn faults_in_rules_are_told_with_line_and_column() {
    let head = "@code(\"closed\")\n@cure(\"wait\")\n";
    let scope = "forbid (principal, action == Action::\"use\", resource)";
    for (text, place, why) in [
        (
            format!("{head}forbid (principal, action, resource"),
            ":3:",
            "unexpected end of input",
        ),
        (
            format!("// x\n{head}{scope}\nwhen {{ context.color == \"red\" }};"),
            ":5:8: ",
            "color",
        ),
        (
            format!("{head}{scope}\n  when {{ context.purpose == 1 }};"),
            ":4:",
            "type",
        ),
        (
            format!("{head}forbid (principal, action == Action::\"swim\", resource);"),
            ":3:",
            "swim",
        ),
        (
            format!("{head}{scope} when {{ 1 == 2 }};"),
            ":1:1: ",
            "impossible",
        ),
        (format!("\n {scope};"), ":2:2: ", "@code"),
        (format!("@code(\"closed\")\n{scope};"), ":1:1: ", "@cure"),
        (
            format!("@code(\"Closed\") @cure(\"x\")\n{scope};"),
            ":1:1: ",
            "small letters",
        ),
        (
            format!("@code(\"license_unknown\") @cure(\"x\")\n{scope};"),
            ":1:1: ",
            "hub's own words",
        ),
        (
            format!("@code(\"closed\") @cure(\"use {{colour}}\")\n{scope};"),
            ":1:1: ",
            "{colour} stands for nothing",
        ),
    ] {
        let told = refused("rules/own.cedar", &text);
        assert!(
            told.starts_with(&format!("rules/own.cedar{place}")) && told.contains(why),
            "{text}\n{told}"
        );
    }
}

#[test]
fn every_fault_of_every_file_is_told_at_once() {
    let rules = PolicyFile::new(
        "rules/own.cedar",
        "permit (principal, action, resource) when { nonsense };\nforbid;",
    );
    let license = PolicyFile::new("licenses/x.toml", "id = \"x\"\ntitle = 3\n");
    let told = Policies::with_own(vec![rules, license]).unwrap_err().to_string();
    let places: Vec<&str> = told.lines().filter_map(|line| line.split(": ").next()).collect();
    assert!(places.contains(&"licenses/x.toml:2:9"), "{told}");
    assert!(
        places
            .iter()
            .filter(|place| place.starts_with("rules/own.cedar:"))
            .count()
            >= 2,
        "{told}"
    );
}

#[test]
fn files_under_names_that_mean_nothing_or_something_else_are_refused() {
    for (name, why) in [
        ("rules/own.txt", "no policy file is named so"),
        ("own.cedar", "no policy file is named so"),
        ("rules/../x.cedar", "no policy file is named so"),
        ("rules/licenses.cedar", "the hub's own has this name"),
    ] {
        let told = refused(name, RULE);
        assert!(told.contains(why), "{name}: {told}");
    }
}

#[test]
fn an_own_license_takes_the_place_of_the_shipped_one() {
    let text = "id = \"mit\"\ntitle = \"ours\"\nsource = \"here\"\nrevocable = false\n[purposes]\n";
    let policies = Policies::with_own(vec![PolicyFile::new("licenses/mit.toml", text)]).unwrap();
    assert_eq!(
        policies.licenses().get(&"mit".parse().unwrap()).unwrap().title,
        "ours"
    );
    assert!(policies.licenses().get(&"glm-4".parse().unwrap()).is_some());
}

#[test]
fn rules_that_say_nothing_of_an_objection_are_no_policies() {
    let without = shipped()
        .filter(|file| file.name != "rules/licenses.cedar")
        .collect();
    let told = Policies::read(without).unwrap_err().to_string();
    assert!(told.contains("no rule forbids for license_unknown"), "{told}");
}

#[test]
fn a_new_reading_replaces_the_old_one_for_all_who_share_it() {
    let (first, later) = (
        OffsetDateTime::UNIX_EPOCH,
        OffsetDateTime::UNIX_EPOCH + time::Duration::DAY,
    );
    let current = CurrentPolicies::new(Policies::shipped().unwrap(), "here", first);
    let (other, before) = (current.clone(), current.get());
    let own = PolicyFile::new("rules/own.cedar", RULE);
    current.replace(Policies::with_own(vec![own.clone()]).unwrap(), later);
    let seen = other.in_force();
    assert_ne!(seen.policies.sha256(), before.sha256());
    assert_eq!(seen.policies.own_files().collect::<Vec<_>>(), [&own]);
    assert_eq!((seen.since, other.site()), (later, "here"));
}
