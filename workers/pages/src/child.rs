//! Splitting in a child process: a hostile document costs itself, never the process that took it in.
//!
//! [`Splitter`] starts `PROGRAM split-pages` without the environment of its own process, and writes one line to it: the
//! order. The child limits its own memory, processor time and file sizes ([`run_child`]), splits, and prints one JSON
//! object: `split` or `error`. Then it ends: no child ever sees two documents. A child that dies, says nothing sensible
//! or takes too long is an error of the document.
//!
//! Starting a program takes longer than splitting a small image, so [`Ahead`] has children started before they are needed,
//! and forked instead of loaded where the system can ([`run_nursery`]).

mod ahead;
#[cfg(target_os = "linux")]
mod nursery;

pub use ahead::Ahead;
#[cfg(target_os = "linux")]
pub use nursery::{NURSERY, run_nursery};

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rlimit::Resource;
use serde::{Deserialize, Serialize};

use crate::warning::Warnings;
use crate::{Fonts, Limits, PageError, Split, SplitPage, split};

/// The hidden subcommand that a program offers for [`run_child`]; it has no arguments.
pub const COMMAND: &str = "split-pages";

/// Keeps mimalloc, where the program has it, from taking a gibibyte of address space before the child can
/// limit itself: what it holds already, no limit takes back.
const NO_ADVANCE_MEMORY: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");

/// Longest answer that is read from a child.
const MAX_ANSWER: u64 = 16 << 20;
/// Longest order that a child reads.
const MAX_ORDER: u64 = 1 << 20;

/// Splits documents in child processes. Blocks: asynchronous code calls it from a blocking thread.
#[derive(Clone, Debug)]
pub struct Splitter {
    /// A program that hands its input to [`run_child`] when it is called with [`COMMAND`].
    pub program: PathBuf,
    /// How long one document may take.
    pub time_limit: Duration,
    /// Bytes of memory that a child may take for its work.
    pub memory_limit: u64,
    pub limits: Limits,
    pub fonts: Fonts,
}

/// What the parent asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    document: PathBuf,
    out: PathBuf,
    limits: Limits,
    fonts: Fonts,
    memory_limit: u64,
    cpu_seconds: u64,
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Split(Split),
    Error(PageError),
}

/// A child process, however it was started.
trait Process: Send {
    /// Does nothing to one that has ended.
    fn kill(&mut self);
    fn wait(&mut self) -> io::Result<ExitStatus>;
    fn has_ended(&mut self) -> bool;
}

impl Process for Child {
    fn kill(&mut self) {
        let _ = Child::kill(self);
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        Child::wait(self)
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.try_wait(), Ok(None))
    }
}

/// A child that waits for its order. Dropped, it is ended.
struct Waiting {
    process: Box<dyn Process>,
    order: Option<Box<dyn Write + Send>>,
    answer: Option<Box<dyn Read + Send>>,
}

impl Waiting {
    fn new(
        process: impl Process + 'static,
        order: impl Write + Send + 'static,
        answer: impl Read + Send + 'static,
    ) -> Self {
        Self {
            process: Box::new(process),
            order: Some(Box::new(order)),
            answer: Some(Box::new(answer)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.process.kill();
        let _ = self.process.wait();
    }
}

/// Without what a child has no business with.
fn prepared(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env(NO_ADVANCE_MEMORY.0, NO_ADVANCE_MEMORY.1)
        .stderr(Stdio::null())
}

impl Splitter {
    /// As [`split`](crate::split), in a child.
    pub fn split(&self, document: &Path, out: &Path) -> Result<Split, PageError> {
        self.split_by(&mut self.start()?, document, out)
    }

    fn start(&self) -> Result<Waiting, PageError> {
        let ours = |error: io::Error| PageError::storage(&self.program, &error);
        let mut child = prepared(Command::new(&self.program).arg(COMMAND))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(ours)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(order), Some(answer)) => Ok(Waiting::new(child, order, answer)),
            _ => Err(ours(io::Error::other("a child has no pipes"))),
        }
    }

