//! A database of a fleet's own, and what it holds.

use super::line::Line;
use std::process::Command;

/// A line to the server of a database, and the URL that goes over it.
pub fn line_to_database(url: &str) -> (Line, String) {
    let (start, rest) = url.rsplit_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let line = Line::to(server);
    let over = format!("{start}@{}/{name}", line.address());
    (line, over)
}

/// The URL of an empty database on the server for tests. The server is thrown away after the tests, so it stays.
pub fn new_database() -> Option<String> {
    let server = std::env::var_os("GLMHUB_TEST_POSTGRES_URL")?
        .into_string()
        .unwrap();
    let random = std::collections::hash_map::RandomState::new();
    let name = format!("fleet_{:x}", std::hash::BuildHasher::hash_one(&random, &server));
    psql(&server, &format!("CREATE DATABASE {name}"));
    Some(format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}

/// What the database answers, without a heading.
pub fn psql(url: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args([url, "-v", "ON_ERROR_STOP=1", "-qtAc", sql])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
