//! Files that others put into the store in parts, by links. They lie apart until they are kept: whoever has a link can
//! change no blob.
//!
//! Parts are put under an upload of the store's own, which a link names. When they are joined that upload is over, and with
//! it every link to it. So what was read afterwards is what is kept.

use super::{BlobError, Stored, UploadLink};
use async_trait::async_trait;
use domain::{digest::Sha256, model_upload::Part};
use std::path::Path;

/// A file that is put in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InParts {
    /// Whose place it lies in.
    pub place: String,
    /// What it was declared to be.
    pub what: Stored,
    /// How the store calls the upload of its parts.
    pub id: String,
}

/// A store that takes files in parts. Of files with the same bytes a place has one.
#[async_trait]
pub trait TakesParts: Send + Sync {
    /// Begins a file of these bytes in a place; gives how the store calls it.
    async fn begin(&self, place: &str, sha256: Sha256) -> Result<String, BlobError>;
    /// A link at which exactly a part is put.
    async fn link(&self, file: &InParts, part: Part) -> Result<UploadLink, BlobError>;
    /// The parts that are there, in their order.
    async fn parts(&self, file: &InParts) -> Result<Vec<Part>, BlobError>;
    /// Makes one object of `parts`, which are all; gives whether they were there as they should be. It may have been done
    /// before.
    async fn join(&self, file: &InParts, parts: &[Part]) -> Result<bool, BlobError>;
    /// Reads a joined file, hashing it, and leaves its first `most` bytes in a file at `to` that is as long as the whole.
    /// Gives the state of it, for [`TakesParts::keep`]. [`BlobError::Damaged`]: it is not what was declared.
    async fn read(&self, place: &str, what: Stored, to: &Path, most: u64) -> Result<String, BlobError>;
    /// Makes a blob of a joined file that was read in this state. It may have been done before.
    async fn keep(&self, place: &str, what: Stored, state: &str) -> Result<(), BlobError>;
    /// Removes a file, with its parts if they are not joined yet and `id` says how they are called.
    async fn give_up(&self, place: &str, sha256: Sha256, id: Option<&str>) -> Result<(), BlobError>;
}
