//! How PostgreSQL is reached, and whether its tables are as this program needs them.

use crate::{Db, OpenError};
use sqlx::{
    Connection as _, PgPool,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{collections::BTreeSet, str::FromStr as _, time::Duration};

/// A connection that served within this time is taken as it is: the pool tested it when it was given back. One that
/// rested for longer is asked first whether it still stands.
const FRESH: Duration = Duration::from_secs(1);

/// How statements are planned. Each of them finds its rows by an index, however many there are, and is planned when its
/// tables may still be small: without this a plan of the first minute would read whole tables for as long as it is kept.
const PLANS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // A bitmap is of all that an index has of a key, where the first few in its order are enough.
    ("enable_bitmapscan", "off"),
    // Costs count for nothing where ways are forbidden, and compiling would be done for them.
    ("jit", "off"),
];

/// Where PostgreSQL is and how it is used.
pub struct PostgresSettings<'a> {
    /// `postgres://NAME@HOST:PORT/DATABASE`; `sslmode` and `sslrootcert` say how TLS is used.
    pub url: &'a str,
    /// Takes the place of a password in the URL.
    pub password: Option<&'a str>,
    /// The most connections of this process.
    pub connections: u32,
    /// The longest that a statement, or a pause within a transaction, may take.
    pub statement: Duration,
    /// The longest that anybody waits for a connection.
    pub wait: Duration,
}

/// The tables and how they came to be.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

impl Db {
    /// Connects to PostgreSQL.
    pub async fn open_postgres(settings: &PostgresSettings<'_>) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(settings.url).map_err(OpenError::Connect)?;
        let options = match settings.password {
            Some(password) => options.password(password),
            None => options,
        };
        let limit = settings.statement.as_millis().to_string();
        // A client that the network swallowed in the middle of a transaction must not keep its locks.
        let options = options.application_name("glmhub").options([
            ("statement_timeout", limit.as_str()),
            ("idle_in_transaction_session_timeout", limit.as_str()),
        ]);
        let options = options.options(PLANS);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(settings.wait)
            .test_before_acquire(false)
            .before_acquire(|connection, rested| {
                Box::pin(async move {
                    if rested.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await;
        pool.map(Db::Postgres).map_err(OpenError::Connect)
    }

    /// The migrations of this program that the database has not had, by name. Those of a newer program are no fault:
    /// tables are widened before programs are replaced, and narrowed after.
    pub async fn missing_migrations(&self) -> Result<Vec<String>, OpenError> {
        let (applied, known) = match self {
            Db::Postgres(pool) => (
                applied(&mut *pool.acquire().await.map_err(OpenError::Connect)?).await,
                &MIGRATIONS,
            ),
            Db::Sqlite(pool) => (
                applied(&mut *pool.acquire().await.map_err(OpenError::Connect)?).await,
                &crate::db::SQLITE_MIGRATIONS,
            ),
        };
        let applied = applied?;
        let missing = known
            .iter()
            .filter(|migration| !applied.contains(&migration.version));
        Ok(missing
            .map(|migration| {
                format!(
                    "{:04}_{}",
                    migration.version,
                    migration.description.replace(' ', "_")
                )
            })
            .collect())
    }
}

/// The versions that the database has had. Where the table of versions is not there, it has had none.
async fn applied(connection: &mut impl Migrate) -> Result<BTreeSet<i64>, OpenError> {
    match connection.list_applied_migrations(&MIGRATIONS.table_name).await {
        Ok(applied) => Ok(applied.into_iter().map(|one| one.version).collect()),
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if is_no_table(error.code().as_deref()) => {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// What PostgreSQL, and SQLite, say where a table is not there.
fn is_no_table(code: Option<&str>) -> bool {
    matches!(code, Some("42P01" | "1"))
}

/// Makes or updates the tables. Of several at once one does it and the others wait: an advisory lock of the database
/// is held meanwhile. Neither waiting nor a long migration is cut off by the limit on statements.
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), OpenError> {
    let connection = pool.acquire().await.map_err(OpenError::Connect)?;
    // It leaves the pool: its limits are not those of the others.
    let mut connection = connection.detach();
    sqlx::raw_sql("SET statement_timeout = 0")
        .execute(&mut connection)
        .await
        .map_err(OpenError::Connect)?;
    MIGRATIONS.run(&mut connection).await?;
    sqlx::Connection::close(connection)
        .await
        .map_err(OpenError::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::empty_postgres;

    /// How many wait for a lock that somebody holds.
    async fn waiting(connection: &mut sqlx::PgConnection) -> i64 {
        let waiting = "\
            SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted";
        sqlx::query_scalar(waiting).fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn two_that_migrate_at_once_wait_for_their_turn_and_both_succeed() {
        let Some(db) = empty_postgres(Duration::from_secs(1)).await else {
            return;
        };
        let Db::Postgres(pool) = &db else { unreachable!() };
        // A third one is at it: nobody else begins before it has ended, although a statement may take a second only.
        let mut third = pool.acquire().await.unwrap().detach();
        third.lock().await.unwrap();
        let release = async {
            while waiting(&mut third).await < 2 {
                tokio::task::yield_now().await;
            }
            assert_eq!(
                db.missing_migrations().await.unwrap().len(),
                MIGRATIONS.iter().count()
            );
            third.unlock().await.unwrap();
        };
        let (one, other, ()) = tokio::join!(db.migrate(), db.migrate(), release);
        one.unwrap();
        other.unwrap();
        assert!(db.missing_migrations().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_given_up_and_told_as_a_fault_that_passes() {
        let Some(db) = empty_postgres(Duration::from_millis(50)).await else {
            return;
        };
        let Db::Postgres(pool) = &db else { unreachable!() };
        let slow = sqlx::query("SELECT pg_sleep(600)").execute(pool).await;
        assert!(crate::RecordsError::from(slow.unwrap_err()).may_pass());
        db.ping().await.unwrap();
    }
}
