//! A blob for somebody who will not check it: hashed on its way, or known not to have changed since it was.

use super::{
    Arc, BlobError, ByteStream, File, Inner, absent_or_io, hash, io,
    reading::Reading,
    seals::{LEAST_BYTES, Seal},
};
use crate::blobs::verified;
use bytes::Bytes;
use domain::digest::Sha256;
use futures_util::{StreamExt as _, stream};
use tokio::task::spawn_blocking;

/// The bytes of a piece that is hashed on its way, by another thread: it has to be worth to ask one.
const HASHED: usize = 256 * 1024;

/// The file of a blob, and what it was when it was opened.
pub(super) struct Whole {
    store: Arc<Inner>,
    sha256: Sha256,
    file: Arc<File>,
    seal: Seal,
    known: Known,
}

/// What is known of a file before any of it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It was found whole, and is as it was then.
    Sealed,
    /// Any change from now on will show: it can be sealed when it is found whole.
    Settled,
    /// Neither.
    Nothing,
}

impl Whole {
    /// Opens the blob's file.
    pub(super) fn open(store: Arc<Inner>, sha256: Sha256) -> Result<Self, BlobError> {
        let file = File::open(store.path_of(sha256)).map_err(|error| absent_or_io(sha256, error))?;
        let seal = Seal::of(&file)?;
        let known = if store.seals.holds(sha256, &seal) {
            Known::Sealed
        } else if seal.bytes() >= LEAST_BYTES
            // Where no file can be made, everything is hashed.
            && store.fresh().is_ok_and(|fresh| seal.tells_changes_after(&fresh))
        {
            Known::Settled
        } else {
            Known::Nothing
        };
        Ok(Self {
            store,
            sha256,
            file: Arc::new(file),
            seal,
            known,
        })
    }

    /// Its bytes; in the place of the last piece comes an error if they are not the blob's.
    pub(super) fn stream(self) -> ByteStream {
        let reading = Reading::of(self.file.clone(), 0..self.seal.bytes());
        match self.known {
            Known::Sealed => self.unless_changed(reading.stream()),
            known => {
                let pieces = reading.in_pieces_of(HASHED).stream();
                let (store, sha256) = (self.store, self.sha256);
                verified(pieces, sha256, move || {
                    let is_still = Seal::of(&self.file).is_ok_and(|now| now == self.seal);
                    if known == Known::Settled && is_still {
                        store.seals.keep(sha256, self.seal);
                    }
                })
            }
        }
    }

    /// The pieces, the last of which comes when all were read and the file is still as it was found whole.
    fn unless_changed(self, pieces: ByteStream) -> ByteStream {
        let state = (pieces, None::<Bytes>, Some(self));
        stream::try_unfold(state, |(mut pieces, mut last, unchecked)| async move {
            let Some(whole) = unchecked else { return Ok(None) };
            while let Some(piece) = pieces.next().await {
                if let Some(before) = last.replace(piece?) {
                    return Ok(Some((before, (pieces, last, Some(whole)))));
                }
            }
            whole.check().await?;
            Ok(last.map(|end| (end, (pieces, None, None))))
        })
        .boxed()
    }

    /// Whether what was read is the blob. A file that was touched on the way, be it that it got another name, is hashed.
    async fn check(&self) -> io::Result<()> {
        if Seal::of(&self.file)? == self.seal {
            return Ok(());
        }
        let file = self.file.try_clone()?;
        let now = spawn_blocking(move || hash(file)).await;
        match now.map_err(io::Error::other)??.sha256 == self.sha256 {
            true => Ok(()),
            false => Err(io::Error::other(BlobError::Damaged(self.sha256))),
        }
    }
}
