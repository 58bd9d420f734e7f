use super::*;
use crate::{
    lineage::{Relation, descent},
    policy::PolicyFile,
};

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn made_from(parent: &str, child: &str) -> LineageEdge {
    LineageEdge {
        parent: name(parent),
        child: name(child),
        relation: Relation::Finetune,
        evidence: "its card".into(),
    }
}

/// A model with a diamond above it: two parents that have one parent, which nobody has registered.
fn bom() -> Value {
    let edges = [
        made_from("a/left", "a/own"),
        made_from("a/right", "a/own"),
        made_from("b/top", "a/left"),
        made_from("b/top", "a/right"),
    ];
    let license = |model: &str| match model {
        "a/own" => Some("mit"),
        "a/left" => Some("glm-4"),
        "a/right" => Some("apache-2.0"),
        _ => None,
    };
    let lineage: Vec<Licensed> = descent(&name("a/own"), &edges)
        .into_iter()
        .map(|(model, through)| Licensed {
            license: license(model.as_str()).map(|id| id.parse().unwrap()),
            terms_sha256: None,
            through,
            model,
        })
        .collect();
    let model = Model {
        name: name("a/own"),
        license: "mit".parse().unwrap(),
        license_source: "its card".into(),
        card: Card::default(),
        registered_at: OffsetDateTime::UNIX_EPOCH,
    };
    let artifacts = [Artifact {
        path: "config.json".into(),
        sha256: Sha256::of(b"{}"),
        bytes: 2,
    }];
    let subject = Subject {
        model: &model,
        revision: None,
        artifacts: &artifacts,
        lineage: &lineage,
        edges: &edges,
    };
    of(subject, &Licenses::shipped().unwrap(), OffsetDateTime::UNIX_EPOCH)
}

#[test]
fn every_ancestor_of_a_diamond_is_a_component_once_and_the_edges_are_dependencies() {
    let bom = bom();
    let components = bom["components"].as_array().unwrap();
    let names: Vec<&str> = components
        .iter()
        .map(|one| one["bom-ref"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["model:a/left", "model:a/right", "model:b/top", "file:config.json"]
    );
    let upon = |reference: &str| {
        let all = bom["dependencies"].as_array().unwrap().iter();
        let found: Vec<_> = all.filter(|one| one["ref"] == reference).collect();
        assert_eq!(found.len(), 1, "{reference}");
        found[0]["dependsOn"].clone()
    };
    assert_eq!(
        upon("model:a/own"),
        json!(["file:config.json", "model:a/left", "model:a/right"])
    );
    assert_eq!(upon("model:a/left"), json!(["model:b/top"]));
    assert_eq!(upon("model:b/top"), json!([]));
}

#[test]
fn licenses_have_their_spdx_id_or_title_and_what_nobody_knows_is_unknown() {
    let bom = bom();
    let own = &bom["metadata"]["component"];
    assert_eq!(own["licenses"][0]["license"]["id"], "MIT");
    let ancestors = own["pedigree"]["ancestors"].as_array().unwrap();
    assert_eq!(
        ancestors[0]["licenses"][0]["license"]["name"],
        "The glm-4-9b License"
    );
    assert_eq!(ancestors[2]["properties"][0]["value"], "unknown");
    let properties = own["properties"].as_array().unwrap();
    assert!(properties.contains(&json!({ "name": "glmhub:purpose:research", "value": "unknown" })));
    let shown = json!({ "name": "glmhub:duty", "value": "show \"Built with glm-4\" (from a/own < a/left)" });
    assert!(properties.contains(&shown), "{properties:#?}");
}

#[test]
fn a_purpose_tells_after_what_until_when_and_where_it_is_permitted() {
    let text = "id = \"t\"\ntitle = \"T\"\nsource = \"here\"\nrevocable = false\n\
        [purposes.research]\npermission = \"permitted\"\nconditions = [\"review\", \"acceptance\"]\n\
        territories = [\"DE\", \"CN\"]\nuntil = \"2030-01-01T00:00:00Z\"\n";
    let licenses = Licenses::read(&[PolicyFile::new("licenses/t.toml", text)]).unwrap();
    let lineage = [Licensed {
        model: name("a/own"),
        license: Some("t".parse().unwrap()),
        terms_sha256: None,
        through: None,
    }];
    let mut all = BTreeMap::new();
    let terms = effective::terms(&lineage, &licenses);
    for (purpose, said) in &terms.purposes {
        purpose_properties(&mut all, *purpose, said);
    }
    let all: Vec<(&str, &str)> = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        all,
        [
            ("glmhub:purpose:commercial", "unknown"),
            ("glmhub:purpose:evaluation", "unknown"),
            ("glmhub:purpose:research", "permitted"),
            ("glmhub:purpose:research:conditions", "acceptance, review"),
            (
                "glmhub:purpose:research:limits",
                "until 2030-01-01T00:00:00Z, only in CN, DE"
            ),
        ]
    );
}

#[test]
fn equal_contents_have_an_equal_serial_number_whenever_they_are_written() {
    let (one, other) = (bom(), bom());
    assert_eq!(one["serialNumber"], other["serialNumber"]);
    let mut later = one.clone();
    later["metadata"]["timestamp"] = json!("2026-01-01T00:00:00Z");
    later.as_object_mut().unwrap().remove("serialNumber");
    assert_eq!(json!(serial(&later)), one["serialNumber"]);
}
