//! From a document in the blobs to pages in the blobs, by way of a child process.

use domain::digest::Sha256;
use exchange::blobs::{BlobError, Blobs};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pages::{PageError, PageFile, child::Splitter};
use records::documents::NewPage;
use std::{io, path::PathBuf, sync::Arc};
use tokio::sync::Semaphore;

/// How many pages of a document are stored at once.
const AT_ONCE: usize = 16;

/// Why a document gave no pages.
#[derive(Debug, thiserror::Error)]
pub enum SplitFault {
    /// The document is at fault.
    #[error(transparent)]
    Document(PageError),
    /// We are, or the machine is: trying again may help.
    #[error("splitting failed through no fault of the document")]
    Ours(#[source] anyhow::Error),
}

impl From<io::Error> for SplitFault {
    fn from(error: io::Error) -> Self {
        SplitFault::Ours(error.into())
    }
}

impl From<BlobError> for SplitFault {
    fn from(error: BlobError) -> Self {
        SplitFault::Ours(error.into())
    }
}

impl From<PageError> for SplitFault {
    fn from(error: PageError) -> Self {
        if error.is_documents_fault() {
            SplitFault::Document(error)
        } else {
            SplitFault::Ours(error.into())
        }
    }
}

/// Splits documents, a bounded number at once.
pub struct Splitting {
    splitter: Splitter,
    blobs: Arc<dyn Blobs>,
    scratch: PathBuf,
    permits: Semaphore,
}

impl Splitting {
    /// `scratch` is a folder of this process alone; what an earlier one left there is removed. At most
    /// `processes` children run at once.
    pub fn open(
        splitter: Splitter,
        blobs: Arc<dyn Blobs>,
        scratch: PathBuf,
        processes: usize,
    ) -> io::Result<Self> {
        match std::fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&scratch)?,
        }
        Ok(Self {
            splitter,
            blobs,
            scratch,
            permits: Semaphore::new(processes.max(1)),
        })
    }

    /// The pages of the document `sha256`, in their order. When this returns, their bytes are durable.
    pub async fn split(&self, sha256: Sha256) -> Result<Vec<NewPage>, SplitFault> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| SplitFault::Ours(closed.into()))?;
        let folder = tempfile::tempdir_in(&self.scratch)?;
        let (document, out) = (folder.path().join("document"), folder.path().join("pages"));
        tokio::fs::create_dir(&out).await?;
        self.blobs.fetch(sha256, &document).await?;
        let splitter = self.splitter.clone();
        let files = tokio::task::spawn_blocking(move || splitter.split(&document, &out))
            .await
            .map_err(|panicked| SplitFault::Ours(panicked.into()))??;
        let store = |file: PageFile| async move {
            let blob = self.blobs.put_file(&file.path).await?;
            Ok(NewPage {
                number: file.number,
                sha256: blob.sha256,
                bytes: blob.bytes,
                width: file.width,
                height: file.height,
            })
        };
        // Each waits for the disk, or for the bucket: together they wait hardly longer than one.
        stream::iter(files.into_iter().map(store))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}
