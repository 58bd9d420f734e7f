//! Archives on their way out: a ZIP that is written while it is sent and never held whole.
//!
//! Files are stored as they are: weights hardly get smaller, and a processor that packs them would be the narrowest
//! place. The store finds every blob whole on its way; if one turns out damaged the archive breaks off, so that nobody
//! takes it for whole.

use bytes::Bytes;
use domain::digest::Sha256;
use exchange::blobs::{Blobs, ByteStream};
use futures_util::{StreamExt as _, stream};
use std::{
    io::{self, Write},
    sync::Arc,
};
use tokio::{runtime::Handle, sync::mpsc, task::spawn_blocking};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// How many pieces may wait for the connection.
const AHEAD: usize = 4;
/// The bytes of a piece.
const PIECE: usize = 64 * 1024;

/// What a member of an archive consists of.
#[derive(Debug, Clone)]
pub enum Content {
    /// This text.
    Text(String),
    /// A blob.
    Blob(Sha256),
}

/// A file in an archive.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where it stands, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub content: Content,
}

/// The archive of `members`, in pieces. It ends with an error if a blob is absent or damaged.
pub fn stream(members: Vec<Member>, blobs: Arc<dyn Blobs>) -> ByteStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let runtime = Handle::current();
    spawn_blocking(move || {
        let out = Pieces {
            sender: sender.clone(),
            filled: Vec::with_capacity(PIECE),
        };
        if let Err(error) = write(out, &members, &*blobs, &runtime) {
            tracing::debug!(cause = %error, "an archive broke off");
            // Whoever has left needs no reason.
            let _ = sender.blocking_send(Err(error));
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
    .boxed()
}

fn write(out: Pieces, members: &[Member], blobs: &dyn Blobs, runtime: &Handle) -> io::Result<()> {
    let mut archive = ZipWriter::new_stream(out);
    // Sizes are not known to the format before a file ends, so each must be ready for a large one.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true);
    for member in members {
        archive
            .start_file(&member.path, options)
            .map_err(io::Error::other)?;
        match &member.content {
            Content::Text(text) => archive.write_all(text.as_bytes())?,
            Content::Blob(sha256) => copy(&mut archive, *sha256, blobs, runtime)?,
        }
    }
    archive.finish().map_err(io::Error::other)?.into_inner().flush()
}

fn copy(to: &mut impl Write, sha256: Sha256, blobs: &dyn Blobs, runtime: &Handle) -> io::Result<()> {
    let pieces = runtime.block_on(blobs.get_whole(sha256));
    let mut pieces = pieces.map_err(io::Error::other)?;
    while let Some(piece) = runtime.block_on(pieces.next()) {
        to.write_all(&piece?)?;
    }
    Ok(())
}

/// Gathers what is written into pieces and hands them over; waits while the connection is slow.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    filled: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.filled.len());
        self.filled.extend_from_slice(&bytes[..taken]);
        if self.filled.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.filled, Vec::with_capacity(PIECE));
        self.sender
            .blocking_send(Ok(piece.into()))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests;
