//! The audit log from outside: what it covers, its proofs, and that tampering with the database is found.

use crate::{
    hub::{Hub, eventually},
    jobs::{completed, hub_with_model, open, page, submit, upload},
    process::{Ended, perform, perform_in},
};
use domain::audit::{AuditEntry, tree};
use exchange::{checkpoint, signing::VerifyingKeys};
use serde_json::Value;
use std::{fs, path::Path};

/// Seals often, so that nobody waits.
const OFTEN: (&str, &str) = ("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20");

async fn hub_that_answered() -> Hub {
    let hub = hub_with_model(&[OFTEN]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    upload(&client, &batch, page(10), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    hub
}

fn verify(data: &Path, more: &[&str]) -> Ended {
    perform_in(data, &[&["audit", "verify"], more].concat(), &[])
}

#[tokio::test]
async fn every_entry_is_proven_to_be_under_the_signed_checkpoint() {
    let hub = hub_that_answered().await;
    let auditor = hub.client("audit", &["auditor"]);
    let keys = hub
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .json();
    let keys = VerifyingKeys::from_jwks(&keys).unwrap();
    let listed = auditor
        .get("/v1/audit/entries?limit=100")
        .await
        .expect(200)
        .json();
    let kinds: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["entry"]["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "model.imported",
        "decision.allowed",
        "batch.opened",
        "grant.minted",
        "job.answered",
    ] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}");
    }
    for one in listed["data"].as_array().unwrap() {
        let path = format!("/v1/audit/entries/{}", one["entry"]["id"].as_str().unwrap());
        let look = || async {
            Some(auditor.get(&path).await.expect(200).json()).filter(|seen| !seen["inclusion"].is_null())
        };
        let seen = eventually("the entry to be sealed", look).await;
        let entry: AuditEntry = serde_json::from_value(seen["entry"].clone()).unwrap();
        let inclusion = &seen["inclusion"];
        let under =
            checkpoint::verify(&keys, Some("glmhub"), inclusion["checkpoint"].as_str().unwrap()).unwrap();
        let proof: Vec<domain::digest::Sha256> = serde_json::from_value(inclusion["proof"].clone()).unwrap();
        let place = seen["place"].as_u64().unwrap();
        assert_eq!(
            tree::includes(&under.root, under.size, place, &entry.leaf(), &proof),
            Ok(())
        );
    }
    let answered = auditor
        .get("/v1/audit/entries?kind=job.answered")
        .await
        .expect(200)
        .json();
    let decision = answered["data"][0]["entry"]["decision"].as_str().unwrap();
    let of_it = auditor
        .get(&format!("/v1/audit/entries?decision={decision}"))
        .await
        .expect(200)
        .json();
    let told: Vec<&Value> = of_it["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["entry"]["kind"])
        .collect();
    assert!(
        told.len() >= 4,
        "decision, batch, grant and answer name one decision: {told:?}"
    );
    let submitter = hub.client("acme", &["submitter"]);
    submitter
        .get("/v1/audit/entries")
        .await
        .refused(403, "missing_role");
    submitter.get("/v1/audit/checkpoint").await.expect(200);
    submitter
        .get("/v1/audit/consistency?from=1&to=2")
        .await
        .expect(200);
    submitter
        .get("/v1/audit/consistency?from=2&to=1")
        .await
        .refused(400, "sizes_out_of_range");
}

#[tokio::test]
async fn a_log_is_verified_beside_the_running_hub_after_its_end_and_from_a_file() {
    let mut hub = hub_that_answered().await;
    let (data, folder) = (hub.data(), tempfile::tempdir().unwrap());
    let kept = folder.path().join("kept.txt");
    let note = || async {
        perform_in(&data, &["audit", "checkpoint"], &[])
            .code
            .filter(|code| *code == 0)
    };
    eventually("a checkpoint", note).await;
    fs::write(&kept, perform_in(&data, &["audit", "checkpoint"], &[]).well()).unwrap();
    assert!(verify(&data, &[]).well().contains("all is as it was signed"));
    let keys = hub.stranger().get("/.well-known/jwks.json").await.expect(200);
    assert!(hub.end().success());
    let told = verify(&data, &["--json", "--checkpoint", kept.to_str().unwrap()]).well();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["pending"], 0, "a hub that ended well has sealed all: {told}");
    let [file, jwks] = ["audit.jsonl", "jwks.json"].map(|name| folder.path().join(name));
    fs::write(&jwks, keys.body).unwrap();
    perform_in(&data, &["audit", "export", "--to", file.to_str().unwrap()], &[]).well();
    let offline = [
        "audit",
        "verify",
        "--file",
        file.to_str().unwrap(),
        "--keys",
        jwks.to_str().unwrap(),
    ];
    assert!(perform(&offline).well().contains("all is as it was signed"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("job.answered", "job.refused_", 1)).unwrap();
    let ended = perform(&offline);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("signed other entries"), "{}", ended.stdout);
}

#[tokio::test]
async fn bytes_that_were_changed_in_the_database_file_are_found_with_the_entry() {
    let mut hub = hub_that_answered().await;
    assert!(hub.end().success());
    let file = hub.data().join("hub.db");
    let before = fs::read(&file).unwrap();
    let told = b"decision.allowed";
    let at = before.windows(told.len()).position(|seen| seen == told).unwrap();
    let mut after = before.clone();
    after[at..at + told.len()].copy_from_slice(b"decision.refused");
    fs::write(&file, after).unwrap();
    let ended = verify(&hub.data(), &[]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("FOUND entry aud_"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("it is not what was sealed"),
        "{}",
        ended.stdout
    );
    fs::write(&file, before).unwrap();
    verify(&hub.data(), &[]).well();
}
