//! Whether an acceptance stood at some moment, as the audit log tells it.

use crate::audit::AuditEntry;
use serde_json::Value;
use time::OffsetDateTime;

/// Whether the acceptance `id` stood at the moment `at`, by what the log says of it. Entries come with their places.
pub fn stood<'a>(id: &str, entries: impl Iterator<Item = (u64, &'a AuditEntry)>, at: OffsetDateTime) -> bool {
    let mut told: Vec<(u64, &AuditEntry)> = entries
        .filter(|(_, entry)| entry.subject == id && entry.at <= at)
        .collect();
    told.sort_unstable_by_key(|(place, _)| *place);
    told.into_iter()
        .filter_map(|(_, entry)| standing_after(&entry.kind, &entry.detail))
        .next_back()
        .unwrap_or(false)
}

/// Whether an acceptance stands after an entry, if the entry changes that.
fn standing_after(kind: &str, detail: &Value) -> Option<bool> {
    match kind {
        // One that needs no review stands at once.
        "acceptance.requested" | "acceptance.submitted" => Some(detail["state"] == "active"),
        "acceptance.approved" | "acceptance.resumed" => Some(true),
        "acceptance.rejected"
        | "acceptance.suspended"
        | "acceptance.revoked"
        | "acceptance.expired"
        | "acceptance.superseded" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::Duration;

    fn entry(second: i64, kind: &str, state: &str) -> AuditEntry {
        AuditEntry {
            id: format!("aud_{second}"),
            at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(second),
            tenant: "acme".into(),
            member: None,
            kind: kind.into(),
            subject: "acc_1".into(),
            decision: None,
            detail: json!({ "state": state }),
        }
    }

    fn seconds_that_stood(entries: &[AuditEntry]) -> Vec<i64> {
        let stood_at = |second: &i64| {
            let at = OffsetDateTime::UNIX_EPOCH + Duration::seconds(*second);
            stood("acc_1", (0..).zip(entries), at)
        };
        (0..9).filter(stood_at).collect()
    }

    #[test]
    fn an_acceptance_stands_from_its_approval_to_its_suspension_and_again_from_its_resumption() {
        let entries = [
            entry(1, "acceptance.requested", "under_review"),
            entry(2, "acceptance.approved", ""),
            entry(3, "acceptance.commented", ""),
            entry(4, "acceptance.suspended", ""),
            entry(6, "acceptance.resumed", ""),
            entry(8, "acceptance.revoked", ""),
        ];
        assert_eq!(seconds_that_stood(&entries), [2, 3, 6, 7]);
    }

    #[test]
    fn one_that_needs_no_review_stands_at_once_and_an_unknown_one_never() {
        assert_eq!(
            seconds_that_stood(&[entry(3, "acceptance.requested", "active")]),
            [3, 4, 5, 6, 7, 8]
        );
        assert_eq!(seconds_that_stood(&[]), [0_i64; 0]);
    }
}
