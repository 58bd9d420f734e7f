//! A blob on its way into the store.

use super::{BlobError, ByteStream, Inner, LocalBlobs, NamedTempFile, Stored, io};
use bytes::Bytes;
use domain::digest::Sha256;
use futures_util::StreamExt as _;
use sha2::Digest as _;
use std::io::Write as _;
use tokio::io::AsyncWriteExt as _;

/// The largest file that is held in memory until it is written in one step.
pub(super) const HELD: usize = 16 * 1024;

/// All of a stream.
pub(super) enum Received {
    /// In memory.
    Held(Vec<Bytes>),
    /// In a draft, which is neither durable nor named yet.
    Drafted(NamedTempFile, Stored),
}

impl Received {
    /// The draft that has all of it.
    pub(super) fn draft(self, inner: &Inner) -> io::Result<(NamedTempFile, Stored)> {
        match self {
            Self::Drafted(draft, stored) => Ok((draft, stored)),
            Self::Held(pieces) => {
                let (mut draft, mut hasher, mut bytes) = (inner.drafts.file()?, sha2::Sha256::new(), 0);
                for piece in pieces {
                    hasher.update(&piece);
                    draft.write_all(&piece)?;
                    bytes += piece.len() as u64;
                }
                let sha256 = Sha256::from_bytes(hasher.finalize().into());
                Ok((draft, Stored { sha256, bytes }))
            }
        }
    }
}

/// Receives a stream of at most `limit` bytes.
pub(super) async fn receive(
    store: &LocalBlobs,
    mut stream: ByteStream,
    limit: u64,
) -> Result<Received, BlobError> {
    let (mut held, mut bytes) = (Vec::new(), 0);
    while bytes <= HELD as u64 {
        match next(&mut stream, &mut bytes, limit).await? {
            Some(piece) => held.push(piece),
            None => return Ok(Received::Held(held)),
        }
    }
    let draft = store.blocking(|inner| Ok(inner.drafts.file()?)).await?;
    let (file, place) = draft.into_parts();
    let (mut file, mut hasher) = (tokio::fs::File::from_std(file), sha2::Sha256::new());
    for piece in held {
        hasher.update(&piece);
        file.write_all(&piece).await?;
    }
    while let Some(piece) = next(&mut stream, &mut bytes, limit).await? {
        hasher.update(&piece);
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    let draft = NamedTempFile::from_parts(file.into_std().await, place);
    let sha256 = Sha256::from_bytes(hasher.finalize().into());
    Ok(Received::Drafted(draft, Stored { sha256, bytes }))
}

/// The next piece, if with it all `bytes` are within the limit.
async fn next(stream: &mut ByteStream, bytes: &mut u64, limit: u64) -> Result<Option<Bytes>, BlobError> {
    let Some(piece) = stream.next().await.transpose()? else {
        return Ok(None);
    };
    *bytes += piece.len() as u64;
    match *bytes > limit {
        true => Err(BlobError::TooLarge { limit }),
        false => Ok(Some(piece)),
    }
}
