//! A whole proof has no findings, and no part of it can be changed without one.

use super::*;
use crate::{
    audit::tree::{Hashes, Question, Tree},
    clock::HandClock,
    id::IdMaker,
    order::Parameters,
    provenance::{GrantGiven, LicenseHeld, ModelUsed, PageRead, Provenance, QuestionAsked},
    purpose::Purpose,
};
use serde_json::json;
use std::sync::Arc;
use time::Duration;

const TERMS: &[u8] = b"the terms";
const TEXT: &str = "42";

/// The proof of one commercial answer under one acceptance.
fn proof() -> Proof {
    let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH));
    let ids = IdMaker::new(clock);
    let (job, acceptance) = (ids.make(), ids.make());
    let grant = Grant {
        order: ids.make(),
        tenant: "acme".parse().unwrap(),
        jobs: vec![job],
        purpose: Purpose::Commercial,
        page_sha256: Sha256::of(b"page"),
        questions_sha256: Sha256::of(b"questions"),
        model: "THUDM/glm-4v-9b".parse().unwrap(),
        revision_sha256: Sha256::of(b"manifest"),
        artifacts_sha256: Sha256::of(b"artifacts"),
        terms_sha256: Some(Sha256::of(TERMS)),
        policies_sha256: Sha256::of(b"policies"),
        decision: ids.make(),
        attempt: 1,
        epoch: 0,
        exp: 100,
        iat: 3,
    };
    let token = "token".to_owned();
    let provenance = Provenance {
        tenant: grant.tenant.clone(),
        purpose: grant.purpose,
        batch: ids.make(),
        page: PageRead {
            document: ids.make(),
            number: Some(1),
            sha256: grant.page_sha256,
        },
        question: QuestionAsked {
            sha256: Sha256::of(b"What is the total?"),
            parameters: Parameters::default(),
        },
        model: ModelUsed {
            name: grant.model.clone(),
            revision_sha256: grant.revision_sha256,
            artifacts: Vec::new(),
        },
        license: LicenseHeld {
            decision: grant.decision,
            policies_sha256: Some(Sha256::of(b"policies")),
            terms_sha256: grant.terms_sha256,
            acceptances: vec![acceptance],
            notices: Vec::new(),
        },
        grant: GrantGiven {
            order: grant.order,
            attempt: grant.attempt,
            sha256: Sha256::of(token.as_bytes()),
        },
        engine: "glmhub 1".into(),
        worker: "wrk_1".into(),
        answered_at: "1970-01-01T00:00:04Z".into(),
        shared_from: None,
    };
    let rows = rows(&grant, job, &acceptance.to_string(), &token);
    let (entries, root) = logged(&rows);
    Proof {
        job,
        root,
        entries,
        rows,
        grant,
        grant_token: token,
        statement: Statement::of(job, TEXT, provenance),
        manifest_sha256: Sha256::of(b"manifest"),
        terms: BTreeSet::from([Sha256::of(TERMS)]),
    }
}

fn rows(grant: &Grant, job: JobId, acceptance: &str, token: &str) -> Vec<VouchedRow> {
    let row = |of: &str, id: String, row: Value| VouchedRow {
        of: of.into(),
        id,
        row,
    };
    vec![
        row(
            "acceptance",
            acceptance.to_owned(),
            json!({ "id": acceptance, "tenant": "acme", "terms_sha256": Sha256::of(TERMS) }),
        ),
        row(
            "decision",
            grant.decision.to_string(),
            json!({
                "outcome": "allowed", "tenant": "acme", "model": grant.model, "purpose": "commercial",
                "revision_sha256": grant.revision_sha256, "policies_sha256": Sha256::of(b"policies"),
            }),
        ),
        row(
            "grant",
            grant.order.to_string(),
            json!({ "order_id": grant.order, "grant_token": token }),
        ),
        row(
            "answer",
            job.to_string(),
            json!({
                "job": job, "order_id": grant.order, "attempt": 1, "text": TEXT, "engine": "glmhub 1",
                "worker": "wrk_1", "answered_at": "1970-01-01T00:00:04Z",
            }),
        ),
    ]
}

