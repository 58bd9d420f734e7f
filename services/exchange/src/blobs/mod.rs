//! Bytes by digest: documents, pages and model artifacts.
//!
//! A blob is named by the SHA-256 of its bytes and never changes. Putting the same bytes twice
//! stores them once.

pub mod in_parts;
pub mod local;
pub mod s3;

#[cfg(test)]
mod contract;

use async_trait::async_trait;
use bytes::Bytes;
use domain::digest::Sha256;
use futures_util::{
    future::{self, BoxFuture, FutureExt as _},
    stream::{self, BoxStream, StreamExt as _, TryStreamExt as _},
};
use in_parts::TakesParts;
use sha2::Digest as _;
use std::{io, ops::Range, path::Path, time::Duration};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::io::ReaderStream;

/// Bytes on their way in or out, in pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Comes to its end when bytes are durable, or cannot be stored.
pub type Settling = BoxFuture<'static, Result<(), BlobError>>;

/// How many files are stored at once: each waits for the disk, or for the bucket.
const AT_ONCE: usize = 16;

/// What was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The name of the bytes.
    pub sha256: Sha256,
    /// How many there are.
    pub bytes: u64,
}

/// What those are told who read a blob by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The media type.
    pub media_type: String,
    /// What to do with it: a value of `Content-Disposition`.
    pub disposition: String,
}

/// How somebody without a key of ours puts a file into the store, with PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadLink {
    /// Where.
    pub url: String,
    /// What must be sent along.
    pub headers: Vec<(String, String)>,
    /// How long it is good.
    pub lifetime: Duration,
}

/// Why bytes could not be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {0}")]
    Absent(Sha256),
    /// The stream had more bytes than allowed; nothing was kept.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The stored bytes do not have the digest that names them.
    #[error("blob {0} is damaged: its bytes have another digest")]
    Damaged(Sha256),
    /// The store, or the stream that was to be stored, failed.
    #[error("the blob store failed: {0}")]
    Io(#[from] std::io::Error),
}

/// See the module's text.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a stream of at most `limit` bytes, hashing it on the way. When this returns, the bytes are
    /// durable. If the stream fails or is too long, nothing is left behind.
    async fn put(&self, stream: ByteStream, limit: u64) -> Result<Stored, BlobError>;
    /// As [`Blobs::put`], and places the bytes at `copy` for reading, whose folder is there. They are durable, and others find
    /// them, when what is given besides has come to its end, which it does whether or not somebody waits for it.
    async fn put_placed(
        &self,
        stream: ByteStream,
        limit: u64,
        copy: &Path,
    ) -> Result<(Stored, Settling), BlobError> {
        let stored = self.put(stream, limit).await?;
        self.fetch(stored.sha256, copy).await?;
        Ok((stored, future::ready(Ok(())).boxed()))
    }
    /// Stores a file of this machine. The file is copied, never linked: whoever edits it later does not reach the blob.
    async fn put_file(&self, file: &Path) -> Result<Stored, BlobError>;
    /// Stores parts of such a file, each as a blob of its own, in less time than one after the other. Gives what was
    /// stored, in their order. A part that the file does not have whole is an error.
    async fn put_parts(&self, file: &Path, parts: &[Range<u64>]) -> Result<Vec<Stored>, BlobError> {
        let bytes = tokio::fs::metadata(file).await?.len();
        if parts.iter().any(|part| part.end > bytes) {
            return Err(cut_short(file));
        }
        let put = async |part: &Range<u64>| {
            let length = part.end.saturating_sub(part.start);
            let mut file = tokio::fs::File::open(file).await?;
            file.seek(io::SeekFrom::Start(part.start)).await?;
            self.put(ReaderStream::new(file.take(length)).boxed(), length)
                .await
        };
        let stores: Vec<_> = parts.iter().map(put).collect();
        stream::iter(stores).buffered(AT_ONCE).try_collect().await
    }
    /// The bytes of a blob, in pieces. They are not checked on the way; see [`read`], [`Blobs::get_whole`] and
    /// [`Blobs::fetch`].
    async fn get(&self, sha256: Sha256) -> Result<ByteStream, BlobError> {
        self.get_from(sha256, 0).await
    }
    /// The bytes of a blob from the one at `start` on; none if it has no more than `start`.
    async fn get_from(&self, sha256: Sha256, start: u64) -> Result<ByteStream, BlobError> {
        self.get_part(sha256, start..u64::MAX).await
    }
    /// Those bytes of a blob, or as many of them as it has. No others are read.
    async fn get_part(&self, sha256: Sha256, part: Range<u64>) -> Result<ByteStream, BlobError>;
    /// The bytes of a blob for somebody who will not check them: in the place of the last piece comes an error, if they are
    /// not the blob's. They are hashed on the way, or known not to have changed since they were.
    async fn get_whole(&self, sha256: Sha256) -> Result<ByteStream, BlobError> {
        Ok(verified(self.get(sha256).await?, sha256, || ()))
    }
    /// The size of a blob in bytes, or nothing if it is absent.
    async fn size(&self, sha256: Sha256) -> Result<Option<u64>, BlobError>;
    /// An address under which anybody reads a blob for a while, without a word to us, where the store gives out such
    /// ones. Whether there is such a blob is not asked.
    async fn link(&self, _sha256: Sha256, _told: &Linked) -> Result<Option<String>, BlobError> {
        Ok(None)
    }
    /// An address under which anybody puts exactly `what` for a while, where the store gives out such ones. It lies apart,
    /// under `place`, until it is [taken in](Blobs::take_in).
    async fn upload_link(&self, _place: &str, _what: Stored) -> Result<Option<UploadLink>, BlobError> {
        Ok(None)
    }
    /// Makes what was put under `place` by a link a blob, once, if it is `what`. [`BlobError::Absent`] if nothing was put
    /// there; [`BlobError::Damaged`] if it is something else, which is removed.
    async fn take_in(&self, _place: &str, what: Stored) -> Result<(), BlobError> {
        Err(BlobError::Absent(what.sha256))
    }
    /// Where others put files in parts, if the store lets them.
    fn in_parts(&self) -> Option<Box<dyn TakesParts>> {
        None
    }
    /// Places a blob at `to` for reading (linked or copied, parents made) after checking its bytes
    /// against its name.
    async fn fetch(&self, sha256: Sha256, to: &Path) -> Result<(), BlobError>;
    /// Removes a blob. One that is absent is no error.
    async fn delete(&self, sha256: Sha256) -> Result<(), BlobError>;
    /// Removes what was begun before `before` and never finished, by a process that was killed for instance, where the
    /// store keeps such things. Gives how many.
    async fn give_up_unfinished(&self, before: OffsetDateTime) -> Result<usize, BlobError>;
    /// Whether the store can be written now.
    async fn ping(&self) -> Result<(), BlobError>;
}

