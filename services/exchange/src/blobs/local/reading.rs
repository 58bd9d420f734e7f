//! A part of a file, piece by piece: in bounded memory, and as fast as the system and the reader go.
//!
//! What the system has in memory already is read at once, which takes no longer than copying it; only for what has to
//! come from the disk another thread waits. A piece whose reader is done with it is the room for another one.

use super::{Arc, ByteStream, File, Path, io};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use rustix::{
    fs::{Advice, CWD, Mode, OFlags, ResolveFlags, fadvise, openat2},
    io::{ReadWriteFlags, preadv2},
};
use std::{io::IoSliceMut, ops::Range, os::unix::fs::FileExt as _};
use tokio::task::{spawn_blocking, yield_now};

/// The bytes of a piece. It stays in the processor's memory from one copy to the next, and with a head it is less than the
/// 128 KiB for which the server keeps its room.
const PIECE: usize = 96 * 1024;

/// After how many bytes others on the same thread have their turn: a fraction of a millisecond.
const TURN: u64 = 1 << 20;

/// How many pieces that were given are remembered: as many as a reader may hold at once, if it hashes one while it sends
/// another one.
const REMEMBERED: usize = 4;

/// See the module's text.
pub(super) struct Reading {
    file: Arc<File>,
    piece: usize,
    part: Range<u64>,
    given: Vec<Bytes>,
    /// How many bytes were given without a pause.
    in_turn: u64,
}

impl Reading {
    /// Of `part` of `file`, or as much of it as there is.
    pub(super) fn of(file: Arc<File>, part: Range<u64>) -> Self {
        let there = file.metadata().map_or(u64::MAX, |file| file.len());
        Self {
            file,
            piece: PIECE,
            part: part.start..part.end.min(there),
            given: Vec::new(),
            in_turn: 0,
        }
    }

    /// In pieces of `piece` bytes.
    pub(super) fn in_pieces_of(self, piece: usize) -> Self {
        Self { piece, ..self }
    }

    /// All of it.
    pub(super) fn stream(self) -> ByteStream {
        let left = self.part.end.saturating_sub(self.part.start);
        if left > self.piece as u64 {
            // Advice only: what the system does not take does no harm.
            let _ = fadvise(&self.file, self.part.start, None, Advice::Sequential);
        }
        let next = |mut reading: Self| async move {
            let piece = reading.next().await?;
            Ok(piece.map(|piece| (piece, reading)))
        };
        stream::try_unfold(self, next).boxed()
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let left = self.part.end.saturating_sub(self.part.start);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece);
        if wanted == 0 {
            return Ok(None);
        }
        if self.in_turn >= TURN {
            self.in_turn = 0;
            yield_now().await;
        }
        let mut room = self.room(wanted);
        let mut there = [IoSliceMut::new(&mut room[..wanted])];
        // An error here is either that it has to come from the disk, or comes again when it is waited for.
        let read = match preadv2(&self.file, &mut there, self.part.start, ReadWriteFlags::NOWAIT) {
            Ok(read) => read,
            Err(_) => {
                let (file, start) = (self.file.clone(), self.part.start);
                let waiting = spawn_blocking(move || {
                    let read = read_at(&file, &mut room[..wanted], start)?;
                    Ok::<_, io::Error>((room, read))
                });
                let read;
                (room, read) = waiting.await.map_err(io::Error::other)??;
                read
            }
        };
        if read == 0 {
            return Ok(None);
        }
        self.part.start += read as u64;
        self.in_turn += read as u64;
        let whole = room.freeze();
        let piece = whole.slice(..read);
        self.given.push(whole);
        Ok(Some(piece))
    }

    /// Room for a piece of `wanted` bytes, which is never more than for the one before: that of the last one with which its reader
    /// is done, or new.
    fn room(&mut self, wanted: usize) -> BytesMut {
        let free = self.given.iter().rposition(Bytes::is_unique);
        let free = free.map(|place| self.given.swap_remove(place));
        if self.given.len() == REMEMBERED {
            self.given.remove(0);
        }
        match free.map(Bytes::try_into_mut) {
            Some(Ok(room)) => room,
            _ => BytesMut::zeroed(wanted),
        }
    }
}

/// Opens a file whose names the system has in memory, so that nothing waits for the disk; none if that cannot be said.
pub(super) fn open_at_once(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    opened.ok().map(File::from)
}

fn read_at(file: &File, room: &mut [u8], start: u64) -> io::Result<usize> {
    loop {
        match file.read_at(room, start) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
