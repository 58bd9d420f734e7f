//! A PostgreSQL of a test's own, as durable as in production, that can be killed.

use super::database::psql;
use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a kill must not undo.
const DURABLE: [&str; 2] = ["fsync=on", "synchronous_commit=on"];

/// See the module's text.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    child: Child,
}

impl Postgres {
    /// A PostgreSQL on a free port. `None` where the tests have no server either, or no program that makes one.
    pub fn start() -> Option<Self> {
        std::env::var_os("GLMHUB_TEST_POSTGRES_URL")?;
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL refuses to be root.
            let account = folder.path().to_str().unwrap();
            done(Command::new("chown").args(["postgres", account]));
        }
        let mut make = unprivileged(&programs.join("initdb"));
        make.arg("-D").arg(folder.path().join("data"));
        make.args(["-U", "glmhub", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
        done(make.args(["--no-sync", "--no-instructions"]));
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = server(&programs, folder.path(), port);
        let mut postgres = Self {
            folder,
            programs,
            port,
            child,
        };
        postgres.wait();
        Some(postgres)
    }

    /// The URL of the database that a server begins with.
    pub fn url(&self) -> String {
        format!("postgres://glmhub@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it at once: nothing is finished, nothing is written.
    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on what it had written, after [`Postgres::kill9`].
    pub fn begin(&mut self) {
        self.child = server(&self.programs, self.folder.path(), self.port);
        self.wait();
    }

    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        let ready = |port: &str| {
            let mut ask = Command::new(self.programs.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", port]);
            ask.status().unwrap().success()
        };
        while !ready(&self.port.to_string()) {
            assert!(Instant::now() < until, "PostgreSQL does not answer");
            // It refuses to start while a process of the killed one still ends.
            if self.child.try_wait().unwrap().is_some() {
                self.child = server(&self.programs, self.folder.path(), self.port);
            }
            thread::sleep(Duration::from_millis(50));
        }
        for setting in DURABLE {
            let (name, value) = setting.split_once('=').unwrap();
            assert_eq!(psql(&self.url(), &format!("SHOW {name}")), value);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(programs: &Path, folder: &Path, port: u16) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = unprivileged(&programs.join("postgres"));
    command.arg("-D").arg(folder.join("data"));
    command.args(["-p", &port.to_string()]);
    command.args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    for setting in DURABLE {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

/// The folder of PostgreSQL's programs: the newest where Debian keeps them, or that of `initdb` on the path.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").exists())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// The program under an account that may not do everything.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(program).current_dir("/");
    command
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
