//! Children that are forked by a process which was loaded once.
//!
//! Loading the program takes longer than splitting a small image. The nursery is the program, loaded and waiting: it is
//! asked for a child over a socket, with the ends of two pipes, and forks itself. It never sees a document. A child leaves
//! the socket behind before it reads its order, so that a hostile document can ask for nothing, and is a child of the
//! process that asked: that one waits for it and ends it.

use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use super::{Process, Waiting, prepared, run_child};

/// The hidden subcommand that a program offers for [`run_nursery`]; it has no arguments.
pub const NURSERY: &str = "split-pages-nursery";

/// How long a fork may take. A program that is no nursery does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Forks children, as long as the system lets it.
pub(super) struct Nursery {
    program: PathBuf,
    state: Mutex<State>,
}

enum State {
    NotStarted,
    Running(Running),
    /// The first fork failed: every other would.
    Barred,
}

struct Running {
    process: Child,
    line: UnixStream,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nursery {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            state: Mutex::new(State::NotStarted),
        }
    }

    /// A child that waits for its order; none where it takes loading the program anew.
    pub(super) fn fork(&self) -> Option<Waiting> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(running) = &mut *state {
            match running.fork() {
                Ok(child) => return Some(child),
                // It may have been ended from outside: a new one is tried.
                Err(_) => *state = State::NotStarted,
            }
        }
        if let State::NotStarted = *state {
            *state = State::Barred;
            let mut running = Running::start(&self.program).ok()?;
            let child = running.fork().ok()?;
            *state = State::Running(running);
            return Some(child);
        }
        None
    }
}

impl Running {
    fn start(program: &PathBuf) -> io::Result<Self> {
        let (line, theirs) = UnixStream::pair()?;
        line.set_read_timeout(Some(PATIENCE))?;
        let process = prepared(Command::new(program).arg(NURSERY))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { process, line })
    }

    fn fork(&mut self) -> io::Result<Waiting> {
        let ((order_to_read, order), (answer, answer_to_write)) = (io::pipe()?, io::pipe()?);
        let ends = [order_to_read.as_fd(), answer_to_write.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        message.push(SendAncillaryMessage::ScmRights(&ends));
        rustix::net::sendmsg(
            &self.line,
            &[IoSlice::new(&[0])],
            &mut message,
            SendFlags::NOSIGNAL,
        )?;
        let mut pid = [0; 4];
        self.line.read_exact(&mut pid)?;
        let pid =
            Pid::from_raw(i32::from_le_bytes(pid)).ok_or_else(|| io::Error::other("no child was forked"))?;
        Ok(Waiting::new(Forked { pid, status: None }, order, answer))
    }
}

/// A child of this process that it did not start itself.
struct Forked {
    pid: Pid,
    /// Once it was waited for, when its number may be another's.
    status: Option<ExitStatus>,
}

impl Forked {
    fn wait_by(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let ended = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(self.pid), options))?;
            self.status = ended.map(|(_, status): (Pid, WaitStatus)| ExitStatus::from_raw(status.as_raw()));
        }
        Ok(self.status)
    }
}

impl Process for Forked {
    fn kill(&mut self) {
        if self.status.is_none() {
            // One that has ended is there until it was waited for.
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.wait_by(WaitOptions::empty())?;
        status.ok_or_else(|| io::Error::other("a child ended without a status"))
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.wait_by(WaitOptions::NOHANG), Ok(None))
    }
}

/// The nursery's whole work, and in each child that it forks that of [`run_child`]. Call it before the process has started
/// threads of its own.
pub fn run_nursery() -> io::Result<()> {
    while let Some((order, answer)) = asked(rustix::stdio::stdin())? {
        let Some(pid) = fork_beside()? else {
            // This ends the child's hold of the socket, which is its standard input.
            rustix::stdio::dup2_stdin(&order)?;
            rustix::stdio::dup2_stdout(&answer)?;
            drop((order, answer));
            return run_child(&mut io::stdin().lock(), &mut io::stdout().lock());
        };
        let pid = pid.to_le_bytes();
        rustix::net::send(rustix::stdio::stdin(), &pid, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Where the next child reads its order and writes its answer; none when nobody will ask any more.
fn asked(line: BorrowedFd) -> io::Result<Option<(PipeReader, PipeWriter)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let (mut byte, flags) = ([0], RecvFlags::CMSG_CLOEXEC);
    let read = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(line, &mut [IoSliceMut::new(&mut byte)], &mut message, flags)
    })?;
    if read.bytes == 0 {
        return Ok(None);
    }
    let mut ends = message.drain().flat_map(|part| match part {
        RecvAncillaryMessage::ScmRights(ends) => ends.collect(),
        _ => Vec::new(),
    });
    match (ends.next(), ends.next()) {
        (Some(order), Some(answer)) => Ok(Some((order.into(), answer.into()))),
        _ => Err(io::Error::other("a child was asked for without its pipes")),
    }
}

/// Forks this process into one that has the same parent as this one; in that one gives none.
#[expect(
    unsafe_code,
    reason = "the library's fork makes children of this process alone"
)]
fn fork_beside() -> io::Result<Option<i32>> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without a stack of its own and without shared memory this is a fork. There is no other thread whose locks the
    // copy could be left with.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    match pid {
        0 => Ok(None),
        pid => match i32::try_from(pid) {
            Ok(pid) if pid > 0 => Ok(Some(pid)),
            _ => Err(io::Error::last_os_error()),
        },
    }
}
