//! From files that are in the blobs and were looked at to a revision, whoever brought them.

use domain::{
    audit::NewAudit,
    digest::Sha256,
    hardware::Need,
    id::{AuditId, ModelUploadId},
    model::{Artifact, Model},
    names::{MemberName, TenantName},
};
use exchange::{
    blobs::{Blobs, one_piece},
    manifest::{Manifest, ManifestError, ManifestFile},
};
use records::models::NewRevision;
use serde_json::json;
use time::OffsetDateTime;

/// What was brought.
#[derive(Debug)]
pub struct Weights {
    /// The files, which are in the blobs.
    pub artifacts: Vec<Artifact>,
    /// What they take in memory.
    pub need: Need,
    /// The exact text of the terms that came with them.
    pub terms: Option<String>,
}

/// Who brought it, when.
#[derive(Debug)]
pub struct Bringing {
    /// The id of the entry in the audit log.
    pub id: AuditId,
    /// When.
    pub at: OffsetDateTime,
    /// Whose member it was.
    pub tenant: TenantName,
    /// Which one; nobody, for an import at the hub's machine.
    pub member: Option<MemberName>,
    /// The upload that it came by.
    pub upload: Option<ModelUploadId>,
}

/// The manifest of files.
pub fn manifest(artifacts: &[Artifact]) -> Result<Manifest, ManifestError> {
    let file = |one: &Artifact| ManifestFile {
        path: one.path.clone(),
        sha256: one.sha256,
        bytes: one.bytes,
    };
    Manifest::new(artifacts.iter().map(file).collect())
}

/// The revision of `model` that the weights are, with its manifest in the blobs.
pub async fn revision(
    blobs: &dyn Blobs,
    model: Model,
    weights: Weights,
    by: Bringing,
) -> anyhow::Result<NewRevision> {
    let sha256 = store_manifest(blobs, &weights.artifacts).await?;
    let terms_sha256 = weights.terms.as_ref().map(|text| Sha256::of(text.as_bytes()));
    let mut detail = json!({
        "revision_sha256": sha256, "license": model.license, "license_source": model.license_source,
        "terms_sha256": terms_sha256,
    });
    if let Some(upload) = by.upload {
        detail["upload"] = json!(upload);
    }
    Ok(NewRevision {
        sha256,
        artifacts: weights.artifacts,
        need: Some(weights.need),
        terms: weights.terms,
        entry: NewAudit {
            id: by.id,
            at: by.at,
            tenant: by.tenant,
            member: by.member,
            kind: "model.imported",
            subject: model.name.to_string(),
            decision: None,
            detail,
        },
        model,
    })
}

async fn store_manifest(blobs: &dyn Blobs, artifacts: &[Artifact]) -> anyhow::Result<Sha256> {
    let manifest = manifest(artifacts)?;
    let bytes = manifest.to_bytes();
    let limit = bytes.len() as u64;
    let stored = blobs.put(one_piece(bytes), limit).await?.sha256;
    anyhow::ensure!(
        stored == manifest.sha256(),
        "the manifest was stored as {stored}, which is not its digest"
    );
    Ok(stored)
}
