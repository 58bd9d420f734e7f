//! Files that were found in the blobs and removed before what has their bytes could be stored.
//!
//! It happens where the last thing with the same bytes is deleted at that moment, and for a while after it, until they are
//! stored again. Nobody could know before.

use exchange::blobs::{BlobError, Blobs};
use records::{Db, RecordsError, deleting::files};

/// Why it is not known whether they are there again.
#[derive(Debug, thiserror::Error)]
pub enum RemovedError {
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The blobs failed; [`BlobError::Absent`], if a file is not there.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// Whether what was not stored can be stored now: its files were removed, and are there again.
pub async fn are_back<T>(
    db: &Db,
    blobs: &dyn Blobs,
    stored: &Result<T, RecordsError>,
) -> Result<bool, RemovedError> {
    let Err(RecordsError::Removed(removed)) = stored else {
        return Ok(false);
    };
    for file in removed {
        if blobs.size(*file).await?.is_none() {
            return Err(BlobError::Absent(*file).into());
        }
    }
    files::stored_again(db, removed).await?;
    Ok(true)
}