/// All bytes of a blob of at most `limit` bytes, checked against its name.
pub async fn read(blobs: &dyn Blobs, sha256: Sha256, limit: u64) -> Result<Vec<u8>, BlobError> {
    let mut stream = blobs.get(sha256).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(BlobError::TooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    if Sha256::of(&bytes) == sha256 {
        Ok(bytes)
    } else {
        Err(BlobError::Damaged(sha256))
    }
}

/// The pieces of the blob `sha256`: in the place of the last piece comes an error, if the bytes have another digest, and if
/// they have this one, `when_whole` is called before. A piece is hashed while the one before it is sent and the next is read.
fn verified(pieces: ByteStream, sha256: Sha256, when_whole: impl FnOnce() + Send + 'static) -> ByteStream {
    let state = (pieces, Hashing::begun(), None::<Bytes>, Some(when_whole));
    stream::try_unfold(
        state,
        move |(mut pieces, mut hashing, mut last, when_whole)| async move {
            let Some(tell) = when_whole else { return Ok(None) };
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                hashing = hashing.with(piece.clone()).await?;
                if let Some(before) = last.replace(piece) {
                    return Ok(Some((before, (pieces, hashing, last, Some(tell)))));
                }
            }
            if hashing.digest().await? != sha256 {
                return Err(std::io::Error::other(BlobError::Damaged(sha256)));
            }
            tell();
            Ok(last.map(|end| (end, (pieces, Hashing::begun(), None, None))))
        },
    )
    .boxed()
}

/// A digest in the making, on a thread for such work.
enum Hashing {
    Done(sha2::Sha256),
    Going(JoinHandle<sha2::Sha256>),
}

impl Hashing {
    /// Of nothing yet.
    fn begun() -> Self {
        Self::Done(sha2::Sha256::new())
    }

    /// Goes on with a piece when all before it are done.
    async fn with(self, piece: Bytes) -> std::io::Result<Self> {
        let mut hasher = self.done().await?;
        let going = spawn_blocking(move || {
            hasher.update(&piece);
            hasher
        });
        Ok(Self::Going(going))
    }

    async fn done(self) -> std::io::Result<sha2::Sha256> {
        match self {
            Self::Done(hasher) => Ok(hasher),
            Self::Going(going) => going.await.map_err(std::io::Error::other),
        }
    }

    /// Of all pieces.
    async fn digest(self) -> std::io::Result<Sha256> {
        Ok(Sha256::from_bytes(self.done().await?.finalize().into()))
    }
}

/// A file ended before a part of it that was to be stored.
fn cut_short(file: &Path) -> BlobError {
    let what = format!("{} ended early", file.display());
    io::Error::new(io::ErrorKind::UnexpectedEof, what).into()
}

/// `bytes` as a stream of one piece, for [`Blobs::put`].
pub fn one_piece(bytes: impl Into<Bytes>) -> ByteStream {
    stream::once(std::future::ready(Ok(bytes.into()))).boxed()
}
