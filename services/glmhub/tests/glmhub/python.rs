//! Packages for Python of others, unmodified, that ask a hub.

use crate::{process::ended, tree};
use serde_json::Value;
use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Folders that each hold a package in one version, as `pip install --target` leaves them; says so where there are
/// none.
pub fn packages(variable: &str) -> Option<Vec<PathBuf>> {
    let folders = env::var_os(variable);
    if folders.is_none() {
        eprintln!("{variable} is not set: the package was not tested");
    }
    Some(env::split_paths(&folders?).collect())
}

/// A script of this folder with the package in `folder`; it is told on stdin what there is to ask.
pub fn script(name: &str, folder: &Path, given: &Value) -> Child {
    let script = tree::root().join("services/glmhub/tests/glmhub").join(name);
    let mut python = Command::new("python3")
        .arg(script)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).unwrap();
    python
}

/// The first number of the package's version, if the script found nothing wrong.
pub fn major_that_agrees(name: &str, folder: &Path, given: &Value) -> String {
    let version = ended(script(name, folder, given).wait_with_output().unwrap()).well();
    version.split('.').next().unwrap_or_default().to_owned()
}
