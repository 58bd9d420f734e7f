//! The two databases behind one type.

use crate::{audit, postgres};
use domain::audit::NewAudit;
use sqlx::{
    Connection as _, PgPool, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{future, path::Path, time::Duration};

/// The database of the hub: PostgreSQL in production, an SQLite file embedded.
#[derive(Clone)]
pub enum Db {
    /// PostgreSQL.
    Postgres(PgPool),
    /// SQLite in write-ahead mode.
    Sqlite(SqlitePool),
}

/// The tables and how they came to be.
pub(crate) static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx {
    /// The database's own.
    pub on: Transaction,
    /// What it appends to the audit log.
    entries: Vec<NewAudit>,
}

/// See [`Tx`].
pub enum Transaction {
    /// On PostgreSQL.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// On SQLite; it holds the write lock from its beginning.
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or the file cannot be made.
    #[error("the database cannot be opened: {0}")]
    Connect(#[source] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error("the database's tables cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// Compiles `$body` once for a pool or a transaction of each database.
///
/// `on!(db, |c| sqlx::query(SQL).bind(x).execute(c))` for a [`Db`] by reference;
/// `on!(tx: tx, |c| …)` for a `&mut Tx`. The body is an expression that gives a future; `on!` awaits it.
#[macro_export]
macro_rules! on {
    (tx: $tx:expr, |$c:ident| $body:expr) => {
        match &mut $tx.on {
            $crate::Transaction::Postgres(transaction) => {
                let $c = &mut **transaction;
                $body.await
            }
            $crate::Transaction::Sqlite(transaction) => {
                let $c = &mut **transaction;
                $body.await
            }
        }
    };
    ($db:expr, |$c:ident| $body:expr) => {
        match $db {
            $crate::Db::Postgres($c) => $body.await,
            $crate::Db::Sqlite($c) => $body.await,
        }
    };
}

impl Db {
    /// Opens (or makes) an SQLite file. Waits up to `busy` for another writer.
    pub async fn open_sqlite(file: &Path, connections: u32, busy: Duration) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(busy);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            // SQLite may end a transaction by itself, when the disk is full for instance. The driver takes the connection
            // for one within a transaction from then on and begins no other on it: it is closed.
            .before_acquire(|connection, _| Box::pin(future::ready(Ok(!connection.is_in_transaction()))))
            .connect_with(options)
            .await;
        pool.map(Db::Sqlite).map_err(OpenError::Connect)
    }

    /// Opens an SQLite file that is there, only to read it.
    pub async fn open_sqlite_to_read(file: &Path, busy: Duration) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(busy);
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await;
        pool.map(Db::Sqlite).map_err(OpenError::Connect)
    }

    /// Brings the tables up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        match self {
            Db::Postgres(pool) => postgres::migrate(pool).await,
            Db::Sqlite(pool) => Ok(SQLITE_MIGRATIONS.run(pool).await?),
        }
    }

    /// Begins a transaction. On SQLite it takes the write lock at once, so that it cannot fail half-way.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Postgres(pool) => pool.begin().await.map(Tx::postgres),
            Db::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Tx::sqlite),
        }
    }

    /// Begins a transaction whose commit does not wait for the disk, on PostgreSQL: if the server dies within the moment
    /// until the next flush, it is as if the transaction had not been. For what nobody is promised before [`Db::flush`].
    /// Whatever is committed later and does wait is never there without it.
    pub async fn begin_without_flush(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Postgres(pool) => {
                let begin = pool.begin_with("BEGIN; SET LOCAL synchronous_commit = off");
                begin.await.map(Tx::postgres)
            }
            Db::Sqlite(_) => self.begin().await,
        }
    }

    /// Waits until everything is on the disk that was committed before without waiting for it.
    pub async fn flush(&self) -> Result<(), sqlx::Error> {
        match self {
            // A message that nobody reads, in a commit of its own that is flushed.
            Db::Postgres(pool) => sqlx::query("SELECT pg_logical_emit_message(true, 'glmhub', '')")
                .execute(pool)
                .await
                .map(drop),
            Db::Sqlite(_) => Ok(()),
        }
    }

    /// Begins a transaction that only reads, and sees everything as it is at one moment. It holds up nobody.
    pub async fn snapshot(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Postgres(pool) => {
                let begin = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                begin.await.map(Tx::postgres)
            }
            Db::Sqlite(pool) => pool.begin().await.map(Tx::sqlite),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        on!(self, |c| sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(c)).map(drop)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Db::Postgres(pool) => pool.close().await,
            Db::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Tx {
    fn postgres(transaction: sqlx::Transaction<'static, sqlx::Postgres>) -> Self {
        Self::of(Transaction::Postgres(transaction))
    }

    fn sqlite(transaction: sqlx::Transaction<'static, sqlx::Sqlite>) -> Self {
        Self::of(Transaction::Sqlite(transaction))
    }

    fn of(on: Transaction) -> Self {
        Self {
            on,
            entries: Vec::new(),
        }
    }

    /// Appends an entry to the audit log with what it tells of: neither is ever there without the other.
    pub(crate) fn append(&mut self, entry: NewAudit) {
        self.entries.push(entry);
    }

    /// Has the commit wait for the disk after all: what the transaction does is told right after it.
    pub(crate) async fn flush_at_commit(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.on {
            Transaction::Postgres(transaction) => sqlx::raw_sql("SET LOCAL synchronous_commit TO DEFAULT")
                .execute(&mut **transaction)
                .await
                .map(drop),
            Transaction::Sqlite(_) => Ok(()),
        }
    }

    /// Makes everything done in the transaction durable, with what it appends to the audit log.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        let entries = std::mem::take(&mut self.entries);
        audit::write(&mut self, &entries).await?;
        match self.on {
            Transaction::Postgres(transaction) => transaction.commit().await,
            Transaction::Sqlite(transaction) => transaction.commit().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_by_itself_spoils_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.db");
        let db = Db::open_sqlite(&file, 1, Duration::from_secs(10)).await.unwrap();
        let Transaction::Sqlite(mut transaction) = db.begin().await.unwrap().on else {
            unreachable!()
        };
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut *transaction)
            .await
            .unwrap();
        assert!(transaction.commit().await.is_err());
        db.begin().await.unwrap().commit().await.unwrap();
    }
}
