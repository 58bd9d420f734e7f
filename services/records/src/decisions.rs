//! What the gate decided.

mod replay;

pub use replay::{Recent, since};

use crate::{
    At, Db, RecordsError,
    audit::rows::{Fact, Rows},
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
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id AS fact, *";
const GET: &str = "SELECT * FROM decisions WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, GET];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[replay::STATEMENTS];

/// Records a decision together with its entry in the audit log.
pub async fn record(db: &Db, ids: &IdMaker, decision: &DecisionRecord) -> Result<(), RecordsError> {
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
    let mut tx = db.begin().await?;
    let written: Result<Rows, RecordsError> = on!(tx: &mut tx, |c| async {
        let insert = sqlx::query(INSERT)
            .bind(decision.id.to_string())
            .bind(request.tenant.as_str())
            .bind(request.member.as_str())
            .bind(request.model.as_str())
            .bind(request.revision_sha256.to_string())
            .bind(request.purpose.as_str())
            .bind(At(request.at))
            .bind(decision.outcome.as_str())
            .bind(decision.terms_sha256.map(|sha256| sha256.to_string()))
            .bind(Json(&decision.duties))
            .bind(Json(&decision.reasons))
            .bind(Json(&request.metadata))
            .bind(&request.site)
            .bind(decision.policies_sha256.map(|sha256| sha256.to_string()));
        Rows::of(Fact::Decision, &insert.fetch_all(c).await?)
    });
    entry.detail = written?.vouched_for(&entry.subject, entry.detail)?;
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
