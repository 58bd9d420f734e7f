//! What hangs on acceptances, and rows that cannot be.

use super::*;
use domain::acceptance::{Comment, Evidence, EvidenceRefusal};

fn evidence(desk: &Desk<'_>, bytes: &[u8]) -> Evidence {
    Evidence {
        sha256: Sha256::of(bytes),
        name: Some("register.pdf".into()),
        media_type: "application/pdf".into(),
        bytes: 4,
        by: judge("acme", "li"),
        at: desk.now,
    }
}

#[tokio::test]
async fn evidence_is_added_until_the_acceptance_is_judged_and_other_tenants_see_none() {
    on_each(async |db| {
        let desk = desk(db).await;
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let asked = desk.requested("acme", &[Purpose::Commercial]).await;
        let add = async |tenant, bytes: &[u8]| {
            let new = evidence(&desk, bytes);
            evidence::add(db, desk.stamp(), tenant, asked.id, new, 2)
                .await
                .unwrap()
        };
        assert_eq!(add(&other, b"one").await, None);
        let first = evidence(&desk, b"one");
        assert_eq!(add(&acme, b"one").await, Some(Ok(first.clone())));
        assert_eq!(add(&acme, b"one").await, Some(Ok(first.clone())));
        assert!(matches!(add(&acme, b"two").await, Some(Ok(_))));
        assert_eq!(
            add(&acme, b"three").await,
            Some(Err(EvidenceRefusal::TooMany { most: 2 }))
        );
        let seen = evidence::get(db, Some(&acme), asked.id, first.sha256)
            .await
            .unwrap();
        assert_eq!(seen, Some(first.clone()));
        assert_eq!(evidence::list(db, None, asked.id).await.unwrap().len(), 2);
        let foreign = evidence::get(db, Some(&other), asked.id, first.sha256).await;
        assert_eq!(foreign.unwrap(), None);
        assert_eq!(entry(db, Some(&other), asked.id).await.unwrap(), None);
        review(db, desk.stamp(), judge("zhipu", "wu"), asked.id, yes())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(
            add(&acme, b"four").await,
            Some(Err(EvidenceRefusal::Settled(Phase::Active)))
        );
        let seen = entry(db, Some(&acme), asked.id).await.unwrap().unwrap();
        assert_eq!((seen.evidence_files, seen.comments), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn comments_are_listed_in_order_up_to_a_limit_and_other_tenants_see_none() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let asked = desk.requested("acme", &[Purpose::Commercial]).await;
        let mut made = Vec::new();
        for text in ["What is R-1?", "Our number.", "one more"] {
            desk.wait(Duration::seconds(1));
            let new = Comment {
                id: desk.ids.make(),
                by: judge("zhipu", "wu"),
                at: desk.now,
                text: text.into(),
            };
            let foreign = comments::add(db, desk.stamp(), Some(&other), asked.id, new.clone(), 2).await;
            assert_eq!(foreign.unwrap(), None);
            made.push(
                comments::add(db, desk.stamp(), Some(&acme), asked.id, new, 2)
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(made.pop(), Some(Some(Err(comments::TooMany))));
        let listed = comments::list(db, Some(&acme), asked.id, None, 9).await.unwrap();
        let texts: Vec<_> = listed.iter().map(|comment| comment.text.as_str()).collect();
        assert_eq!(texts, ["What is R-1?", "Our number."]);
        let rest = comments::list(db, None, asked.id, Some(listed[0].id), 9).await;
        assert_eq!(rest.unwrap(), listed[1..]);
        let foreign = comments::list(db, Some(&other), asked.id, None, 9).await;
        assert_eq!(foreign.unwrap(), []);
        let sql = "SELECT COUNT(*) FROM audit_entries WHERE kind = 'acceptance.commented'";
        let entries: i64 = on!(db, |c| sqlx::query_scalar(sql).fetch_one(c)).unwrap();
        assert_eq!(entries, 2);
    })
    .await;
}

#[tokio::test]
async fn rows_that_cannot_be_are_refused_by_the_database() {
    on_each(async |db| {
        let desk = desk(db).await;
        let standing = desk.requested("acme", &[Purpose::Evaluation]).await;
        let waiting = desk.requested("acme", &[Purpose::Commercial]).await;
        for (id, change) in [
            (waiting.id, "revoked_at = requested_at"),
            (waiting.id, "suspended_at = requested_at, suspended_reason = 'x'"),
            (waiting.id, "superseded_at = requested_at, superseded_by = id"),
            (waiting.id, "submitted_at = NULL, rejected_at = requested_at"),
            (waiting.id, "reminded_days = 7"),
            (standing.id, "rejected_at = requested_at"),
            (standing.id, "submitted_at = NULL"),
            (standing.id, "suspended_at = requested_at"),
            (standing.id, "expired_at = requested_at"),
            (standing.id, "superseded_at = requested_at"),
            (
                standing.id,
                "revoked_at = requested_at, suspended_at = requested_at, suspended_reason = 'x'",
            ),
        ] {
            let sql = format!("UPDATE acceptances SET {change} WHERE id = '{id}'");
            let done = on!(db, |c| async {
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop)
            });
            assert!(done.is_err(), "{change}");
        }
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_nonsense_are_errors_that_name_them() {
    on_each(async |db| {
        let desk = desk(db).await;
        for (purpose, change) in [
            (Purpose::Commercial, "rejected_at = requested_at"),
            (Purpose::Commercial, "approved_at = requested_at"),
            (Purpose::Evaluation, "revoked_at = requested_at"),
        ] {
            let asked = desk.requested("acme", &[purpose]).await;
            let sql = format!("UPDATE acceptances SET {change} WHERE id = '{}'", asked.id);
            on!(db, |c| async {
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop)
            })
            .unwrap();
            let error = get(db, asked.id).await.unwrap_err().to_string();
            assert!(
                error.contains("acceptances") && error.contains(&asked.id.to_string()),
                "{error}"
            );
            let sql = format!("DELETE FROM acceptances WHERE id = '{}'", asked.id);
            on!(db, |c| async {
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop)
            })
            .unwrap();
        }
    })
    .await;
}
