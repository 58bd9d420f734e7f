//! The proof of one answer: given out, verified without the hub, and found out when anything in it was changed.

use crate::{
    hub::{Hub, eventually},
    jobs::{completed, page, submit, upload},
    licence::scene::{Scene, path},
    process::{Ended, perform, perform_in},
};
use domain::provenance::Statement;
use exchange::{
    attestation::{self, Envelope},
    signing::VerifyingKeys,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Seals often, so that nobody waits.
const OFTEN: (&str, &str) = ("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20");

/// A hub that has answered one commercial job under an approved acceptance.
struct Answered {
    scene: Scene,
    acceptance: Value,
    job: String,
    folder: TempDir,
    keys: PathBuf,
}

async fn answered() -> Answered {
    let scene = Scene::set_with(&[OFTEN]).await;
    let acceptance = scene.accepted(&["commercial"]).await;
    scene
        .reviewer
        .post(&path(&acceptance, "/review"), &json!({ "verdict": "approve" }))
        .await
        .expect(200);
    let batch = scene.open("commercial").await.expect(201);
    let batch = batch.header("location").unwrap().to_owned();
    upload(&scene.submitter, &batch, page(90), "image/png")
        .await
        .expect(201);
    submit(&scene.submitter, &batch).await.expect(200);
    completed(&scene.submitter, &batch).await;
    let jobs = scene
        .submitter
        .get(&format!("{batch}/jobs"))
        .await
        .expect(200)
        .json();
    let job = jobs["data"][0]["id"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("jwks.json");
    fs::write(&keys, jwks(&scene.hub).await).unwrap();
    Answered {
        scene,
        acceptance,
        job,
        folder,
        keys,
    }
}

async fn jwks(hub: &Hub) -> Vec<u8> {
    hub.stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .body
        .to_vec()
}

impl Answered {
    /// The proof, as soon as the log has sealed what belongs to it.
    async fn proof(&self) -> Vec<u8> {
        let path = format!("/v1/jobs/{}/proof", self.job);
        let look = || async {
            let answer = self.scene.submitter.get(&path).await;
            (answer.status == 200).then_some(answer)
        };
        let given = eventually("the proof", look).await;
        assert_eq!(given.header("content-type"), Some("application/zip"));
        given.body.to_vec()
    }

    fn verify(&self, proof: &[u8], keys: &Path) -> Ended {
        let file = self.folder.path().join("proof.zip");
        fs::write(&file, proof).unwrap();
        let (file, keys) = (file.to_str().unwrap(), keys.to_str().unwrap());
        perform(&["audit", "verify", "--proof", file, "--keys", keys])
    }
}

fn unpacked(proof: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(proof)).unwrap();
    let file = |at| {
        let mut member = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (member.name().unwrap().into_owned(), bytes)
    };
    (0..ZipArchive::new(Cursor::new(proof)).unwrap().len())
        .map(file)
        .collect()
}

fn packed(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn an_answer_is_proven_offline_with_the_public_key_alone() {
    let answered = answered().await;
    let proof = answered.proof().await;
    let told = answered.verify(&proof, &answered.keys).well();
    let acceptance = answered.acceptance["id"].as_str().unwrap();
    for part in ["is proven", &answered.job, acceptance, "commercial", "glm-4v-9b"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let files = unpacked(&proof);
    let terms = files.iter().find(|(path, _)| path.starts_with("TERMS/")).unwrap();
    assert_eq!(
        domain::digest::Sha256::of(terms.1).to_string(),
        answered.scene.terms
    );
    // A later revocation takes nothing from what was allowed before it.
    answered
        .scene
        .reviewer
        .post(
            &path(&answered.acceptance, "/revoke"),
            &json!({ "reason": "terminated" }),
        )
        .await
        .expect(200);
    let later = answered.proof().await;
    answered.verify(&later, &answered.keys).well();
}

#[tokio::test]
async fn a_proof_with_anything_changed_or_of_another_hub_is_found_out() {
    let answered = answered().await;
    let proof = answered.proof().await;
    let whole = unpacked(&proof);
    let changes: [(&str, &str, &str); 4] = [
        ("rows.json", "\"finish_reason\": \"", "\"finish_reason\": \"x"),
        ("entries.json", "\"job.answered\"", "\"job.failed\""),
        ("manifest.json", "{", "{ "),
        ("checkpoint.txt", "glmhub", "gimhub"),
    ];
    for (file, from, to) in changes {
        let mut files = whole.clone();
        let text = String::from_utf8(files[file].clone()).unwrap();
        assert!(text.contains(from), "{file}: {text}");
        files.insert(file.into(), text.replacen(from, to, 1).into_bytes());
        let ended = answered.verify(&packed(&files), &answered.keys);
        assert_eq!(ended.code, Some(1), "{file}: {}{}", ended.stdout, ended.stderr);
    }
    for file in ["rows.json", "provenance.json", "checkpoint.txt", "manifest.json"] {
        let mut files = whole.clone();
        files.remove(file);
        let ended = answered.verify(&packed(&files), &answered.keys);
        assert!(
            ended.code == Some(1),
            "without {file}: {}{}",
            ended.stdout,
            ended.stderr
        );
        assert!(ended.stderr.contains(file), "{}", ended.stderr);
    }
    let other = answered.folder.path().join("other.json");
    fs::write(&other, jwks(&Hub::start()).await).unwrap();
    let ended = answered.verify(&proof, &other);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("none of the known keys"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn provenance_is_a_signed_statement_about_page_model_terms_and_decision() {
    let answered = answered().await;
    let path = format!("/v1/jobs/{}/provenance", answered.job);
    let given = answered.scene.submitter.get(&path).await.expect(200).json();
    let envelope: Envelope = serde_json::from_value(given).unwrap();
    let keys: Value = serde_json::from_slice(&fs::read(&answered.keys).unwrap()).unwrap();
    let keys = VerifyingKeys::from_jwks(&keys).unwrap();
    let said = attestation::verify::<Statement>(&keys, &envelope)
        .unwrap()
        .predicate;
    let job = answered
        .scene
        .submitter
        .get(&format!("/v1/jobs/{}", answered.job))
        .await
        .expect(200)
        .json();
    assert_eq!(job["answer"]["decision_id"], said.license.decision.to_string());
    assert_eq!(
        job["answer"]["revision_sha256"],
        said.model.revision_sha256.to_string()
    );
    assert_eq!(job["answer"]["engine"], said.engine);
    assert_eq!(said.license.notices, ["Built with glm-4"]);
    assert_eq!(
        said.license.acceptances[0].to_string(),
        answered.acceptance["id"].as_str().unwrap()
    );
    assert!(said.model.artifacts.iter().any(|file| file.path == "LICENSE"));
    let other = answered.scene.hub.client("umbrella", &["submitter"]);
    for path in [path, format!("/v1/jobs/{}/proof", answered.job)] {
        other.get(&path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn the_operator_proves_an_answer_from_the_data_folder() {
    let mut answered = answered().await;
    answered.proof().await;
    assert!(answered.scene.hub.end().success());
    let (data, file) = (
        answered.scene.hub.data(),
        answered.folder.path().join("of_operator.zip"),
    );
    let to = file.to_str().unwrap();
    let told = perform_in(
        &data,
        &["audit", "prove", "--job", &answered.job, "--to", to],
        &[],
    )
    .well();
    assert!(told.contains(&answered.job), "{told}");
    answered.verify(&fs::read(&file).unwrap(), &answered.keys).well();
    let nobody = "job_00000000000000000000000000";
    let ended = perform_in(&data, &["audit", "prove", "--job", nobody, "--to", to], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("there is no job"), "{}", ended.stderr);
}
