//! `glmhub license …`, against a running hub.

use super::scene::{MODEL, Scene};
use crate::{
    process::{Ended, ended, glmhub},
    weights::TERMS,
};
use serde_json::Value;
use std::{fs, path::Path};

/// Runs `glmhub license …` for a member of `tenant` with `role`.
pub fn license(scene: &Scene, tenant: &str, role: &str, arguments: &[&str]) -> Ended {
    let mut command = glmhub();
    command
        .arg("license")
        .args(arguments)
        .env("GLMHUB_URL", scene.hub.url())
        .env("GLMHUB_TOKEN", scene.hub.token(tenant, &[role]));
    ended(command.output().unwrap())
}

pub(super) const SIGNER: [&str; 4] = ["--signer-name", "the signatory", "--signer-title", "Counsel"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An acceptance of the model's text for commercial use, with a file of evidence.
fn accepted(scene: &Scene, evidence: &Path) -> Value {
    let evidence = evidence.to_str().unwrap();
    let what = ["accept", "--model", MODEL, "--current", "--purpose", "commercial"];
    let more = [
        "--registration-number",
        "R-1",
        "--evidence",
        evidence,
        "--valid-until",
        "2030-12-31",
    ];
    let arguments = [&what[..], &SIGNER, &more, &["--yes", "--json"]].concat();
    json(&license(scene, "acme", "signatory", &arguments).well())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_goes_its_whole_way_by_commands() {
    let scene = Scene::set().await;
    let evidence = scene.weights.file("register & 号.pdf");
    fs::write(&evidence, b"%PDF-1.7").unwrap();
    let asked = accepted(&scene, &evidence);
    assert_eq!(
        (&asked["state"], &asked["evidence_files"]),
        (&"under_review".into(), &1.into())
    );
    assert_eq!(asked["valid_until"], "2031-01-01T00:00:00Z");
    let id = asked["id"].as_str().unwrap();
    let waiting = license(&scene, "zhipu", "reviewer", &["list", "--state", "under_review"]).well();
    assert!(waiting.starts_with(id) && waiting.contains("acme"), "{waiting}");
    assert_eq!(waiting.lines().count(), 1);
    let own = license(&scene, "other", "signatory", &["list"]).well();
    assert_eq!(own, "");
    let review = |more: &[&str]| license(&scene, "zhipu", "reviewer", &[&["review", id], more].concat());
    let shown = review(&[]).well();
    assert!(
        shown.contains("is under_review") && shown.contains("1 of evidence"),
        "{shown}"
    );
    review(&["--reject"]).badly(2);
    review(&["--approve", "--reject", "--reason", "x"]).badly(2);
    review(&["--valid-until", "2027-01-01"]).badly(2);
    let late = review(&["--approve", "--valid-until", "2031-06-01"]).badly(1);
    assert!(late.contains("acceptance_invalid"), "{late}");
    let comment = ["--comment", "R-1 is in the register"];
    let approved = review(
        &[
            &comment[..],
            &["--approve", "--valid-until", "2027-12-31", "--json"],
        ]
        .concat(),
    );
    let approved = json(&approved.well());
    assert_eq!(
        (&approved["state"], &approved["comments"]),
        (&"active".into(), &1.into())
    );
    scene.open("commercial").await.expect(201);
    for (act, state) in [
        ("suspend", "suspended"),
        ("resume", "active"),
        ("revoke", "revoked"),
    ] {
        license(&scene, "zhipu", "reviewer", &[act, id]).badly(2);
        let told = license(&scene, "zhipu", "reviewer", &[act, id, "--reason", "tried out"]).well();
        assert!(told.starts_with(&format!("{id} is {state}\n")), "{act}: {told}");
        let again = license(&scene, "zhipu", "reviewer", &[act, id, "--reason", "x"]).badly(1);
        assert!(again.contains("acceptance_state"), "{act}: {again}");
    }
    let missing = license(&scene, "acme", "signatory", &["revoke", id, "--reason", "x"]).badly(1);
    assert!(missing.contains("missing_role"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_accepted_unasked_or_by_mistake() {
    let scene = Scene::set().await;
    let accept = |more: &[&str]| {
        let arguments = [&["accept", "--purpose", "evaluation"], &SIGNER[..], more].concat();
        license(&scene, "acme", "signatory", &arguments)
    };
    let unasked = accept(&["--model", MODEL, "--current"]).badly(2);
    assert!(unasked.contains("--yes"), "{unasked}");
    for wrong in [
        &["--model", MODEL, "--yes"][..],
        &["--current", "--yes"],
        &["glm-4", "--model", MODEL, "--current", "--yes"],
        &["glm-4", "--current", "--terms", &scene.terms, "--yes"],
        &["glm-4", "--current", "--yes", "--valid-until", "soon"],
        &["glm-4", "--current", "--yes", "--evidence", "/nowhere.pdf"],
        &["glm-4", "--current", "--yes", "--evidence", "/etc/hostname"],
    ] {
        accept(wrong).badly(2);
    }
    let stale = accept(&["glm-4", "--yes", "--terms", &"0".repeat(64)]).badly(1);
    assert!(stale.contains("terms_superseded"), "{stale}");
    let none = license(&scene, "acme", "signatory", &["list"]).well();
    assert_eq!(none, "");
    let done = accept(&["glm-4", "--yes", "--terms", &scene.terms]).well();
    assert!(
        done.contains("is active\n") && done.contains("the signatory, Counsel"),
        "{done}"
    );
    scene.open("evaluation").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_what_changed_in_them_are_shown_as_they_are() {
    let scene = Scene::set().await;
    let show = |more: &[&str]| license(&scene, "acme", "signatory", &[&["show", "glm-4"], more].concat());
    assert_eq!(show(&["--terms", &scene.terms]).well(), TERMS);
    let newer = format!("{TERMS}One more clause.\n");
    scene.weights.write("LICENSE", newer.as_bytes());
    scene.hub.import(MODEL, scene.weights.path());
    let facts = json(&show(&["--json"]).well());
    let new = facts["terms"][0]["sha256"].as_str().unwrap();
    let changed = show(&["--diff", &scene.terms, new]).well();
    assert!(changed.ends_with("\n+One more clause.\n"), "{changed}");
    let objects = json(&show(&["--diff", &scene.terms, new, "--json"]).well());
    assert_eq!(objects["to"], new);
    // A text that nobody is known to have published is one to compare.
    assert_eq!(facts["terms"][0]["published_at"], Value::Null);
    assert!(show(&[]).well().contains("not known as a published text"));
    show(&["--diff", new]).badly(2);
    show(&["--diff", new, new, "--terms", new]).badly(2);
    let missing = show(&["--terms", &"0".repeat(64)]).badly(1);
    assert!(missing.contains("not_found"), "{missing}");
}
