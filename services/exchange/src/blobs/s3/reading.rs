//! Reading objects, taken up again where it broke off.

use super::{BlobError, ByteStream, S3Blobs, WHOLE, is_status, of_service};
use domain::digest::Sha256;
use futures_util::StreamExt as _;
use sha2::Digest as _;
use std::{io, ops::Range};
use tokio::io::AsyncWriteExt as _;

/// How many bytes are read at once.
pub(super) const PIECE: usize = 256 * 1024;
/// How often reading a blob is taken up again in all.
const RESUMPTIONS: usize = 8;

impl S3Blobs {
    /// The bytes of a part of an object, which has one at its start, and how many these are. They are or shall be those of
    /// `sha256`.
    pub(super) async fn part(
        &self,
        key: &str,
        sha256: Sha256,
        part: Range<u64>,
    ) -> Result<(ByteStream, u64), BlobError> {
        let mut get = self.client.get_object().bucket(&self.bucket).key(key);
        if part != WHOLE {
            get = get.range(match part.end {
                u64::MAX => format!("bytes={}-", part.start),
                end => format!("bytes={}-{}", part.start, end.saturating_sub(1)),
            });
        }
        let got = get.send().await.map_err(|error| match is_status(&error, 404) {
            true => BlobError::Absent(sha256),
            false => BlobError::Io(of_service(&error)),
        })?;
        let bytes = u64::try_from(got.content_length().unwrap_or(0)).unwrap_or(0);
        let pieces = tokio_util::io::ReaderStream::with_capacity(got.body.into_async_read(), PIECE);
        Ok((pieces.boxed(), bytes))
    }

    /// Writes the first `most` bytes of an object into `file`, and reads the others, taking it up again where it broke
    /// off; gives the digest of all.
    pub(super) async fn download(
        &self,
        key: &str,
        sha256: Sha256,
        file: &mut tokio::fs::File,
        most: u64,
    ) -> Result<Sha256, BlobError> {
        let (mut hasher, mut done, mut broken) = (sha2::Sha256::new(), 0u64, 0);
        loop {
            let (mut pieces, rest) = self.part(key, sha256, done..u64::MAX).await?;
            let end = done + rest;
            let mut fault = None;
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => {
                        hasher.update(&piece);
                        let wanted = usize::try_from(most.saturating_sub(done)).unwrap_or(usize::MAX);
                        file.write_all(&piece[..piece.len().min(wanted)]).await?;
                        done += piece.len() as u64;
                    }
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
            }
            if fault.is_none() && done >= end {
                return Ok(Sha256::from_bytes(hasher.finalize().into()));
            }
            broken += 1;
            if broken > RESUMPTIONS {
                let cause = fault.unwrap_or_else(|| io::Error::other("the server sends less than it says"));
                return Err(cause.into());
            }
        }
    }
}
