//! What the audit log remembers.

pub mod check;
pub mod tree;

use crate::{
    id::{AuditId, DecisionId},
    names::{MemberName, TenantName},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// An entry to be written. Its moment is no part of its JSON: those that are written together share one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    #[serde(skip)]
    pub at: OffsetDateTime,
    /// The tenant that it concerns.
    pub tenant: TenantName,
    /// Who did it, if a member did.
    pub member: Option<MemberName>,
    /// What happened, such as `decision.refused`.
    pub kind: &'static str,
    /// What it happened to: an id or a name.
    pub subject: String,
    /// The decision behind it.
    pub decision: Option<DecisionId>,
    /// Facts for the reader. No text of documents or answers, no secrets.
    pub detail: serde_json::Value,
}

/// An entry as it stands in the log. Names and ids are texts here: what somebody has written into the database shall
/// be judged, not misread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The tenant that it concerns.
    pub tenant: String,
    /// Who did it, if a member did.
    pub member: Option<String>,
    /// What happened.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// The decision behind it.
    pub decision: Option<String>,
    /// Facts for the reader.
    pub detail: Value,
}

impl AuditEntry {
    /// The bytes that are a leaf of the tree: the entry's canonical JSON, all of its fields.
    pub fn leaf(&self) -> Vec<u8> {
        // An entry is plain texts and JSON; nothing else could be hashed to the same leaf as nothing.
        canonical(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The digest of the row that the entry tells of, where it gives one.
    pub fn row_sha256(&self) -> Option<(&str, &str)> {
        let row = &self.detail["row"];
        Some((row["of"].as_str()?, row["sha256"].as_str()?))
    }
}

/// JSON in its one canonical form: no spaces, members in the order of their names' bytes, as RFC 8785 writes it for
/// the names and numbers that are used here.
pub fn canonical(value: &Value) -> Vec<u8> {
    ordered(value).to_string().into_bytes()
}

fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            let pairs = names
                .into_iter()
                .map(|name| (name.clone(), ordered(&members[name])));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.iter().map(ordered).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_canonical_form_does_not_depend_on_the_order_in_which_members_were_written() {
        let one = json!({ "b": [{ "d": 1, "c": null }], "a": "x" });
        let other = json!({ "a": "x", "b": [{ "c": null, "d": 1 }] });
        assert_eq!(canonical(&one), br#"{"a":"x","b":[{"c":null,"d":1}]}"#);
        assert_eq!(canonical(&one), canonical(&other));
    }

    #[test]
    fn every_field_of_an_entry_is_in_its_leaf() {
        let entry = AuditEntry {
            id: "aud_1".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            tenant: "acme".into(),
            member: Some("li".into()),
            kind: "decision.refused".into(),
            subject: "dec_1".into(),
            decision: None,
            detail: json!({ "row": { "of": "decision", "sha256": "00" } }),
        };
        let leaf = String::from_utf8(entry.leaf()).unwrap();
        assert_eq!(
            leaf,
            "{\"at\":\"1970-01-01T00:00:00Z\",\"decision\":null,\"detail\":{\"row\":{\"of\":\"decision\",\
             \"sha256\":\"00\"}},\"id\":\"aud_1\",\"kind\":\"decision.refused\",\"member\":\"li\",\
             \"subject\":\"dec_1\",\"tenant\":\"acme\"}"
        );
        assert_eq!(entry.row_sha256(), Some(("decision", "00")));
    }
}
