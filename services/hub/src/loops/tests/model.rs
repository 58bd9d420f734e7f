//! The model that all batches ask.

use domain::{
    audit::NewAudit,
    digest::Sha256,
    hardware::Need,
    id::IdMaker,
    model::{Artifact, Card, Model},
    names::ModelName,
};
use records::{
    Db,
    models::{self, NewRevision},
};
use time::OffsetDateTime;

pub fn model() -> ModelName {
    "acme/tiny".parse().unwrap()
}

/// Registers it under `license`, with a revision.
pub async fn register(db: &Db, ids: &IdMaker, at: OffsetDateTime, license: &str) {
    let model = Model {
        name: model(),
        license: license.parse().unwrap(),
        license_source: "the test".into(),
        card: Card::default(),
        registered_at: at,
    };
    let sha256 = Sha256::of(b"manifest");
    let entry = NewAudit {
        id: ids.make(),
        at,
        tenant: "glmhub".parse().unwrap(),
        member: None,
        kind: "revision.imported",
        subject: sha256.to_string(),
        decision: None,
        detail: serde_json::Value::Null,
    };
    let artifacts = vec![Artifact {
        path: "config.json".into(),
        sha256: Sha256::of(b"{}"),
        bytes: 2,
    }];
    models::add_revision(
        db,
        &NewRevision {
            model,
            sha256,
            artifacts,
            need: Some(Need {
                values: 5,
                working_bytes: 7,
            }),
            terms: None,
            entry,
        },
    )
    .await
    .unwrap();
}
