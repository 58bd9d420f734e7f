//! What the gate decided.

mod replay;

pub use replay::{Recent, since};

use crate::{
    At, Db, RecordsError, Tx,
    audit::rows::{Fact, Rows},
    later::{Param, Write},
    on,
    read::Reading,
};
use domain::{
    audit::NewAudit,
    batch::Metadata,
    gate::{DecisionRecord, Duty, Outcome, Reason, Request},
    id::{DecisionId, IdMaker},
};
use serde_json::json;
use sqlx::types::Json;

const INSERT: &str = "INSERT INTO decisions (id, tenant, member, model, revision_sha256, purpose, at, outcome, \
    terms_sha256, duties, reasons, metadata, site, policies_sha256) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const GET: &str = "SELECT * FROM decisions WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, GET];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[replay::STATEMENTS];

/// Records a decision together with its entry in the audit log, and commits `tx`.
pub async fn record(mut tx: Tx, ids: &IdMaker, decision: &DecisionRecord) -> Result<(), RecordsError> {
    let request = &decision.request;
    let kind = match decision.outcome {
        Outcome::Allowed => "decision.allowed",
        Outcome::Refused => "decision.refused",
    };
    let codes: Vec<_> = decision.reasons.iter().map(|reason| &reason.code).collect();
    let mut entry = NewAudit {
        id: ids.make(),
        at: request.at,
        tenant: request.tenant.clone(),
        member: Some(request.member.clone()),
        kind,
        subject: decision.id.to_string(),
        decision: Some(decision.id),
        detail: json!({
            "model": request.model, "purpose": request.purpose, "reasons": codes,
            "policies_sha256": decision.policies_sha256,
        }),
    };
    let columns: Vec<(&str, Param)> = vec![
        ("id", decision.id.to_string().into()),
        ("tenant", request.tenant.as_str().into()),
        ("member", request.member.as_str().into()),
        ("model", request.model.as_str().into()),
        ("revision_sha256", request.revision_sha256.to_string().into()),
        ("purpose", request.purpose.as_str().into()),
        ("at", At(request.at).into()),
        ("outcome", decision.outcome.as_str().into()),
        (
            "terms_sha256",
            decision.terms_sha256.map(|sha256| sha256.to_string()).into(),
        ),
        ("duties", json!(decision.duties).into()),
        ("reasons", json!(decision.reasons).into()),
        ("metadata", json!(request.metadata).into()),
        ("site", request.site.as_str().into()),
        (
            "policies_sha256",
            decision.policies_sha256.map(|sha256| sha256.to_string()).into(),
        ),
    ];
    let rows = Rows::of_new(tx.db(), Fact::Decision, [&columns[..]])?;
    entry.detail = rows.vouched_for(&entry.subject, entry.detail)?;
    let values = columns.into_iter().map(|(_, value)| value);
    tx.later(values.fold(Write::of(INSERT), Write::bind));
    tx.append(entry);
    tx.commit().await?;
    Ok(())
}

/// A decision of any tenant. Who may see it is for the caller to judge by the tenant in it.
pub async fn get(db: &Db, id: DecisionId) -> Result<Option<DecisionRecord>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET).bind(id.to_string()).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    tenant: String,
    member: String,
    model: String,
    revision_sha256: String,
    purpose: String,
    at: At,
    outcome: String,
    terms_sha256: Option<String>,
    duties: Json<Vec<Duty>>,
    reasons: Json<Vec<Reason>>,
    metadata: Json<Metadata>,
    site: String,
    policies_sha256: Option<String>,
}

impl Row {
    fn read(self) -> Result<DecisionRecord, RecordsError> {
        let row = Reading {
            table: "decisions",
            id: &self.id,
        };
        let outcome = match (self.outcome.as_str(), self.reasons.is_empty()) {
            ("allowed", true) => Outcome::Allowed,
            ("refused", false) => Outcome::Refused,
            _ => return Err(row.nonsense("the outcome does not go with the reasons")),
        };
        let request = Request {
            tenant: row.parsed(&self.tenant)?,
            member: row.parsed(&self.member)?,
            model: row.parsed(&self.model)?,
            revision_sha256: row.parsed(&self.revision_sha256)?,
            purpose: row.parsed(&self.purpose)?,
            metadata: self.metadata.0,
            site: self.site.clone(),
            at: self.at.0,
        };
        let terms_sha256 = row.parsed_if(self.terms_sha256.as_deref())?;
        let policies_sha256 = row.parsed_if(self.policies_sha256.as_deref())?;
        Ok(DecisionRecord {
            id: row.parsed(&self.id)?,
            request,
            outcome,
            terms_sha256,
            duties: self.duties.0,
            reasons: self.reasons.0,
            policies_sha256,
        })
    }
}
