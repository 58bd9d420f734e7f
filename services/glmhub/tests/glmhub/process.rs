//! The program under test as a command.

use std::{
    path::Path,
    process::{Command, Output},
};

/// What a command that ended has said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program, in an environment without settings of whoever started the tests.
pub fn glmhub() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glmhub"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Runs the program to its end.
pub fn perform(arguments: &[&str]) -> Ended {
    ended(glmhub().args(arguments).output().unwrap())
}

/// As [`perform`], with a data folder and some settings from the environment.
pub fn perform_in(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
    let mut command = glmhub();
    command
        .args(arguments)
        .arg("--data")
        .arg(data)
        .envs(settings.iter().copied());
    ended(command.output().unwrap())
}

/// What a program that has run has said.
pub fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Ended {
    /// What a command said that went well.
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// What a command complained of that ended with `code`.
    pub fn badly(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "complaints go to stderr");
        self.stderr
    }
}
