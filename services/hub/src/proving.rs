//! Proofs of answers: where one came from, signed, and everything that shows it in one archive.

use crate::archive::{Content, Member};
use domain::{
    acceptance::Acceptance,
    bundle::Terms,
    digest::Sha256,
    grant::Grant,
    id::{AcceptanceId, JobId},
    lineage::Licensed,
    names::TenantName,
    proof::stood,
    provenance::{GrantGiven, LicenseHeld, ModelUsed, PageRead, Provenance, QuestionAsked, Statement},
};
use exchange::{
    attestation::{self, AttestationError, Envelope},
    grant::{self, GrantError},
    proof_bundle::{CHECKPOINT, ENTRIES, KEYS, MANIFEST, PROVENANCE, README, ROWS},
    signing::SigningKey,
};
use records::{
    Db, RecordsError, batches, facts,
    jobs::{self, WholeJob},
    models,
    proofs::{self, Evidence, Ground},
    terms,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Why an answer cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProvingError {
    /// The tenant has no such job.
    #[error("there is no such job")]
    NoJob,
    /// The job has no answer.
    #[error("the job has no answer")]
    NoAnswer,
    /// The answer is from a version that did not keep grants.
    #[error("the grant of this answer was not kept: it is older than the audit log's proofs")]
    GrantNotKept,
    /// The log has entries about the answer that are under no checkpoint yet.
    #[error("what the audit log says of the answer is under no checkpoint yet; ask again in a moment")]
    NotSealed,
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A grant that was kept is none.
    #[error("the grant that was kept is not one of this hub: {0}")]
    Grant(#[from] GrantError),
    /// The statement could not be signed.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// Something could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// What is known of an answer.
struct Answered {
    grant: Grant,
    statement: Statement,
    evidence: Evidence,
    terms: BTreeSet<Terms>,
}

/// Where the answer of a job of `tenant` came from, signed.
pub async fn provenance(
    db: &Db,
    key: &SigningKey,
    tenant: &TenantName,
    job: JobId,
) -> Result<Envelope, ProvingError> {
    let answered = Answered::read(db, key, tenant, job).await?;
    Ok(attestation::sign(key, &answered.statement)?)
}

/// The files that prove the answer of a job of `tenant`.
pub async fn bundle(
    db: &Db,
    key: &SigningKey,
    tenant: &TenantName,
    job: JobId,
) -> Result<Vec<Member>, ProvingError> {
    let answered = Answered::read(db, key, tenant, job).await?;
    let proven = proofs::prove(db, &answered.evidence.entries).await?;
    let (checkpoint, entries) = proven.ok_or(ProvingError::NotSealed)?;
    let envelope = attestation::sign(key, &answered.statement)?;
    let mut members = vec![
        text(README, how_to_verify(job)),
        text(PROVENANCE, pretty(&envelope)?),
        text(CHECKPOINT, checkpoint.note),
        text(ENTRIES, pretty(&entries)?),
        text(ROWS, pretty(&answered.evidence.rows)?),
        text(KEYS, pretty(&key.every().jwks())?),
        Member {
            path: MANIFEST.into(),
            content: Content::Blob(answered.grant.revision_sha256),
        },
    ];
    for one in answered.terms {
        if let Some(found) = terms::text(db, &one.license, &one.sha256).await? {
            members.push(text(&one.path(), found));
        }
    }
    Ok(members)
}

impl Answered {
    async fn read(db: &Db, key: &SigningKey, tenant: &TenantName, job: JobId) -> Result<Self, ProvingError> {
        let whole = jobs::get(db, tenant, job).await?.ok_or(ProvingError::NoJob)?;
        let order = proofs::order_of(db, tenant, job)
            .await?
            .ok_or(ProvingError::NoAnswer)?;
        let token = order.grant_token.ok_or(ProvingError::GrantNotKept)?;
        let grant = grant::look_back(&key.every(), &token)?;
        let known = facts::of(db, tenant, &grant.model, Some(&grant.revision_sha256)).await?;
        let lineage = known.facts.lineage;
        let of_lineage = |license| {
            lineage
                .iter()
                .any(|licensed| licensed.license.as_ref() == Some(license))
        };
        let candidates: Vec<AcceptanceId> = known
            .facts
            .acceptances
            .iter()
            .filter(|held| of_lineage(&held.license) && held.purposes.contains(&grant.purpose))
            .map(|held| held.id)
            .collect();
        let ground = Ground {
            job,
            order: order.order,
            decision: grant.decision,
            acceptances: &candidates,
        };
        let evidence = proofs::gather(db, &ground).await?;
        let stood = standing(&candidates, &evidence, &order.order.to_string());
        let terms = owed_terms(&grant, &lineage, known.facts.acceptances, &stood);
        let predicate = predicate(db, &whole, &grant, &token, stood, &evidence).await?;
        let text = field(&evidence, "answer", "text").unwrap_or_default();
        Ok(Self {
            statement: Statement::of(job, &text, predicate),
            grant,
            evidence,
            terms,
        })
    }
}

/// Those of `candidates` that stood when the order was granted.
fn standing(candidates: &[AcceptanceId], evidence: &Evidence, order: &str) -> Vec<AcceptanceId> {
    let entries = || evidence.entries.iter().map(|placed| (placed, &placed.entry));
    let granted = entries()
        .find(|(_, entry)| entry.kind == "grant.minted" && entry.subject == order)
        .map(|(_, entry)| entry.at);
    // Entries that wait to be sealed come after all that are.
    let placed = || entries().map(|(placed, entry)| (placed.place.unwrap_or(u64::MAX), entry));
    let stood_then = |id: &&AcceptanceId| granted.is_some_and(|at| stood(&id.to_string(), placed(), at));
    candidates.iter().filter(stood_then).copied().collect()
}

/// The texts that were accepted, and the one that came with the weights.
fn owed_terms(
    grant: &Grant,
    lineage: &[Licensed],
    acceptances: Vec<Acceptance>,
    stood: &[AcceptanceId],
) -> BTreeSet<Terms> {
    let mut owed = BTreeSet::new();
    let own = lineage.first().and_then(|own| own.license.clone());
    if let (Some(license), Some(sha256)) = (own, grant.terms_sha256) {
        owed.insert(Terms { license, sha256 });
    }
    let accepted = acceptances.into_iter().filter(|held| stood.contains(&held.id));
    owed.extend(accepted.map(|held| Terms {
        license: held.license,
        sha256: held.terms_sha256,
    }));
    owed
}

async fn predicate(
    db: &Db,
    whole: &WholeJob,
    grant: &Grant,
    token: &str,
    stood: Vec<AcceptanceId>,
    evidence: &Evidence,
) -> Result<Provenance, ProvingError> {
    let job = &whole.job;
    let batch = batches::get(db, &job.tenant, job.batch)
        .await?
        .ok_or(ProvingError::NoJob)?;
    let asked = batches::questions(db, &job.tenant, job.batch).await?;
    let place = usize::try_from(job.question).unwrap_or(usize::MAX);
    let asked = asked.into_iter().nth(place).ok_or(ProvingError::NoJob)?;
    let said = |name| field(evidence, "answer", name).unwrap_or_default();
    Ok(Provenance {
        tenant: job.tenant.clone(),
        purpose: grant.purpose,
        batch: job.batch,
        page: PageRead {
            document: job.document,
            number: job.page(),
            sha256: grant.page_sha256,
        },
        question: QuestionAsked {
            sha256: Sha256::of(asked.text.as_bytes()),
            parameters: job.role.parameters(&asked.parameters),
        },
        model: ModelUsed {
            name: grant.model.clone(),
            revision_sha256: grant.revision_sha256,
            artifacts: models::revision_artifacts(db, &grant.revision_sha256).await?,
        },
        license: LicenseHeld {
            decision: grant.decision,
            policies_sha256: field(evidence, "decision", "policies_sha256")
                .and_then(|text| text.parse().ok()),
            terms_sha256: grant.terms_sha256,
            acceptances: stood,
            notices: batch.license.notices().map(str::to_owned).collect(),
        },
        grant: GrantGiven {
            order: grant.order,
            attempt: grant.attempt,
            sha256: Sha256::of(token.as_bytes()),
        },
        engine: said("engine"),
        worker: said("worker"),
        answered_at: said("answered_at"),
        shared_from: field(evidence, "answer", "shared_from").and_then(|job| job.parse().ok()),
    })
}

/// A text of the row of kind `of`.
fn field(evidence: &Evidence, of: &str, name: &str) -> Option<String> {
    let row = evidence.rows.iter().find(|row| row.of == of)?;
    row.row[name].as_str().map(str::to_owned)
}

fn text(path: &str, text: String) -> Member {
    Member {
        path: path.to_owned(),
        content: Content::Text(text),
    }
}

fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value)
}

fn how_to_verify(job: JobId) -> String {
    format!(
        "The proof of the answer of {job}.\n\n\
         {PROVENANCE}   where the answer came from: an in-toto statement in a signed DSSE envelope\n\
         {ROWS}         the answer, the signed grant, the decision and the acceptances, as the hub holds them\n\
         {ENTRIES}      what the audit log says of them, each entry with its inclusion proof (RFC 6962)\n\
         {CHECKPOINT}   the signed checkpoint of the log (c2sp.org/tlog-checkpoint)\n\
         {MANIFEST}     the files of the model; its SHA-256 is the revision\n\
         TERMS/            the texts that were accepted or came with the weights\n\
         {KEYS}         the hub's public keys. Use a copy that you got from elsewhere.\n\n\
         Verify it, without the hub:  glmhub audit verify --proof THIS.zip --keys KEYS.json\n"
    )
}
