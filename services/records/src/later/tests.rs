use super::*;
use crate::{
    Db,
    databases::{empty_postgres, on_each},
    on, statements,
};
use sqlx::Executor as _;
use std::time::Duration;

fn write(sql: &'static str) -> Write {
    Write::of(sql)
}

/// How many writes are in each part.
fn sizes(writes: Vec<Write>) -> Vec<usize> {
    parts(writes).iter().map(Vec::len).collect()
}

#[test]
fn what_names_a_table_that_is_written_to_goes_into_the_next_statement() {
    let pages = "INSERT INTO pages (id) VALUES ($1)";
    let more_pages = "INSERT INTO pages (id, same_as) SELECT id, $1 FROM batches";
    let copied = "INSERT INTO pages (id) SELECT id FROM pages";
    let jobs = "INSERT INTO jobs (id, page) VALUES ($1, $2)";
    let documents = "INSERT INTO documents (id, pages) VALUES ($1, $2)";
    let counts = "UPDATE batches SET pages_total = pages_total + $2 WHERE id = $1";
    let usage = "INSERT INTO usage (tenant) SELECT tenant FROM batches ON CONFLICT (tenant) DO NOTHING";
    for (writes, expected) in [
        (vec![pages, jobs, counts], vec![3]),
        (vec![pages, documents], vec![2]),
        (vec![pages, more_pages, counts], vec![3]),
        (vec![pages, copied], vec![1, 1]),
        (vec![counts, more_pages], vec![1, 1]),
        (vec![usage, counts], vec![2]),
        (vec![counts, usage, jobs], vec![1, 2]),
        (vec![counts, counts], vec![1, 1]),
        (vec![usage, usage], vec![1, 1]),
        (vec![], vec![]),
    ] {
        assert_eq!(
            sizes(writes.iter().copied().map(write).collect()),
            expected,
            "{writes:?}"
        );
    }
}

#[test]
fn parameters_of_several_writes_are_numbered_on() {
    let one = write("UPDATE jobs SET state = $2 WHERE id = $1")
        .bind("a")
        .bind("b");
    let other = write("UPDATE pages SET attempts = $11, bytes = $1")
        .bind(1)
        .bind(2);
    let expected = "WITH w1 AS (UPDATE pages SET attempts = $13, bytes = $3), \
        w0 AS (UPDATE jobs SET state = $2 WHERE id = $1) SELECT 1";
    assert_eq!(together(&[one, other], "1"), expected);
}

/// The rule looks for the word before a table.
#[test]
fn no_write_of_this_crate_lists_tables() {
    for sql in writes() {
        let lists = sql.split("FROM ").skip(1).filter(|rest| {
            let end = rest.find([' ', ',', ')']).unwrap_or(rest.len());
            let alias = rest[end..].strip_prefix(" AS ").unwrap_or(&rest[end..]);
            let after = alias
                .trim_start()
                .trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
            rest[end..].starts_with(',') || rest[end..].starts_with(" AS ") && after.starts_with(',')
        });
        assert_eq!(lists.count(), 0, "{sql}");
    }
}

fn writes() -> impl Iterator<Item = &'static str> {
    statements().into_iter().filter(|sql| {
        let verb = words(sql).next();
        matches!(verb, Some("INSERT" | "UPDATE" | "DELETE"))
    })
}

