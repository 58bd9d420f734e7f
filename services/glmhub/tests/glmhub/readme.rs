//! The tour of `README.md`, as a reader would type it.

use crate::tree;
use std::{fs, net::TcpListener, path::Path, process::Command};

/// What is said for the reader's machine and is otherwise here.
const ELSEWHERE: [&str; 2] = [
    "cargo build --release\n",
    "export PATH=\"$PWD/target/release:$PATH\"\n",
];

/// What the tour must have shown at its end, in this order.
const SHOWN: [&str; 10] = [
    "松林学校",
    "glmhub is ready at http://",
    "\"status\":\"ready\"",
    "\"state\":\"answered\"",
    "\"text\":\"25318\"",
    "\"code\":\"license_not_accepted\"",
    "\"terms_sha256\":",
    "\"state\":\"active\"",
    "\"state\":\"received\"",
    "\"state\":\"running\"",
];

/// The commands between two headings.
fn commands(text: &str, from: &str, to: &str) -> String {
    let part = text.split(from).nth(1).unwrap().split(to).next().unwrap();
    let blocks = part
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    blocks.collect()
}

#[test]
fn the_tour_of_the_readme_is_true() {
    let mut script = commands(
        &tree::text("README.md"),
        "## A tour of five minutes",
        "## With the real weights",
    );
    for line in ELSEWHERE {
        assert!(script.contains(line), "the tour no longer says {line:?}");
        script = script.replace(line, "");
    }
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = script
        .replace("/tmp/tour", folder.path().join("tour").to_str().unwrap())
        .replace("127.0.0.1:8080", &free.to_string());
    let file = folder.path().join("tour.sh");
    // Whatever goes wrong, no hub is left behind.
    fs::write(
        &file,
        format!("set -euo pipefail\ntrap 'kill %1 2>/dev/null; wait' EXIT\n{script}"),
    )
    .unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_glmhub"));
    let output = Command::new("bash")
        .arg(&file)
        .current_dir(tree::root())
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:/usr/local/bin:/usr/bin:/bin",
                program.parent().unwrap().display()
            ),
        )
        .env("GLMHUB_SERVER__LISTEN", free.to_string())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{shown}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut rest = shown.as_str();
    for wanted in SHOWN {
        let found = rest
            .find(wanted)
            .unwrap_or_else(|| panic!("{wanted} is not in, or not in order:\n{shown}"));
        rest = &rest[found..];
    }
}

#[test]
fn every_command_is_in_the_readmes_table() {
    let text = tree::text("README.md");
    for command in crate::cli::COMMANDS.iter().filter(|command| !command.is_empty()) {
        // A command that only holds others is told of by them.
        let told = format!("| `glmhub {}", command.join(" "));
        assert!(
            text.contains(&told),
            "README.md does not tell of glmhub {}",
            command.join(" ")
        );
    }
}
