//! Another process that has locked what the hub writes to, and does not come to an end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

/// See the module's text. It lets go when it is dropped.
pub struct Writer(Child);

impl Writer {
    /// One at a file of SQLite.
    pub fn on_sqlite(file: &Path) -> Self {
        let mut program = Command::new("sqlite3");
        program.args(["-batch", "-bail"]).arg(file);
        Self::begin(program, ".timeout 60000\nBEGIN IMMEDIATE;")
    }

    /// One at tables of a PostgreSQL database.
    pub fn on_postgres(url: &str, tables: &str) -> Self {
        let mut program = Command::new("psql");
        program.args([url, "-v", "ON_ERROR_STOP=1", "-qtA"]);
        let lock = format!("BEGIN;\nLOCK TABLE {tables} IN EXCLUSIVE MODE;");
        Self::begin(program, &lock)
    }

    fn begin(mut program: Command, lock: &str) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}; scripts/test installs it"));
        let stdin = child.stdin.as_mut().unwrap();
        write!(stdin, "{lock}\nSELECT 'locked';\n").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "locked");
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