/// A log with an entry for each row, a second apart.
fn logged(rows: &[VouchedRow]) -> (Vec<ProvenEntry>, Root) {
    let kinds = [
        "acceptance.approved",
        "decision.allowed",
        "grant.minted",
        "job.answered",
    ];
    let entry = |(second, (row, kind)): (i64, (&VouchedRow, &str))| AuditEntry {
        id: format!("aud_{second}"),
        at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(second),
        tenant: "acme".into(),
        member: None,
        kind: kind.into(),
        subject: row.id.clone(),
        decision: None,
        detail: json!({ "row": { "of": row.of, "sha256": Sha256::of(&canonical(&row.row)) } }),
    };
    let entries: Vec<AuditEntry> = (1..).zip(rows.iter().zip(kinds)).map(entry).collect();
    let (mut tree, mut kept) = (Tree::default(), Vec::new());
    for entry in &entries {
        kept.extend(tree.push(&entry.leaf()).unwrap());
    }
    let (size, hashes) = (tree.size(), kept.into_iter().collect::<Hashes>());
    let proven = |(place, entry): (u64, AuditEntry)| ProvenEntry {
        place,
        entry,
        proof: Question::Inclusion { size, place }.answer(&hashes).unwrap(),
    };
    let root = Root {
        size,
        sha256: tree.root().unwrap(),
    };
    ((0..).zip(entries).map(proven).collect(), root)
}

/// What is found when `change` was made to a whole proof.
fn found(change: impl FnOnce(&mut Proof)) -> Vec<String> {
    let mut proof = proof();
    change(&mut proof);
    proof
        .findings()
        .into_iter()
        .map(|finding| finding.to_string())
        .collect()
}

#[test]
fn a_whole_proof_has_no_findings() {
    assert_eq!(proof().findings(), []);
}

#[test]
fn a_changed_row_is_not_what_the_log_tells_of() {
    for at in 0..4 {
        let findings = found(|proof| proof.rows[at].row["added"] = "x".into());
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].contains("no entry of the log tells of it"),
            "{findings:?}"
        );
    }
}

#[test]
fn a_missing_row_and_a_missing_entry_are_found() {
    for at in 0..4 {
        assert!(!found(|proof| drop(proof.rows.remove(at))).is_empty(), "row {at}");
        assert!(
            !found(|proof| drop(proof.entries.remove(at))).is_empty(),
            "entry {at}"
        );
    }
}

#[test]
fn a_changed_entry_is_not_in_the_log() {
    for at in 0..4 {
        let findings = found(|proof| proof.entries[at].entry.member = Some("somebody".into()));
        assert!(
            findings[0].contains("not in the log of the checkpoint"),
            "{findings:?}"
        );
    }
}

#[test]
fn provenance_of_other_work_than_was_granted_is_found() {
    let changes: [fn(&mut Proof); 9] = [
        |proof| proof.statement.predicate.page.sha256 = Sha256::of(b"another page"),
        |proof| proof.statement.predicate.model.revision_sha256 = Sha256::of(b"another model"),
        |proof| proof.statement.predicate.purpose = Purpose::Research,
        |proof| proof.statement.predicate.tenant = "umbrella".parse().unwrap(),
        |proof| proof.statement.predicate.engine = "another".into(),
        |proof| proof.statement.predicate.license.policies_sha256 = None,
        |proof| proof.statement.subject[0].digest.sha256 = Sha256::of(b"43"),
        |proof| proof.statement.subject.clear(),
        |proof| proof.statement.predicate_type = "another".into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert!(!found(change).is_empty(), "change {at} is not found");
    }
}

#[test]
fn another_grant_another_manifest_and_missing_terms_are_found() {
    assert!(!found(|proof| proof.grant_token = "another".into()).is_empty());
    assert!(!found(|proof| proof.grant.jobs.clear()).is_empty());
    assert!(found(|proof| proof.manifest_sha256 = Sha256::of(b"x"))[0].contains("manifest"));
    let terms = found(|proof| proof.terms.clear());
    assert!(
        terms[0].contains("came with the weights is not here"),
        "{terms:?}"
    );
    assert!(
        terms[1].contains("text that was accepted is not here"),
        "{terms:?}"
    );
}

#[test]
fn an_acceptance_that_was_revoked_before_the_grant_does_not_prove_it() {
    let findings = found(|proof| {
        let mut revoked = proof.entries[0].clone();
        revoked.entry.kind = "acceptance.revoked".into();
        revoked.place = 1;
        proof.entries.push(revoked);
    });
    assert!(
        findings
            .iter()
            .any(|one| one.contains("did not stand when the work was granted")),
        "{findings:?}"
    );
}
