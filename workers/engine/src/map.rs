//! A file as bytes, without reading it, and memory beside it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, MmapMut};

/// Maps the whole file for reading.
#[expect(unsafe_code, reason = "a mapping is only as constant as its file")]
pub fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is private to the engine, which only reads it. Model files are not
    // written while they are in use; blobs are immutable, and whoever truncates a model's file by hand ends
    // the process with a bus error rather than corrupting it.
    unsafe { Mmap::map(&file) }
}

/// Memory of zeros, in large pages where the system has them: reading goes on past the end of a small one with a pause.
pub fn anonymous(bytes: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(bytes)?;
    #[cfg(target_os = "linux")]
    if let Err(error) = memory.advise(memmap2::Advice::HugePage) {
        tracing::debug!(%error, "memory is not in large pages");
    }
    Ok(memory)
}

/// Lets the system take back the memory of a part of a map; the file is read again where it is needed again.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the advice drops pages")]
pub fn release(map: &Mmap, part: Range<usize>) {
    use memmap2::UncheckedAdvice;
    // SAFETY: the map is of a file and only read, so a page that was dropped comes back with the same bytes.
    let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, part.start, part.len()) };
    if let Err(error) = advised {
        tracing::debug!(%error, "file pages were not released");
    }
}

#[cfg(not(unix))]
pub fn release(_map: &Mmap, _part: Range<usize>) {}
