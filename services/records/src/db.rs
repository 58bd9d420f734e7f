//! The two databases behind one type.

use crate::{
    audit,
    later::{self, Write},
    postgres,
    turns::{self, Mark},
};
use domain::audit::NewAudit;
use sqlx::{
    Connection as _, PgConnection, PgPool, SqliteConnection, SqlitePool,
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

/// A transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx {
    open: Open,
    /// What nobody has needed to be written so far.
    later: Vec<Write>,
    /// What it appends to the audit log.
    entries: Vec<NewAudit>,
    /// Tenants that have jobs waiting by it.
    marks: Vec<Mark>,
    db: Db,
}

/// How far a transaction has begun.
enum Open {
    /// On PostgreSQL, where it begins with its first statement; whether its commit waits for the disk.
    NotYet { pool: PgPool, flushed: bool },
    /// On PostgreSQL.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// On SQLite; it holds the write lock from its beginning.
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
}

/// A database's own connection, within a transaction.
pub enum Connection<'a> {
    /// To PostgreSQL.
    Postgres(&'a mut PgConnection),
    /// To SQLite.
    Sqlite(&'a mut SqliteConnection),
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
        match $tx.connection().await {
            Ok($crate::Connection::Postgres($c)) => $body.await,
            Ok($crate::Connection::Sqlite($c)) => $body.await,
            Err(error) => Err(error.into()),
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

    /// Begins a transaction. On SQLite it takes the write lock at once, so that it cannot fail half-way; on PostgreSQL it
    /// begins with its first statement.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(true).await
    }

    /// Begins a transaction whose commit does not wait for the disk, on PostgreSQL: if the server dies within the moment
    /// until the next flush, it is as if the transaction had not been. For what nobody is promised before [`Db::flush`].
    /// Whatever is committed later and does wait is never there without it.
    pub async fn begin_without_flush(&self) -> Result<Tx, sqlx::Error> {
        self.begin_with(false).await
    }

    async fn begin_with(&self, flushed: bool) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Postgres(pool) => {
                let pool = pool.clone();
                Ok(self.tx(Open::NotYet { pool, flushed }))
            }
            Db::Sqlite(pool) => {
                let begin = pool.begin_with("BEGIN IMMEDIATE").await;
                begin.map(|begun| self.tx(Open::Sqlite(begun)))
            }
        }
    }

    fn tx(&self, open: Open) -> Tx {
        Tx {
            open,
            later: Vec::new(),
            entries: Vec::new(),
            marks: Vec::new(),
            db: self.clone(),
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
                Ok(self.tx(Open::Postgres(begin.await?)))
            }
            Db::Sqlite(pool) => Ok(self.tx(Open::Sqlite(pool.begin().await?))),
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

/// A transaction on PostgreSQL whose commit waits for the disk or not.
async fn begun(
    pool: &PgPool,
    flushed: bool,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    match flushed {
        true => pool.begin().await,
        false => pool.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await,
    }
}

impl Tx {
    /// Has `write` done before anything else of the transaction is asked for, or with its commit.
    pub(crate) fn later(&mut self, write: Write) {
        self.later.push(write);
    }

    /// The database's own connection, when all that was put off is written.
    pub async fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        if let Open::NotYet { pool, flushed } = &self.open {
            self.open = Open::Postgres(begun(pool, *flushed).await?);
        }
        let writes = std::mem::take(&mut self.later);
        match &mut self.open {
            Open::Postgres(transaction) => {
                for part in later::parts(writes) {
                    later::send(transaction, part).await?;
                }
                Ok(Connection::Postgres(transaction))
            }
            Open::Sqlite(transaction) => {
                later::send_each(transaction, writes).await?;
                Ok(Connection::Sqlite(transaction))
            }
            Open::NotYet { .. } => Err(sqlx::Error::BeginFailed),
        }
    }

    /// The database that it is on.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    /// Appends an entry to the audit log with what it tells of: neither is ever there without the other.
    pub(crate) fn append(&mut self, entry: NewAudit) {
        self.entries.push(entry);
    }

    /// Has a mark set once more when the transaction is committed.
    pub(crate) fn marks(&mut self, mark: Mark) {
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }

    /// Has the commit wait for the disk after all: what the transaction does is told right after it.
    pub(crate) async fn flush_at_commit(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.open {
            Open::NotYet { flushed, .. } => *flushed = true,
            Open::Postgres(transaction) => {
                let default = sqlx::raw_sql("SET LOCAL synchronous_commit TO DEFAULT");
                default.execute(&mut **transaction).await?;
            }
            Open::Sqlite(_) => {}
        }
        Ok(())
    }

    /// Makes everything done in the transaction durable, with what it appends to the audit log.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        let (db, marks) = (self.db.clone(), std::mem::take(&mut self.marks));
        self.end().await?;
        turns::mark_again(db, marks).await;
        Ok(())
    }

    async fn end(mut self) -> Result<(), sqlx::Error> {
        let entries = std::mem::take(&mut self.entries);
        audit::write(&mut self, &entries);
        if let Open::NotYet { pool, flushed } = &self.open {
            let mut parts = later::parts(std::mem::take(&mut self.later));
            match (parts.pop(), parts.is_empty()) {
                (None, _) => return Ok(()),
                // A single statement is a transaction by itself.
                (Some(only), true) => return later::send_alone(pool, only, *flushed).await,
                (Some(last), false) => self.later = parts.into_iter().flatten().chain(last).collect(),
            }
        }
        self.connection().await?;
        match self.open {
            Open::Postgres(transaction) => transaction.commit().await,
            Open::Sqlite(transaction) => transaction.commit().await,
            Open::NotYet { .. } => Err(sqlx::Error::BeginFailed),
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
        let mut tx = db.begin().await.unwrap();
        let Connection::Sqlite(connection) = tx.connection().await.unwrap() else {
            unreachable!()
        };
        sqlx::raw_sql("ROLLBACK").execute(connection).await.unwrap();
        assert!(tx.commit().await.is_err());
        db.begin().await.unwrap().commit().await.unwrap();
    }
}
