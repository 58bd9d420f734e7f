//! What the audit log remembers.

pub mod check;
pub mod tree;

use crate::{
    id::{AuditId, DecisionId},
    names::{MemberName, TenantName},
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
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
        /// The members of an entry in the order of their names.
        #[derive(Serialize)]
        struct Leaf<'a> {
            #[serde(with = "time::serde::rfc3339")]
            at: OffsetDateTime,
            decision: &'a Option<String>,
            detail: Ordered<'a>,
            id: &'a str,
            kind: &'a str,
            member: &'a Option<String>,
            subject: &'a str,
            tenant: &'a str,
        }
        let Self {
            id,
            at,
            tenant,
            member,
            kind,
            subject,
            decision,
            detail,
        } = self;
        let (at, detail) = (*at, Ordered(detail));
        // An entry is plain texts and JSON; nothing else could be hashed to the same leaf as nothing.
        let leaf = serde_json::to_vec(&Leaf {
            at,
            decision,
            detail,
            id,
            kind,
            member,
            subject,
            tenant,
        });
        leaf.unwrap_or_default()
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
    // A value can always be written.
    serde_json::to_vec(&Ordered(value)).unwrap_or_default()
}

/// As [`canonical`], of the object that has these members.
pub fn canonical_object<'a>(members: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = serde_json::Serializer::new(&mut bytes);
    // Nor can this fail: its names are texts.
    let _ = in_order(members, &mut to);
    bytes
}

/// A value that is written in its canonical form.
struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                in_order(members.iter().map(|(name, value)| (name.as_str(), value)), to)
            }
            Value::Array(values) => to.collect_seq(values.iter().map(Ordered)),
            plain => plain.serialize(to),
        }
    }
}

/// Writes an object with these members in the order of their names.
fn in_order<'a, S: Serializer>(
    members: impl IntoIterator<Item = (&'a str, &'a Value)>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    to.collect_map(members.into_iter().map(|(name, value)| (name, Ordered(value))))
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
