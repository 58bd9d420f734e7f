//! From a document in the blobs to pages in the blobs, by way of a child process.

use domain::{digest::Sha256, document::Warning};
use exchange::blobs::{BlobError, Blobs, Stored};
use pages::{
    PageError, SplitPage,
    child::{Ahead, Splitter},
};
use records::documents::NewPage;
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

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

/// What a document was split into.
#[derive(Debug, Clone)]
pub struct SplitDocument {
    /// Its pages, in their order.
    pub pages: Vec<NewPage>,
    /// What is amiss with them.
    pub warnings: Vec<Warning>,
}

/// A folder for one document that is split, gone when this is dropped.
pub struct SplitFolder(TempDir);

impl SplitFolder {
    /// Where the document is to be.
    pub fn document(&self) -> PathBuf {
        self.0.path().join("document")
    }

    fn pages(&self) -> PathBuf {
        self.0.path().join("pages")
    }
}

/// The pages of a document in a file, for as long as this is kept.
struct Drawn<'a> {
    whole: Stored,
    pages: Vec<SplitPage>,
    warnings: Vec<Warning>,
    folder: SplitFolder,
    _permit: SemaphorePermit<'a>,
}

/// Where a page is in the file of pages, if it is there.
fn part_of(page: &SplitPage) -> Option<Range<u64>> {
    page.at.map(|at| at..at.saturating_add(page.bytes))
}

/// A child in which a document has taken over may shorten its file of pages until it ends.
fn unwritten(error: BlobError) -> SplitFault {
    match error {
        BlobError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => PageError::Crashed {
            reason: "its process took back pages that it had written".to_owned(),
        }
        .into(),
        other => other.into(),
    }
}

fn warning(warning: &pages::Warning) -> Warning {
    Warning {
        code: warning.code().to_owned(),
        message: warning.to_string(),
    }
}

/// Splits documents, a bounded number at once.
pub struct Splitting {
    children: Arc<Ahead>,
    blobs: Arc<dyn Blobs>,
    scratch: PathBuf,
    permits: Semaphore,
}

impl Splitting {
    /// Where pages go.
    pub fn blobs(&self) -> &dyn Blobs {
        self.blobs.as_ref()
    }

    /// `scratch` is a folder of this process alone; what an earlier one left there is removed. At most
    /// `processes` children run at once, and as many more wait for a document.
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
        let processes = processes.max(1);
        Ok(Self {
            children: Arc::new(Ahead::new(splitter, processes)),
            blobs,
            scratch,
            permits: Semaphore::new(processes),
        })
    }

    /// A folder of this process alone for what is on its way, emptied at the next start.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The document `sha256`, split. When this returns, the bytes of its pages are durable.
    pub async fn split(&self, sha256: Sha256) -> Result<SplitDocument, SplitFault> {
        self.kept(self.draw(&*self.blobs, sha256).await?).await
    }

    /// As [`Splitting::split`], of a document that is placed in a [folder](Splitting::folder). A page that is the document
    /// itself is as durable as that.
    pub async fn split_placed(
        &self,
        folder: SplitFolder,
        document: Stored,
    ) -> Result<SplitDocument, SplitFault> {
        let permit = self.permit().await?;
        self.kept(self.draw_in(folder, document, permit).await?).await
    }

    /// A place for a document that is to be split.
    pub fn folder(&self) -> io::Result<SplitFolder> {
        self.throwaway().map(SplitFolder)
    }

    async fn kept(&self, drawn: Drawn<'_>) -> Result<SplitDocument, SplitFault> {
        Ok(SplitDocument {
            pages: self.store(&drawn).await?,
            warnings: drawn.warnings,
        })
    }

    /// How many pages the document `sha256` of `blobs` gives, and what is amiss with them. Nothing of them is kept.
    pub async fn count(&self, blobs: &dyn Blobs, sha256: Sha256) -> Result<(u32, Vec<Warning>), SplitFault> {
        let drawn = self.draw(blobs, sha256).await?;
        let pages = u32::try_from(drawn.pages.len()).unwrap_or(u32::MAX);
        Ok((pages, drawn.warnings))
    }

    /// A folder for a document of which nothing is kept: it is gone when it is dropped.
    pub fn throwaway(&self) -> io::Result<TempDir> {
        tempfile::tempdir_in(&self.scratch)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, SplitFault> {
        let permit = self.permits.acquire().await;
        permit.map_err(|closed| SplitFault::Ours(closed.into()))
    }

    async fn draw(&self, blobs: &dyn Blobs, sha256: Sha256) -> Result<Drawn<'_>, SplitFault> {
        let (permit, folder) = (self.permit().await?, self.folder()?);
        let document = folder.document();
        blobs.fetch(sha256, &document).await?;
        let bytes = tokio::fs::metadata(&document).await?.len();
        self.draw_in(folder, Stored { sha256, bytes }, permit).await
    }

    async fn draw_in<'a>(
        &self,
        folder: SplitFolder,
        whole: Stored,
        permit: SemaphorePermit<'a>,
    ) -> Result<Drawn<'a>, SplitFault> {
        let (children, document, out) = (self.children.clone(), folder.document(), folder.pages());
        let split = tokio::task::spawn_blocking(move || children.split(&document, &out))
            .await
            .map_err(|panicked| SplitFault::Ours(panicked.into()))??;
        let children = self.children.clone();
        tokio::task::spawn_blocking(move || children.prepare());
        Ok(Drawn {
            whole,
            pages: split.pages,
            warnings: split.warnings.iter().map(warning).collect(),
            folder,
            _permit: permit,
        })
    }

    /// Stores a document's pages. A page that is the document itself is stored already: the child says so, and its word
    /// names nothing but bytes that were hashed here.
    async fn store(&self, drawn: &Drawn<'_>) -> Result<Vec<NewPage>, SplitFault> {
        let parts: Vec<_> = drawn.pages.iter().filter_map(part_of).collect();
        let mut stored = match parts.as_slice() {
            [] => Vec::new(),
            parts => self
                .blobs
                .put_parts(&drawn.folder.pages(), parts)
                .await
                .map_err(unwritten)?,
        }
        .into_iter();
        let mut pages = Vec::with_capacity(drawn.pages.len());
        for page in &drawn.pages {
            let blob = match page.at {
                None => Some(drawn.whole),
                Some(_) => stored.next(),
            };
            let blob = blob.ok_or_else(|| io::Error::other("a page was not stored"))?;
            pages.push(NewPage {
                number: page.number,
                sha256: blob.sha256,
                bytes: blob.bytes,
                width: page.width,
                height: page.height,
            });
        }
        Ok(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_taken_back_are_the_documents_fault_and_a_full_disk_is_ours() {
        let taken_back = unwritten(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        assert!(matches!(
            taken_back,
            SplitFault::Document(PageError::Crashed { .. })
        ));
        let full = unwritten(io::Error::from(io::ErrorKind::StorageFull).into());
        assert!(matches!(full, SplitFault::Ours(_)));
    }
}
