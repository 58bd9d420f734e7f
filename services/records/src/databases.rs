//! Fresh databases for tests.

use crate::{Db, PostgresSettings};
use sqlx::{Connection as _, PgConnection};
use std::time::Duration;

/// How long a statement of a test may take.
const STATEMENT: Duration = Duration::from_secs(60);

/// Runs a test on a fresh SQLite file, and on a fresh PostgreSQL database if `GLMHUB_TEST_POSTGRES_URL` names a
/// server; says so if it does not.
pub(crate) async fn on_each(test: impl AsyncFn(&Db)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.db");
    let sqlite = Db::open_sqlite(&file, 4, Duration::from_secs(10)).await.unwrap();
    sqlite.migrate().await.unwrap();
    test(&sqlite).await;
    sqlite.close().await;
    if let Some(postgres) = empty_postgres(STATEMENT).await {
        postgres.migrate().await.unwrap();
        test(&postgres).await;
        postgres.close().await;
    }
}

/// A PostgreSQL database without tables, whose statements may take as long as `statement`. `None` if there is no server,
/// which is said.
pub(crate) async fn empty_postgres(statement: Duration) -> Option<Db> {
    let Some(url) = std::env::var_os("GLMHUB_TEST_POSTGRES_URL") else {
        eprintln!("GLMHUB_TEST_POSTGRES_URL is not set: not tested on PostgreSQL");
        return None;
    };
    Some(fresh_postgres(url.to_str().unwrap(), statement).await)
}

/// A database of its own on the server of `url`. The server is thrown away after the tests, so it stays.
async fn fresh_postgres(url: &str, statement: Duration) -> Db {
    let random = std::collections::hash_map::RandomState::new();
    let number = std::hash::BuildHasher::hash_one(&random, url);
    let name = format!("records_{number:x}");
    let mut server = PgConnection::connect(url).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut server)
        .await
        .unwrap();
    server.close().await.unwrap();
    let (base, _) = url.rsplit_once('/').unwrap();
    let settings = PostgresSettings {
        url: &format!("{base}/{name}"),
        password: None,
        connections: 4,
        statement,
        wait: STATEMENT,
    };
    Db::open_postgres(&settings).await.unwrap()
}
