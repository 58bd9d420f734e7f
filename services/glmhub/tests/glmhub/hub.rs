//! A running `glmhub up` on a folder of its own.

use crate::{
    client::Client,
    process::{glmhub, perform_in},
};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a hub may take to be ready, or to end.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that keep tests short; everything else is as shipped.
const QUICK: [(&str, &str); 2] = [
    ("GLMHUB_WORK__IDLE_MILLISECONDS", "50"),
    ("GLMHUB_LOG__FILTER", "info,hub=debug"),
];

/// Where a hub listens if it must be known before.
pub const LISTEN: &str = "GLMHUB_SERVER__LISTEN";

/// A hub. It is killed when it is dropped; if a test fails, the end of its log is shown.
pub struct Hub {
    folder: TempDir,
    settings: Vec<(String, String)>,
    child: Option<Child>,
    url: String,
}

impl Hub {
    /// A fresh hub with the shipped settings.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh hub with some settings, named as environment variables.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// As [`Hub::start_with`], with all that it keeps, its log too, in `folder`.
    pub fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let settings = QUICK
            .iter()
            .chain(settings)
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let mut hub = Self {
            folder,
            settings: settings.collect(),
            child: None,
            url: String::new(),
        };
        hub.begin();
        hub
    }

    /// Where it answers, such as `http://127.0.0.1:40001`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts it on its folder, after [`Hub::kill9`] or [`Hub::end`].
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "the hub is up");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let listen = self.settings.iter().find(|(name, _)| name == LISTEN);
        let listen = listen.map_or("127.0.0.1:0", |(_, address)| address);
        let mut command = glmhub();
        command
            .arg("up")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", listen]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        self.child = Some(child);
        let line = line.unwrap_or_else(|| panic!("the hub was not ready in time"));
        let url = line.strip_prefix("glmhub is ready at ");
        self.url = url.unwrap_or_else(|| panic!("the hub said {line:?}")).to_owned();
    }

    /// Writes to its database past all rules, while it is up.
    pub fn write(&self, sql: &str) {
        let mut program = Command::new("sqlite3");
        program
            .args(["-cmd", ".timeout 60000"])
            .arg(self.data().join("hub.db"))
            .arg(sql);
        let output = program.output();
        let output = output.unwrap_or_else(|error| panic!("{program:?}: {error}; scripts/test installs it"));
        assert!(output.status.success(), "{output:?}");
    }

    /// Ends it as an operator does, and waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        let mut child = self.child.take().unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
                None => {
                    child.kill().unwrap();
                    panic!("the hub did not end in time");
                }
            }
        }
    }

    /// Ends it and starts it again on the same folder, perhaps at another address.
    pub fn restart(&mut self) {
        assert!(self.end().success(), "the hub did not end well");
        self.begin();
    }

    /// Kills it without warning. What it had not made durable is gone.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("the hub is not up").id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The most memory that its process has had at once, in bytes.
    pub fn most_memory(&self) -> u64 {
        let pid = self.child.as_ref().expect("the hub is not up").id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    /// An access token from `glmhub token issue`.
    pub fn token(&self, tenant: &str, roles: &[&str]) -> String {
        let mut arguments = vec!["token", "issue", "--tenant", tenant, "--member", "li"];
        arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
        perform_in(&self.data(), &arguments, &[]).well().trim().to_owned()
    }

    /// A client that calls as a member of `tenant` with `roles`.
    pub fn client(&self, tenant: &str, roles: &[&str]) -> Client {
        Client::new(self.url(), Some(self.token(tenant, roles)))
    }

    /// A client without a token.
    pub fn stranger(&self) -> Client {
        Client::new(self.url(), None)
    }

    /// Imports a folder of weights with `glmhub model import`, beside the running hub.
    pub fn import(&self, model: &str, from: &Path) -> String {
        let from = from.to_str().unwrap();
        let settings: Vec<_> = self
            .settings
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        perform_in(
            &self.data(),
            &["model", "import", "--model", model, "--from", from],
            &settings,
        )
        .well()
    }

    /// The latest hundred entries of the audit log that an auditor of `tenant` reads.
    pub async fn audit_log(&self, tenant: &str) -> String {
        let auditor = self.client(tenant, &["auditor"]);
        let entries = auditor.get("/v1/audit/entries?limit=100").await;
        entries.expect(200).text()
    }

    /// Waits until the hub has logged such a line: it tells of what it did after it has done it.
    pub async fn tells(&self, what: &str, line: impl Fn(&str) -> bool) {
        eventually(what, || async { self.log().lines().any(&line).then_some(()) }).await;
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("hub.log")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "--- the end of the hub's log\n{}",
                lines[lines.len().saturating_sub(60)..].join("\n")
            );
        }
    }
}

/// The first line that a child prints, or nothing if it ends or takes too long.
pub fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        if reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            let _ = sender.send(line.trim_end().to_owned());
        }
        // Whatever else it prints must find a reader, or it would be stopped by a full or broken pipe.
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    receiver.recv_timeout(PATIENCE).ok()
}

/// Asks `look` again and again until it gives something, for as long as a busy machine may need.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let until = Instant::now() + 2 * PATIENCE;
    while Instant::now() < until {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}

mod tests {
    use super::*;

    #[test]
    fn a_hub_says_where_it_is_and_ends_when_told() {
        let mut hub = Hub::start();
        assert!(hub.url().starts_with("http://127.0.0.1:"), "{}", hub.url());
        assert!(hub.end().success());
        hub.begin();
        hub.signal("INT");
        assert!(hub.child.take().unwrap().wait().unwrap().success());
    }

    #[tokio::test]
    async fn a_hub_outlives_being_killed() {
        let mut hub = Hub::start();
        let token = hub.token("acme", &["submitter"]);
        hub.kill9();
        hub.begin();
        let client = Client::new(hub.url(), Some(token));
        client.get("/v1/batches").await.expect(200);
        hub.restart();
        Client::new(hub.url(), None)
            .get("/v1/batches")
            .await
            .refused(401, "token_missing");
    }

    #[tokio::test]
    async fn a_token_of_another_hub_is_foreign() {
        let (ours, theirs) = (Hub::start(), Hub::start());
        let client = Client::new(ours.url(), Some(theirs.token("acme", &["submitter"])));
        client.get("/v1/batches").await.refused(401, "token_foreign");
    }
}
