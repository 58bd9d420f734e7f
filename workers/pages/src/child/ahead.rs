//! Children that were started before they were needed.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_os = "linux")]
use super::nursery::Nursery;
use super::{Splitter, Waiting};
use crate::{PageError, Split};

/// Splits as [`Splitter`] does, by children that wait for their document where there are any. Each serves one document
/// and ends, and has the limits that every child has.
pub struct Ahead {
    splitter: Splitter,
    #[cfg(target_os = "linux")]
    nursery: Option<Nursery>,
    most: usize,
    waiting: Mutex<Vec<Waiting>>,
    /// Those that have served and are ending.
    served: Mutex<Vec<Waiting>>,
}

impl Ahead {
    /// With at most `most` children that wait. They are forked where the system can.
    pub fn new(splitter: Splitter, most: usize) -> Self {
        #[cfg(target_os = "linux")]
        let nursery = Some(Nursery::new(splitter.program.clone()));
        Self {
            #[cfg(target_os = "linux")]
            nursery,
            ..Self::loading(splitter, most)
        }
    }

    /// The same by loading the program for each.
    fn loading(splitter: Splitter, most: usize) -> Self {
        Self {
            splitter,
            #[cfg(target_os = "linux")]
            nursery: None,
            most,
            waiting: Mutex::default(),
            served: Mutex::default(),
        }
    }

    /// As [`split`](crate::split), in a child.
    pub fn split(&self, document: &Path, out: &Path) -> Result<Split, PageError> {
        let mut child = match self.take() {
            Some(child) => child,
            None => self.start()?,
        };
        let split = self.splitter.split_by(&mut child, document, out);
        // That its memory is taken back need not be waited for here.
        locked(&self.served).push(child);
        split
    }

    fn start(&self) -> Result<Waiting, PageError> {
        #[cfg(target_os = "linux")]
        if let Some(child) = self.nursery.as_ref().and_then(Nursery::fork) {
            return Ok(child);
        }
        self.splitter.start()
    }

    /// Waits for the children that have served, and starts one for a later document, unless enough wait. One that cannot be
    /// started will be missed by nobody but that document, which tries for itself.
    pub fn prepare(&self) {
        if locked(&self.waiting).len() < self.most
            && let Ok(child) = self.start()
        {
            locked(&self.waiting).push(child);
        }
        let served = std::mem::take(&mut *locked(&self.served));
        drop(served);
    }

    /// A child that waits. That one ended before it saw a document is not the document's fault.
    fn take(&self) -> Option<Waiting> {
        loop {
            let mut child = locked(&self.waiting).pop()?;
            if !child.process.has_ended() {
                return Some(child);
            }
        }
    }
}

fn locked(children: &Mutex<Vec<Waiting>>) -> MutexGuard<'_, Vec<Waiting>> {
    children.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::{Fonts, Limits};
    use std::path::PathBuf;
    use std::time::Duration;

    /// A splitter whose children answer nothing sensible.
    fn ahead(program: &str, most: usize) -> Ahead {
        let splitter = Splitter {
            program: PathBuf::from(program),
            time_limit: Duration::from_secs(60),
            memory_limit: 1 << 30,
            limits: Limits::default(),
            fonts: Fonts::default(),
        };
        Ahead::loading(splitter, most)
    }

    #[test]
    fn no_more_children_wait_than_may_and_each_serves_once() {
        let ahead = ahead("/usr/bin/yes", 2);
        for _ in 0..3 {
            ahead.prepare();
        }
        assert_eq!(locked(&ahead.waiting).len(), 2);
        let (document, out) = (Path::new("document"), Path::new("pages"));
        for left in [1, 0, 0] {
            let refused = ahead.split(document, out).unwrap_err();
            assert_eq!(
                (refused.code(), locked(&ahead.waiting).len()),
                ("splitting_crashed", left)
            );
        }
    }

    #[test]
    fn a_child_that_ended_while_it_waited_is_passed_over() {
        let ahead = ahead("/bin/false", 2);
        ahead.prepare();
        let ended = locked(&ahead.waiting)[0].process.wait();
        assert!(!ended.unwrap().success());
        assert!(ahead.take().is_none());
        ahead.prepare();
        assert_eq!(locked(&ahead.waiting).len(), 1);
    }

    #[test]
    fn what_cannot_be_started_is_told_to_whoever_needs_it() {
        let ahead = ahead("/nowhere/at/all", 2);
        ahead.prepare();
        assert!(locked(&ahead.waiting).is_empty());
        let missing = ahead
            .split(Path::new("document"), Path::new("pages"))
            .unwrap_err();
        assert_eq!(missing.code(), "page_storage");
    }
}
