//! From a document's file to its pages, one after the other in another file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, Write};
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::archive::{self, Members};
use crate::decode::{Decoded, TiffPages, decode_image};
use crate::warning::{Warning, Warnings};
use crate::{Fonts, Limits, PageError, RgbPage, format, pdf, tiff};

/// One page: an image of one upright frame, which [`decode`](crate::decode) takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPage {
    /// The page's place in its document, from 1.
    pub number: u32,
    /// Pixels of the upright page.
    pub width: u32,
    pub height: u32,
    /// Length of the image.
    pub bytes: u64,
    /// Digest of the image, in lower-case hexadecimal.
    pub sha256: String,
    /// Where the image begins in the file of pages; nowhere, if it is the document itself.
    pub at: Option<u64>,
}

/// What a document was split into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    pub pages: Vec<SplitPage>,
    /// What is amiss with them, in bounds.
    pub warnings: Vec<Warning>,
}

/// Writes the pages of the document at `path` into the file `out`, one after the other. Fonts that a document lacks are
/// looked for among `fonts`.
///
/// Every page is decoded here, so that what comes out can be decoded. A document of one frame that is upright already is
/// its own page, and nothing is written; every other page becomes a PNG with the same pixels, but for upright images in
/// an archive, which are written as they are. There is no file before a page is written, and none after an error.
pub fn split(path: &Path, out: &Path, limits: &Limits, fonts: &Fonts) -> Result<Split, PageError> {
    let mut document = Document::open(path, limits)?;
    let mut pages = Pages {
        out: PagesFile::at(out),
        limits,
        fonts,
        pages: Vec::new(),
        warnings: Warnings::default(),
    };
    // An archive is read member by member; everything else is held whole.
    let outcome = match document.is_zip()? {
        true => pages.add_members(document.file),
        false => document
            .read()
            .and_then(|bytes| pages.add_document(bytes, Kept::AsDocument)),
    };
    match outcome.and_then(|()| pages.out.finish()) {
        Ok(()) => Ok(Split {
            warnings: pages.warnings.list(),
            pages: pages.pages,
        }),
        Err(error) => {
            pages.out.remove();
            Err(error)
        }
    }
}

/// A document as it lies there.
struct Document<'d> {
    path: &'d Path,
    limits: &'d Limits,
    file: File,
    length: u64,
}

impl<'d> Document<'d> {
    fn open(path: &'d Path, limits: &'d Limits) -> Result<Self, PageError> {
        let storage = |error: io::Error| PageError::storage(path, &error);
        let file = File::open(path).map_err(storage)?;
        let length = file.metadata().map_err(storage)?.len();
        limits.check_bytes(length)?;
        Ok(Self {
            path,
            limits,
            file,
            length,
        })
    }

    fn storage(&self, error: io::Error) -> PageError {
        PageError::storage(self.path, &error)
    }

    fn is_zip(&mut self) -> Result<bool, PageError> {
        let mut head = Vec::new();
        let read = Read::by_ref(&mut self.file)
            .take(format::ZIP_HEAD)
            .read_to_end(&mut head);
        read.and_then(|_| self.file.rewind())
            .map_err(|error| self.storage(error))?;
        Ok(format::is_zip(&head))
    }

    /// Its bytes, in as much memory as they take.
    fn read(&self) -> Result<Vec<u8>, PageError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length).unwrap_or_default());
        (&self.file)
            .take(self.limits.max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| self.storage(error))?;
        self.limits.check_bytes(bytes.len() as u64)?;
        Ok(bytes)
    }
}

/// What becomes of an image that can stay as it is.
#[derive(Clone, Copy)]
enum Kept {
    /// It is the document.
    AsDocument,
    /// It is a part of the document and is written.
    AsWritten,
}

/// The pages so far.
struct Pages<'d> {
    out: PagesFile<'d>,
    limits: &'d Limits,
    fonts: &'d Fonts,
    pages: Vec<SplitPage>,
    warnings: Warnings,
}

