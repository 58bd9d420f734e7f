//! Pages as people see them: in Chromium, driven by Playwright, looked at by axe.
//!
//! `GLMHUB_TEST_CHROMIUM` names the program, `GLMHUB_TEST_BROWSER_PACKAGES` a folder in which npm has put `playwright-core`
//! and `axe-core`; `scripts/test` installs both. Pictures of all pages are left in `target/pictures`.

mod pages;
mod sign_in;
mod story;

use crate::{
    process::{Ended, ended},
    tree,
};
use serde_json::{Value, json};
use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The program and the packages that drive it.
pub struct Chromium {
    program: PathBuf,
    packages: PathBuf,
}

impl Chromium {
    /// As the environment names it; says so where it does not.
    pub fn named() -> Option<Self> {
        let named = || {
            Some(Self {
                program: env::var_os("GLMHUB_TEST_CHROMIUM")?.into(),
                packages: env::var_os("GLMHUB_TEST_BROWSER_PACKAGES")?.into(),
            })
        };
        let found = named();
        if found.is_none() {
            eprintln!(
                "GLMHUB_TEST_CHROMIUM or GLMHUB_TEST_BROWSER_PACKAGES is not set: no page was looked at"
            );
        }
        found
    }

    /// Runs a script of this folder to its end; it is told `given` beside where the program is and pictures go.
    pub async fn run(self, script: &'static str, mut given: Value) -> Ended {
        given["chromium"] = json!(self.program);
        given["pictures"] = json!(tree::root().join("target/pictures"));
        // The hub that is looked at may be served by this thread's runtime.
        let running = tokio::task::spawn_blocking(move || run(script, &self.packages, &given));
        running.await.unwrap()
    }
}

fn run(script: &str, packages: &Path, given: &Value) -> Ended {
    let folder = tree::root().join("services/glmhub/tests/glmhub/chromium");
    let mut node = Command::new("node")
        .arg(folder.join(script))
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("NODE_PATH", packages.join("node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).unwrap();
    drop(stdin);
    ended(node.wait_with_output().unwrap())
}
