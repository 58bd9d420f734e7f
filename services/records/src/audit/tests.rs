//! Whoever goes round the log in the database is found out, whichever row was touched.

use super::{checking::Checked, reading, sealing};
use crate::{Db, databases::on_each, decisions, on, run::Run as _};
use domain::{
    audit::{
        check::SignedRoot,
        tree::{Question, continues},
    },
    clock::HandClock,
    digest::Sha256,
    gate::{DecisionRecord, Outcome, Request},
    id::IdMaker,
    purpose::Purpose,
};
use std::{sync::Arc, time::Instant};
use time::{Duration, OffsetDateTime};

const ENTRIES: u64 = 12;

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

async fn decide(db: &Db, ids: &IdMaker, count: u64) {
    for number in 0..count {
        let request = Request {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            model: "THUDM/glm-4v-9b".parse().unwrap(),
            revision_sha256: Sha256::of(&number.to_be_bytes()),
            purpose: Purpose::Research,
            metadata: Default::default(),
            site: String::new(),
            at: now(),
        };
        let decision = DecisionRecord {
            id: ids.make(),
            request,
            outcome: Outcome::Allowed,
            terms_sha256: None,
            duties: Vec::new(),
            reasons: Vec::new(),
            policies_sha256: None,
        };
        decisions::record(db.begin().await.unwrap(), ids, &decision)
            .await
            .unwrap();
    }
}

fn ids() -> IdMaker {
    IdMaker::new(Arc::new(HandClock::at(now())))
}

/// Real signatures are tested where keys are; what matters here is that a note says a size and a root.
fn note(size: u64, root: &Sha256) -> Result<String, String> {
    Ok(format!("{size} {root}"))
}

fn said(note: &str) -> Result<(u64, Sha256), String> {
    let (size, root) = note.split_once(' ').ok_or("no note")?;
    let root = root.parse().map_err(|_| "no root")?;
    Ok((size.parse().map_err(|_| "no size")?, root))
}

async fn seal(db: &Db, most: u32) -> u32 {
    sealing::seal(db, now(), most, note).await.unwrap()
}

async fn check(db: &Db) -> Checked {
    super::checking::check(db, Vec::new(), said).await.unwrap()
}

async fn sealed(db: &Db) {
    decide(db, &ids(), ENTRIES).await;
    while seal(db, 5).await > 0 {}
}

async fn do_sql(db: &Db, sql: &str) {
    let sql = sql.to_owned();
    on!(db, |c| sqlx::query(sqlx::AssertSqlSafe(sql)).run(c)).unwrap();
}

/// Takes the guards away, as somebody with the database in his hands would.
async fn unguard(db: &Db) {
    for table in ["entries", "leaves", "hashes", "checkpoints"] {
        match db {
            Db::Postgres(_) => {
                do_sql(db, &format!("ALTER TABLE audit_{table} DISABLE TRIGGER USER")).await;
            }
            Db::Sqlite(_) => {
                do_sql(db, &format!("DROP TRIGGER audit_{table}_unchanged")).await;
                do_sql(db, &format!("DROP TRIGGER audit_{table}_undeleted")).await;
            }
        }
    }
}

/// The id of the entry at a place, in SQL.
fn entry(place: u64) -> String {
    format!("(SELECT entry FROM audit_leaves WHERE place = {place})")
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_found_whole() {
    on_each(async |db| {
        sealed(db).await;
        decide(db, &ids(), 1).await;
        let checked = check(db).await;
        assert_eq!(checked.findings, []);
        assert_eq!((checked.entries, checked.pending), (ENTRIES, 1));
        assert_eq!((checked.checkpoints, checked.rows), (3, ENTRIES + 1));
    })
    .await;
}

#[tokio::test]
async fn the_database_refuses_to_change_or_delete_what_was_logged() {
    on_each(async |db| {
        sealed(db).await;
        for (table, column) in [
            ("audit_entries", "subject"),
            ("audit_leaves", "entry"),
            ("audit_hashes", "sha256"),
            ("audit_checkpoints", "note"),
        ] {
            for sql in [
                format!("UPDATE {table} SET {column} = 'x'"),
                format!("DELETE FROM {table}"),
            ] {
                let refused = on!(db, |c| sqlx::query(sqlx::AssertSqlSafe(sql.clone())).run(c));
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("only appended to"), "{sql}: {error}");
            }
        }
    })
    .await;
}

