//! From a document's file to one file per page.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _};
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::archive::{self, Members};
use crate::decode::{Decoded, TiffPages, decode_image};
use crate::warning::{Warning, Warnings};
use crate::{Fonts, Limits, PageError, RgbPage, format, pdf, tiff};

/// One page as a file: an image of one upright frame, which [`decode`](crate::decode) takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFile {
    /// The page's place in its document, from 1.
    pub number: u32,
    /// Pixels of the upright page.
    pub width: u32,
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// Digest of the file, in lower-case hexadecimal.
    pub sha256: String,
    pub path: PathBuf,
}

/// What a document was split into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    pub pages: Vec<PageFile>,
    /// What is amiss with them, in bounds.
    pub warnings: Vec<Warning>,
}

/// Writes one file per page of the document at `path` into the folder `out_dir`. Fonts that a document lacks are looked for
/// among `fonts`.
///
/// Every page is decoded here, so that what comes out can be decoded. A document of one frame that is
/// upright already is copied as it is; every other page becomes a PNG with the same pixels. After an error
/// none of the files is left.
pub fn split(path: &Path, out_dir: &Path, limits: &Limits, fonts: &Fonts) -> Result<Split, PageError> {
    let mut document = Document::open(path, limits)?;
    let mut folder = PageFolder {
        dir: out_dir,
        limits,
        fonts,
        pages: Vec::new(),
        warnings: Warnings::default(),
    };
    // An archive is read member by member; everything else is held whole.
    let outcome = match document.is_zip()? {
        true => folder.add_members(document.file),
        false => document.read().and_then(|bytes| folder.add_document(bytes)),
    };
    match outcome {
        Ok(()) => Ok(Split {
            warnings: folder.warnings.list(),
            pages: folder.pages,
        }),
        Err(error) => {
            folder.clear();
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

/// The page files written so far.
struct PageFolder<'d> {
    dir: &'d Path,
    limits: &'d Limits,
    fonts: &'d Fonts,
    pages: Vec<PageFile>,
    warnings: Warnings,
}

impl PageFolder<'_> {
    /// Adds the pages of every member of an archive. A member that is an archive itself is refused.
    fn add_members(&mut self, file: File) -> Result<(), PageError> {
        let mut members = Members::of(file, self.limits)?;
        while let Some((name, bytes)) = members.next()? {
            self.add_document(bytes).map_err(|error| match error {
                PageError::TooManyPages { .. } | PageError::Storage { .. } => error,
                other => archive::refused(&name, &other.to_string()),
            })?;
        }
        Ok(())
    }

    fn add_document(&mut self, bytes: Vec<u8>) -> Result<(), PageError> {
        if format::is_pdf(&bytes) {
            let fonts = (self.fonts, &self.warnings.clone());
            return pdf::draw_pages(bytes, self.limits, fonts, |page| self.add(&page, None));
        }
        match format::recognise(&bytes)? {
            ImageFormat::Tiff => self.add_tiff(&bytes),
            format => {
                let decoded = decode_image(&bytes, format, self.limits)?;
                let keep = !decoded.was_turned && !format::may_be_animated(format, &bytes);
                self.add(&decoded.page, keep.then_some((&bytes, format)))
            }
        }
    }

    fn add_tiff(&mut self, bytes: &[u8]) -> Result<(), PageError> {
        let directories = tiff::page_directories(bytes, self.limits.max_pages)?;
        let mut document = TiffPages::new(bytes, self.limits);
        for &directory in &directories {
            let Decoded { page, was_turned } = document.page(directory)?;
            let keep = directories.len() == 1 && !was_turned;
            self.add(&page, keep.then_some((bytes, ImageFormat::Tiff)))?;
        }
        Ok(())
    }

    /// Writes the next page: the document's own bytes where they can stay, a PNG otherwise.
    fn add(&mut self, page: &RgbPage, original: Option<(&[u8], ImageFormat)>) -> Result<(), PageError> {
        let number = self.pages.len() as u32 + 1;
        if number > self.limits.max_pages {
            return Err(PageError::TooManyPages {
                limit: self.limits.max_pages,
            });
        }
        let format = original.map_or(ImageFormat::Png, |(_, format)| format);
        let extension = format.extensions_str().first().copied().unwrap_or("page");
        let path = self.dir.join(format!("page-{number:04}.{extension}"));
        // Listed before it is written: a file that is written by half is cleared too.
        self.pages.push(PageFile {
            number,
            width: page.width,
            height: page.height,
            bytes: 0,
            sha256: String::new(),
            path: path.clone(),
        });
        let written = match original {
            Some((bytes, _)) => std::fs::write(&path, bytes),
            None => write_png(&path, page),
        };
        let (bytes, sha256) = written
            .and_then(|()| digest(&path))
            .map_err(|error| PageError::storage(&path, &error))?;
        if let Some(file) = self.pages.last_mut() {
            (file.bytes, file.sha256) = (bytes, sha256);
        }
        Ok(())
    }

    fn clear(&self) {
        for page in &self.pages {
            // What could not be removed lies in the caller's scratch folder, and goes with it.
            let _ = std::fs::remove_file(&page.path);
        }
    }
}

fn write_png(path: &Path, page: &RgbPage) -> io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    PngEncoder::new_with_quality(file, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&page.pixels, page.width, page.height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((bytes, hex::encode(hasher.finalize())))
}