impl Pages<'_> {
    /// Adds the pages of every member of an archive. A member that is an archive itself is refused.
    fn add_members(&mut self, file: File) -> Result<(), PageError> {
        let mut members = Members::of(file, self.limits)?;
        while let Some((name, bytes)) = members.next()? {
            self.add_document(bytes, Kept::AsWritten)
                .map_err(|error| match error {
                    PageError::TooManyPages { .. } | PageError::Storage { .. } => error,
                    other => archive::refused(&name, &other.to_string()),
                })?;
        }
        Ok(())
    }

    fn add_document(&mut self, bytes: Vec<u8>, kept: Kept) -> Result<(), PageError> {
        if format::is_pdf(&bytes) {
            let fonts = (self.fonts, &self.warnings.clone());
            return pdf::draw_pages(bytes, self.limits, fonts, |page| self.add(&page));
        }
        match format::recognise(&bytes)? {
            ImageFormat::Tiff => self.add_tiff(&bytes, kept),
            format => {
                let decoded = decode_image(&bytes, format, self.limits)?;
                match !decoded.was_turned && !format::may_be_animated(format, &bytes) {
                    true => self.keep(&decoded.page, &bytes, kept),
                    false => self.add(&decoded.page),
                }
            }
        }
    }

    fn add_tiff(&mut self, bytes: &[u8], kept: Kept) -> Result<(), PageError> {
        let directories = tiff::page_directories(bytes, self.limits.max_pages)?;
        let mut document = TiffPages::new(bytes, self.limits);
        for &directory in &directories {
            let Decoded { page, was_turned } = document.page(directory)?;
            match directories.len() == 1 && !was_turned {
                true => self.keep(&page, bytes, kept)?,
                false => self.add(&page)?,
            }
        }
        Ok(())
    }

    /// Adds a page whose image, `bytes`, stays as it is.
    fn keep(&mut self, page: &RgbPage, bytes: &[u8], kept: Kept) -> Result<(), PageError> {
        self.check_number()?;
        let written = match kept {
            Kept::AsDocument => Written {
                at: None,
                bytes: bytes.len() as u64,
                sha256: hex::encode(Sha256::digest(bytes)),
            },
            Kept::AsWritten => self.out.write(|file| file.write_all(bytes))?,
        };
        self.list(page, written);
        Ok(())
    }

    /// Adds a page that is written as a PNG.
    fn add(&mut self, page: &RgbPage) -> Result<(), PageError> {
        self.check_number()?;
        let written = self.out.write(|file| {
            PngEncoder::new_with_quality(file, CompressionType::Fast, FilterType::Adaptive)
                .write_image(&page.pixels, page.width, page.height, ExtendedColorType::Rgb8)
                .map_err(io::Error::other)
        })?;
        self.list(page, written);
        Ok(())
    }

    /// Whether there may be one more page.
    fn check_number(&self) -> Result<(), PageError> {
        let limit = self.limits.max_pages;
        match self.pages.len() < limit as usize {
            true => Ok(()),
            false => Err(PageError::TooManyPages { limit }),
        }
    }

    fn list(&mut self, page: &RgbPage, written: Written) {
        self.pages.push(SplitPage {
            number: self.pages.len() as u32 + 1,
            width: page.width,
            height: page.height,
            bytes: written.bytes,
            sha256: written.sha256,
            at: written.at,
        });
    }
}

/// An image that has its place.
struct Written {
    at: Option<u64>,
    bytes: u64,
    sha256: String,
}

/// The file of pages, from the first page on that is written.
struct PagesFile<'d> {
    path: &'d Path,
    file: Option<BufWriter<File>>,
    end: u64,
}

impl<'d> PagesFile<'d> {
    fn at(path: &'d Path) -> Self {
        Self {
            path,
            file: None,
            end: 0,
        }
    }

    /// Writes one image behind those before it.
    fn write(
        &mut self,
        write: impl FnOnce(&mut Hashing<&mut BufWriter<File>>) -> io::Result<()>,
    ) -> Result<Written, PageError> {
        let storage = |error: io::Error| PageError::storage(self.path, &error);
        let file = match &mut self.file {
            Some(file) => file,
            none @ None => none.insert(BufWriter::new(File::create(self.path).map_err(storage)?)),
        };
        let mut hashing = Hashing {
            inner: file,
            hasher: Sha256::new(),
            bytes: 0,
        };
        write(&mut hashing).map_err(storage)?;
        let at = self.end;
        self.end += hashing.bytes;
        Ok(Written {
            at: Some(at),
            bytes: hashing.bytes,
            sha256: hex::encode(hashing.hasher.finalize()),
        })
    }

    fn finish(&mut self) -> Result<(), PageError> {
        match &mut self.file {
            Some(file) => file
                .flush()
                .map_err(|error| PageError::storage(self.path, &error)),
            None => Ok(()),
        }
    }

    fn remove(self) {
        if self.file.is_some() {
            // What could not be removed lies in the caller's scratch folder, and goes with it.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// Hashes what goes through it.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(piece)?;
        self.hasher.update(&piece[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