/// Each is done to a fresh log, and must be found, naming the word.
async fn each_is_found(tamperings: &[(String, &str)]) {
    on_each(async |db| {
        sealed(db).await;
        unguard(db).await;
        for (sql, word) in tamperings {
            // Dropped, the transaction leaves the log as it was for the next one.
            let mut tx = db.begin().await.unwrap();
            on!(tx: &mut tx, |c| sqlx::query(sqlx::AssertSqlSafe(sql.clone())).run(c)).unwrap();
            let checked = super::checking::check_within(&mut tx, Vec::new(), said)
                .await
                .unwrap();
            let told: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|one| one.contains(word)), "{sql}: {told:?}");
        }
        assert_eq!(check(db).await.findings, [], "what was tried was rolled back");
    })
    .await;
}

#[tokio::test]
async fn a_change_in_any_column_of_an_entry_is_found_at_its_place() {
    let columns = [
        ("at", "'2001-01-01 00:00:00'"),
        ("tenant", "'other'"),
        ("member", "'somebody'"),
        ("member", "NULL"),
        ("kind", "'decision.refused'"),
        ("subject", "'dec_x'"),
        ("decision", "NULL"),
        ("detail", "'{}'"),
    ];
    let change = |(column, value): &(&str, &str)| {
        let sql = format!(
            "UPDATE audit_entries SET {column} = {value} WHERE id = {}",
            entry(7)
        );
        (sql, "(place 7): it is not what was sealed")
    };
    each_is_found(&columns.iter().map(change).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn deleted_inserted_swapped_and_cut_off_rows_of_the_log_are_found() {
    let insert = "INSERT INTO audit_entries SELECT 'aud_x', at, tenant, member, kind, subject, decision, detail \
        FROM audit_entries LIMIT 1";
    let tamperings = [
        (insert.to_owned(), "entry aud_x: it is in no tree"),
        (
            "DELETE FROM audit_leaves WHERE place = 6".into(),
            "it is at place 7, not after",
        ),
        (
            "DELETE FROM audit_leaves WHERE place = 11".into(),
            "the others were cut off",
        ),
        (
            "DELETE FROM audit_leaves WHERE place > 9".into(),
            "the tree had 12 entries, and 10 are left",
        ),
        (
            "UPDATE audit_leaves SET place = 99 WHERE place = 3".into(),
            "it is at place 4, not after",
        ),
        (
            "DELETE FROM audit_hashes WHERE place = 0".into(),
            "(place 0): it is not what was sealed",
        ),
        (
            format!(
                "UPDATE audit_hashes SET sha256 = '{}' WHERE place = 2",
                Sha256::of(b"x")
            ),
            "it is not the hash of the leaves below it",
        ),
        (
            "DELETE FROM audit_checkpoints WHERE size = 12".into(),
            "from place 10 on are under no checkpoint",
        ),
        (
            "UPDATE audit_checkpoints SET note = 'x' WHERE size = 5".into(),
            "checkpoint 5: no note",
        ),
        (
            "UPDATE audit_checkpoints SET size = 6 WHERE size = 5".into(),
            "it was signed for 5 entries",
        ),
    ];
    each_is_found(&tamperings).await;
}

#[tokio::test]
async fn a_change_in_any_column_of_a_decision_and_a_decision_that_is_gone_or_made_up_are_found() {
    let text = [
        "tenant",
        "member",
        "model",
        "revision_sha256",
        "purpose",
        "terms_sha256",
        "site",
        "policies_sha256",
    ];
    let mut values: Vec<(&str, &str)> = text.map(|column| (column, "'other'")).to_vec();
    values.extend([
        ("at", "'2001-01-01 00:00:00'"),
        ("outcome", "'refused'"),
        ("duties", "'[1]'"),
        ("reasons", "'[1]'"),
        ("metadata", "'{\"a\": \"b\"}'"),
    ]);
    let one = "(SELECT MIN(id) FROM decisions)";
    let change = |(column, value): &(&str, &str)| {
        let sql = format!("UPDATE decisions SET {column} = {value} WHERE id = {one}");
        (sql, "it is not what the log says")
    };
    let mut tamperings: Vec<(String, &str)> = values.iter().map(change).collect();
    tamperings.push((
        format!("DELETE FROM decisions WHERE id = {one}"),
        "and it is gone",
    ));
    let copy = "INSERT INTO decisions (id, tenant, member, model, revision_sha256, purpose, at, outcome, duties, \
        reasons) SELECT 'dec_x', tenant, member, model, revision_sha256, purpose, at, outcome, duties, reasons \
        FROM decisions LIMIT 1";
    tamperings.push((copy.into(), "decision dec_x: no entry of the log tells of it"));
    each_is_found(&tamperings).await;
}

#[tokio::test]
async fn a_log_rewritten_from_its_beginning_is_found_with_a_checkpoint_that_was_kept_elsewhere() {
    on_each(async |db| {
        sealed(db).await;
        let kept = reading::newest_checkpoint(db).await.unwrap().unwrap();
        let (size, root) = said(&kept.note).unwrap();
        unguard(db).await;
        do_sql(
            db,
            &format!(
                "UPDATE audit_entries SET member = 'nobody' WHERE id = {}",
                entry(2)
            ),
        )
        .await;
        for table in ["leaves", "hashes", "checkpoints"] {
            do_sql(db, &format!("DELETE FROM audit_{table}")).await;
        }
        do_sql(db, "UPDATE audit_tree SET size = 0").await;
        do_sql(db, "INSERT INTO audit_pending SELECT id FROM audit_entries").await;
        while seal(db, 5).await > 0 {}
        assert_eq!(
            check(db).await.findings,
            [],
            "whoever holds the key can write another history"
        );
        let whence = "the kept checkpoint".to_owned();
        let kept = vec![SignedRoot { size, root, whence }];
        let findings = super::checking::check(db, kept, said).await.unwrap().findings;
        assert!(
            findings[0]
                .why
                .contains("the kept checkpoint signed other entries"),
            "{findings:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn two_that_seal_at_once_make_one_tree_and_any_two_of_its_checkpoints_are_consistent() {
    on_each(async |db| {
        decide(db, &ids(), 60).await;
        let all = async || while seal(db, 7).await > 0 {};
        tokio::join!(all(), all(), all());
        let checked = check(db).await;
        assert_eq!((checked.findings, checked.entries), (vec![], 60));
        let kept = reading::checkpoints(db, 0, 100).await.unwrap();
        for earlier in &kept {
            for later in kept.iter().filter(|later| later.size >= earlier.size) {
                let question = Question::Consistency {
                    size: later.size,
                    from: earlier.size,
                };
                let proof = reading::proof(db, question).await.unwrap();
                let (later, earlier) = (said(&later.note).unwrap(), said(&earlier.note).unwrap());
                assert_eq!(continues(later, earlier, &proof), Ok(()));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn thousands_of_entries_are_sealed_in_portions() {
    on_each(async |db| {
        decide(db, &ids(), 2000).await;
        let begun = Instant::now();
        while seal(db, 256).await > 0 {}
        eprintln!("2000 entries sealed in {:?}", begun.elapsed());
        let begun = Instant::now();
        let checked = check(db).await;
        eprintln!("and checked in {:?}", begun.elapsed());
        assert_eq!((checked.findings, checked.entries), (vec![], 2000));
    })
    .await;
}
