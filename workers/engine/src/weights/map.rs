//! A file as bytes, without reading it.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps the whole file for reading.
#[expect(unsafe_code, reason = "a mapping is only as constant as its file")]
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is private to the loader, which copies what it needs and drops it. Model files are not
    // written while they are loaded; blobs are immutable, and whoever truncates a model's file by hand ends
    // the process with a bus error rather than corrupting it.
    unsafe { Mmap::map(&file) }
}
