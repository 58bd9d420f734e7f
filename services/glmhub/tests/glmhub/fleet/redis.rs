//! A Redis of a test's own, with the users of `deploy/`, that can be emptied and killed.

use super::{WORKERS_PASSWORD, process::signal};
use crate::tree;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module's text.
pub struct Redis {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Redis {
    /// A Redis on a free port. `None` if there is no `redis-server`.
    pub fn start() -> Option<Self> {
        Command::new("redis-server").arg("--version").output().ok()?;
        let folder = tempfile::tempdir().unwrap();
        let acl = tree::text("deploy/redis-users.acl").replace("CHANGE-THIS", WORKERS_PASSWORD);
        fs::write(
            folder.path().join("users.acl"),
            format!("user default on nopass ~* &* +@all\n{acl}"),
        )
        .unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = server(&folder, port);
        let redis = Self { folder, port, child };
        redis.wait();
        Some(redis)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Everything that it holds is gone.
    pub fn empty(&self) {
        assert_eq!(self.ask("FLUSHALL").as_deref(), Some("+OK"));
    }

    /// Kills it without warning and starts it again with nothing in it.
    pub fn restart_empty(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = server(&self.folder, self.port);
        self.wait();
    }

    /// It stands still: connections stay and nothing is answered.
    pub fn pause(&self) {
        signal(&self.child, "STOP");
    }

    /// It goes on where it stood.
    pub fn go_on(&self) {
        signal(&self.child, "CONT");
    }

    fn wait(&self) {
        let until = Instant::now() + PATIENCE;
        while self.ask("PING").as_deref() != Some("+PONG") {
            assert!(Instant::now() < until, "Redis does not answer");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The first line of its answer.
    fn ask(&self, command: &str) -> Option<String> {
        let mut link = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        link.set_read_timeout(Some(PATIENCE)).ok()?;
        link.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(link).read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(folder: &TempDir, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--maxmemory-policy", "noeviction"])
        .arg("--dir")
        .arg(folder.path())
        .arg("--aclfile")
        .arg(folder.path().join("users.acl"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