/// Whatever is put off can stand beside other writes.
#[tokio::test]
async fn every_write_of_this_crate_can_be_prepared_as_a_part_of_another_statement() {
    let Some(db) = empty_postgres(Duration::from_secs(60)).await else {
        return;
    };
    db.migrate().await.unwrap();
    let Db::Postgres(pool) = &db else { unreachable!() };
    for sql in writes() {
        let sql = together(&[write(sql)], "1");
        let prepared = pool.prepare(AssertSqlSafe(&*sql).into_sql_str()).await;
        prepared.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

const MAKE: [&str; 3] = [
    "CREATE TABLE one (id BIGINT PRIMARY KEY, said TEXT)",
    "CREATE TABLE other (id BIGINT PRIMARY KEY, of_one BIGINT NOT NULL REFERENCES one (id))",
    "CREATE TABLE third (id BIGINT PRIMARY KEY, how_many BIGINT NOT NULL)",
];

async fn tables(db: &Db) {
    for sql in MAKE {
        on!(db, |c| sqlx::query(sql).run(c)).unwrap();
    }
}

async fn counted(db: &Db, sql: &'static str) -> i64 {
    on!(db, |c| sqlx::query_scalar(sql).fetch_one(c)).unwrap()
}

#[tokio::test]
async fn writes_that_were_put_off_take_effect_in_their_order_and_before_anything_that_follows() {
    on_each(async |db| {
        tables(db).await;
        let mut tx = db.begin().await.unwrap();
        tx.later(
            write("INSERT INTO one (id, said) VALUES ($1, $2)")
                .bind(1)
                .bind(None::<&str>),
        );
        tx.later(
            write("INSERT INTO other (id, of_one) VALUES ($1, $2)")
                .bind(7)
                .bind(1),
        );
        tx.later(write("INSERT INTO third (id, how_many) SELECT $1, COUNT(*) FROM one").bind(1));
        tx.later(
            write("UPDATE one SET said = $2 WHERE id = $1")
                .bind(1)
                .bind("first"),
        );
        tx.later(
            write("UPDATE one SET said = said || $2 WHERE id = $1")
                .bind(1)
                .bind(" and second"),
        );
        let said: String =
            on!(tx: &mut tx, |c| sqlx::query_scalar("SELECT said FROM one").fetch_one(c)).unwrap();
        assert_eq!(said, "first and second");
        tx.later(write("DELETE FROM other WHERE id = $1").bind(7));
        tx.commit().await.unwrap();
        assert_eq!(counted(db, "SELECT how_many FROM third").await, 1);
        assert_eq!(counted(db, "SELECT COUNT(*) FROM other").await, 0);
        assert_eq!(counted(db, "SELECT COUNT(*) FROM one").await, 1);
    })
    .await;
}

#[tokio::test]
async fn all_of_a_transaction_is_undone_if_one_of_its_writes_fails_or_it_is_dropped() {
    on_each(async |db| {
        tables(db).await;
        for begin_with in ["nothing", "a look"] {
            let mut tx = db.begin().await.unwrap();
            if begin_with == "a look" {
                let count: i64 =
                    on!(tx: &mut tx, |c| sqlx::query_scalar("SELECT COUNT(*) FROM one").fetch_one(c))
                        .unwrap();
                assert_eq!(count, 0);
            }
            tx.later(write("INSERT INTO one (id) VALUES ($1)").bind(1));
            tx.later(
                write("INSERT INTO other (id, of_one) VALUES ($1, $2)")
                    .bind(7)
                    .bind(404),
            );
            assert!(tx.commit().await.is_err());
            assert_eq!(counted(db, "SELECT COUNT(*) FROM one").await, 0);
        }
        let mut tx = db.begin().await.unwrap();
        tx.later(write("INSERT INTO one (id) VALUES ($1)").bind(1));
        drop(tx);
        assert_eq!(counted(db, "SELECT COUNT(*) FROM one").await, 0);
    })
    .await;
}

#[tokio::test]
async fn whether_the_disk_is_waited_for_is_the_same_alone_and_in_a_transaction() {
    let Some(db) = empty_postgres(Duration::from_secs(60)).await else {
        return;
    };
    let Db::Postgres(pool) = &db else { unreachable!() };
    // Whether it is set in the transaction, whatever the server has.
    let log = "CREATE TABLE log (id BIGINT, is_set BOOLEAN); \
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        NEW.is_set = (SELECT source = 'session' AND setting = 'off' FROM pg_settings WHERE name = 'synchronous_commit'); \
        RETURN NEW; END $$; \
        CREATE TRIGGER note BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION note()";
    sqlx::raw_sql(log).execute(pool).await.unwrap();
    for looks in [false, true] {
        for (flushed, id) in [(true, 1), (false, 2)] {
            let begun = match flushed {
                true => db.begin().await,
                false => db.begin_without_flush().await,
            };
            let mut tx = begun.unwrap();
            tx.later(write("INSERT INTO log (id) VALUES ($1)").bind(id));
            if looks {
                tx.connection().await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }
    let told: Vec<(i64, bool)> = sqlx::query_as("SELECT id, is_set FROM log ORDER BY id")
        .fetch_all(pool)
        .await
        .unwrap();
    assert_eq!(told, [(1, false), (1, false), (2, true), (2, true)]);
}