    /// As [`Splitter::split`], in `child`, which serves nothing else after. It may still be ending: dropped, it is waited for.
    fn split_by(&self, child: &mut Waiting, document: &Path, out: &Path) -> Result<Split, PageError> {
        let order = Order {
            document: document.to_owned(),
            out: out.to_owned(),
            limits: self.limits,
            fonts: self.fonts.clone(),
            memory_limit: self.memory_limit,
            cpu_seconds: self.time_limit.as_secs() + 1,
        };
        let mut order =
            serde_json::to_vec(&order).map_err(|error| PageError::storage(document, &error.into()))?;
        order.push(b'\n');
        if let Some(mut to) = child.order.take() {
            // One that does not read its order answers nothing sensible, which is judged below.
            let _ = to.write_all(&order);
        }
        let answer = child.answer.take().and_then(|answer| self.all_of(answer));
        // Whatever came of it, it has nothing to do any more.
        child.process.kill();
        let split = match answer.as_deref().map(serde_json::from_slice) {
            Some(Ok(Report::Split(Split { pages, warnings }))) => Split {
                pages,
                // A child in which a document has taken over says what it likes.
                warnings: Warnings::of(warnings),
            },
            Some(Ok(Report::Error(error))) => return Err(error),
            Some(Err(_)) => return Err(self.without_answer(child)?),
            None => return Err(self.timed_out()),
        };
        match self.holds(&split.pages, out) {
            true => Ok(split),
            false => Err(PageError::Crashed {
                reason: "its process told of pages that it did not write".to_owned(),
            }),
        }
    }

    /// Whether there may be so many pages, and each that was written lies within the file of pages.
    fn holds(&self, pages: &[SplitPage], out: &Path) -> bool {
        let length = std::fs::metadata(out).map_or(0, |there| there.len());
        let lies = |page: &SplitPage| {
            page.at
                .is_none_or(|at| at.checked_add(page.bytes).is_some_and(|end| end <= length))
        };
        pages.len() <= self.limits.max_pages as usize && pages.iter().all(lies)
    }

    /// The line that the child prints, or all of it if it prints none; `None` when its time is up first.
    fn all_of(&self, answer: Box<dyn Read + Send>) -> Option<Vec<u8>> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = Vec::new();
            // A broken pipe leaves an answer that cannot be parsed, which is judged below.
            let _ = BufReader::new(answer.take(MAX_ANSWER)).read_until(b'\n', &mut line);
            let _ = sender.send(line);
        });
        receiver.recv_timeout(self.time_limit).ok()
    }

    /// Why a child has said nothing sensible.
    fn without_answer(&self, child: &mut Waiting) -> Result<PageError, PageError> {
        let ended = child.process.wait();
        let status = ended.map_err(|error| PageError::storage(&self.program, &error))?;
        Ok(match ran_out_of_cpu(status) {
            true => self.timed_out(),
            false => PageError::Crashed {
                reason: format!("its process ended with {status}"),
            },
        })
    }

    fn timed_out(&self) -> PageError {
        PageError::TimedOut {
            seconds: self.time_limit.as_secs(),
        }
    }
}

#[cfg(unix)]
fn ran_out_of_cpu(status: ExitStatus) -> bool {
    const SIGXCPU: i32 = 24;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGXCPU)
}

#[cfg(not(unix))]
fn ran_out_of_cpu(_: ExitStatus) -> bool {
    false
}

/// The child's whole work: waits for the order that [`Splitter`] writes to `input`, limits itself, splits as it says, and
/// writes the answer to `out`. Without an order it does nothing. Call it before the process has started threads of its
/// own.
pub fn run_child(input: &mut impl BufRead, out: &mut impl Write) -> io::Result<()> {
    let mut order = String::new();
    if input.take(MAX_ORDER).read_line(&mut order)? == 0 {
        return Ok(());
    }
    let order: Order = serde_json::from_str(&order)?;
    limit_this_process(&order)?;
    let report = match split(&order.document, &order.out, &order.limits, &order.fonts) {
        Ok(split) => Report::Split(split),
        Err(error) => Report::Error(error),
    };
    serde_json::to_writer(&mut *out, &report)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn limit_this_process(order: &Order) -> io::Result<()> {
    let set = |resource: Resource, limit: u64| {
        // Nobody may raise a limit that is lower already.
        let (_, hard) = resource.get()?;
        let limit = limit.min(hard);
        resource.set(limit, limit)
    };
    // Address space that the program itself takes is not the document's doing, and its own bytes are held beside the work.
    let document = std::fs::metadata(&order.document)?
        .len()
        .min(order.limits.max_bytes);
    let memory = order.memory_limit.saturating_add(document);
    set(Resource::AS, address_space().saturating_add(memory))?;
    set(Resource::CPU, order.cpu_seconds)?;
    set(Resource::CORE, 0)?;
    let largest_drawn = order.limits.max_pixels.saturating_mul(4).saturating_add(1 << 20);
    // Nothing is written that was not held.
    let largest_copy = order.limits.max_bytes.min(order.memory_limit);
    let most_pages = u64::from(order.limits.max_pages);
    set(
        Resource::FSIZE,
        largest_drawn.max(largest_copy).saturating_mul(most_pages),
    )
}

/// Bytes of address space that this process has now; 0 where the system does not say.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}
