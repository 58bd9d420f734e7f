//! The proof of one answer: everything that allowed and made it, each under a signed checkpoint of the audit log.
//!
//! Whoever holds it needs no hub: [`Proof::findings`] judges it by itself, after `exchange` has verified the
//! signatures of checkpoint, grant and provenance against public keys that the reader trusts.

mod standing;

#[cfg(test)]
mod tests;

pub use standing::stood;

use crate::{
    audit::{AuditEntry, canonical, check::Finding, tree},
    digest::Sha256,
    grant::Grant,
    id::JobId,
    provenance::{PREDICATE_TYPE, STATEMENT_TYPE, Statement},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// An entry of the audit log with the proof that it is in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenEntry {
    /// Its leaf, from 0.
    pub place: u64,
    /// The entry.
    pub entry: AuditEntry,
    /// The inclusion proof of RFC 6962 for the tree of the checkpoint.
    pub proof: Vec<Sha256>,
}

/// A row that entries of the log vouch for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VouchedRow {
    /// What kind of row it is, such as `decision`.
    pub of: String,
    /// Its id: the subject of its entries.
    pub id: String,
    /// The row.
    pub row: Value,
}

/// The root of the log that entries are proven to be under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// How many entries the log had.
    pub size: u64,
    /// The root.
    pub sha256: Sha256,
}

/// A proof whose signatures are good.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The job whose answer is proven.
    pub job: JobId,
    /// From the signed checkpoint.
    pub root: Root,
    /// Entries of the log about the answer, its grant, its decision and its acceptances.
    pub entries: Vec<ProvenEntry>,
    /// The rows that they vouch for.
    pub rows: Vec<VouchedRow>,
    /// The grant.
    pub grant: Grant,
    /// The signed grant.
    pub grant_token: String,
    /// Where the answer came from.
    pub statement: Statement,
    /// The digest of the manifest that lists the model's files, as it came.
    pub manifest_sha256: Sha256,
    /// The digests of the texts of terms, as they came.
    pub terms: BTreeSet<Sha256>,
}

/// What is found against a proof.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn that(&mut self, holds: bool, of: &str, id: impl ToString, why: impl Into<String>) {
        if !holds {
            self.0.push(Finding {
                place: None,
                of: of.to_owned(),
                id: id.to_string(),
                why: why.into(),
            });
        }
    }
}

