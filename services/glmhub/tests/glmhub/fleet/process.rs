//! A hub or a worker of a fleet.

use crate::hub::{PATIENCE, first_line};
use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// See the module's text.
pub struct Process {
    pub name: String,
    /// The line that it printed when it was ready.
    pub said: String,
    /// What it finds in its environment beside the fleet's settings.
    pub environment: Vec<(&'static str, String)>,
    child: Option<Child>,
}

impl Process {
    pub fn named(name: String) -> Self {
        Self {
            name,
            said: String::new(),
            environment: Vec::new(),
            child: None,
        }
    }

    /// Starts it and waits until it says that it is ready.
    pub fn begin(&mut self, mut command: Command, log: &Path, ready: &str) {
        assert!(self.child.is_none(), "{} is up", self.name);
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        self.child = Some(child);
        self.said = line.unwrap_or_else(|| panic!("{} was not ready in time", self.name));
        assert!(self.said.starts_with(ready), "{} said {:?}", self.name, self.said);
    }

    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.child.as_ref().unwrap(), name);
    }

    /// Tells it to end, and gives how it ended and how long that took.
    pub fn end(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.child.take().unwrap();
        let told = Instant::now();
        signal(&child, "TERM");
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return (status, told.elapsed()),
                None if told.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(10)),
                None => {
                    child.kill().unwrap();
                    panic!("{} did not end in time", self.name);
                }
            }
        }
    }
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap()
            .success()
    );
}
