//! Runs a statement that gives no rows, and tells the same thing on both databases.

use sqlx::{Executor, Postgres, Sqlite, postgres::PgArguments, query::Query, sqlite::SqliteArguments};
use std::future::Future;

/// `.run(c)` instead of `.execute(c)`: the drivers' own answers are of two types.
pub(crate) trait Run<'q, Db: sqlx::Database> {
    /// Runs the statement; tells how many rows it touched.
    fn run<'e, E>(self, executor: E) -> impl Future<Output = Result<u64, sqlx::Error>> + Send
    where
        'q: 'e,
        E: Executor<'e, Database = Db> + 'e;
}

impl<'q> Run<'q, Postgres> for Query<'q, Postgres, PgArguments> {
    async fn run<'e, E>(self, executor: E) -> Result<u64, sqlx::Error>
    where
        'q: 'e,
        E: Executor<'e, Database = Postgres> + 'e,
    {
        self.execute(executor).await.map(|done| done.rows_affected())
    }
}

impl<'q> Run<'q, Sqlite> for Query<'q, Sqlite, SqliteArguments> {
    async fn run<'e, E>(self, executor: E) -> Result<u64, sqlx::Error>
    where
        'q: 'e,
        E: Executor<'e, Database = Sqlite> + 'e,
    {
        self.execute(executor).await.map(|done| done.rows_affected())
    }
}