impl Proof {
    /// What does not hold; nothing, if the answer is proven.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Findings::default();
        self.log(&mut found);
        self.vouched(&mut found);
        self.answer(&mut found);
        self.decision(&mut found);
        self.provenance(&mut found);
        self.license(&mut found);
        found.0
    }

    fn log(&self, found: &mut Findings) {
        for one in &self.entries {
            let Root { size, sha256 } = &self.root;
            let included = tree::includes(sha256, *size, one.place, &one.entry.leaf(), &one.proof);
            let why = "it is not in the log of the checkpoint";
            found.that(included.is_ok(), "entry", &one.entry.id, why);
        }
    }

    /// Every row is as the newest entry about it says.
    fn vouched(&self, found: &mut Findings) {
        for VouchedRow { of, id, row } in &self.rows {
            let told = self
                .entries
                .iter()
                .filter(|one| one.entry.subject == *id)
                .filter_map(|one| Some((one.place, one.entry.row_sha256()?)))
                .filter(|(_, (kind, _))| kind == of)
                .max_by_key(|(place, _)| *place);
            let sha256 = Sha256::of(&canonical(row)).to_string();
            let same = told.is_some_and(|(_, (_, logged))| logged == sha256);
            found.that(same, of, id, "no entry of the log tells of it as it is here");
        }
    }

    fn row(&self, of: &str, id: &str) -> Option<&Value> {
        let row = self.rows.iter().find(|row| row.of == of && row.id == id);
        row.map(|row| &row.row)
    }

    /// When something was logged; the last time, if several times.
    fn logged(&self, kind: &str, subject: &str) -> Option<OffsetDateTime> {
        let told = self
            .entries
            .iter()
            .filter(|one| one.entry.kind == kind && one.entry.subject == subject);
        told.max_by_key(|one| one.place).map(|one| one.entry.at)
    }

    fn answer(&self, found: &mut Findings) {
        let (job, order) = (self.job.to_string(), self.grant.order.to_string());
        found.that(
            self.logged("job.answered", &job).is_some(),
            "answer",
            &job,
            "it was not logged",
        );
        found.that(
            self.grant.jobs.contains(&self.job),
            "grant",
            &order,
            "it does not allow this job",
        );
        let token = self.row("grant", &order).map(|row| &row["grant_token"]);
        found.that(
            token.and_then(Value::as_str) == Some(&self.grant_token),
            "grant",
            &order,
            "it is not the grant of the order",
        );
        let Some(answer) = self.row("answer", &job) else {
            found.that(false, "answer", &job, "it is not here");
            return;
        };
        let subject = self.statement.subject.first();
        let text = answer["text"].as_str().map(|text| Sha256::of(text.as_bytes()));
        let predicate = &self.statement.predicate;
        for (name, agrees) in [
            ("order_id", answer["order_id"] == order),
            ("attempt", answer["attempt"] == self.grant.attempt),
            (
                "text",
                text.is_some() && subject.map(|one| one.digest.sha256) == text,
            ),
            ("engine", answer["engine"] == predicate.engine),
            ("worker", answer["worker"] == predicate.worker),
            ("answered_at", answer["answered_at"] == predicate.answered_at),
            (
                "shared_from",
                answer["shared_from"].as_str().map(str::to_owned)
                    == predicate.shared_from.map(|job| job.to_string()),
            ),
        ] {
            let why = format!("its {name} is not that of grant and provenance");
            found.that(agrees, "answer", &job, why);
        }
    }

    fn decision(&self, found: &mut Findings) {
        let id = self.grant.decision.to_string();
        found.that(
            self.logged("decision.allowed", &id).is_some(),
            "decision",
            &id,
            "it was not logged as an allow",
        );
        let Some(decision) = self.row("decision", &id) else {
            found.that(false, "decision", &id, "it is not here");
            return;
        };
        let policies = self.statement.predicate.license.policies_sha256;
        for (name, expected) in [
            ("outcome", Value::from("allowed")),
            ("tenant", self.grant.tenant.as_str().into()),
            ("model", self.grant.model.as_str().into()),
            ("revision_sha256", self.grant.revision_sha256.to_string().into()),
            ("purpose", self.grant.purpose.as_str().into()),
            (
                "policies_sha256",
                policies.map(|sha256| sha256.to_string()).into(),
            ),
        ] {
            let why = format!("its {name} is not that of grant and provenance");
            found.that(decision[name] == expected, "decision", &id, why);
        }
    }

    fn provenance(&self, found: &mut Findings) {
        let Statement {
            kind,
            subject,
            predicate_type,
            predicate,
        } = &self.statement;
        let job = self.job.to_string();
        let form = kind == STATEMENT_TYPE && predicate_type == PREDICATE_TYPE;
        found.that(form, "provenance", &job, "it is no statement of this kind");
        let about = subject.len() == 1 && subject.iter().all(|one| one.name == self.job);
        found.that(about, "provenance", &job, "it is about another answer");
        for name in predicate.departures(&self.grant, &self.grant_token) {
            let why = format!("its {name} is not that of the grant");
            found.that(false, "provenance", &job, why);
        }
        let manifest = self.manifest_sha256 == self.grant.revision_sha256;
        found.that(
            manifest,
            "model",
            &self.grant.model,
            "the manifest is not that of the revision",
        );
    }

    /// The terms are here, and each acceptance that is named stood when the work was granted.
    fn license(&self, found: &mut Findings) {
        if let Some(sha256) = self.grant.terms_sha256 {
            let why = "the text that came with the weights is not here";
            found.that(self.terms.contains(&sha256), "terms", sha256, why);
        }
        let granted = self.logged("grant.minted", &self.grant.order.to_string());
        let Some(granted) = granted else {
            found.that(false, "grant", self.grant.order, "it was not logged");
            return;
        };
        for id in &self.statement.predicate.license.acceptances {
            let id = id.to_string();
            let Some(row) = self.row("acceptance", &id) else {
                found.that(false, "acceptance", &id, "it is not here");
                continue;
            };
            let accepted = row["terms_sha256"].as_str().and_then(|text| text.parse().ok());
            for (holds, why) in [
                (
                    row["tenant"] == self.grant.tenant.as_str(),
                    "it is of another tenant",
                ),
                (
                    accepted.is_some_and(|sha256| self.terms.contains(&sha256)),
                    "the text that was accepted is not here",
                ),
                (
                    stood(
                        &id,
                        self.entries.iter().map(|one| (one.place, &one.entry)),
                        granted,
                    ),
                    "it did not stand when the work was granted",
                ),
            ] {
                found.that(holds, "acceptance", &id, why);
            }
        }
    }
}
