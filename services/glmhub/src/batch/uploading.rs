//! Documents on their way into an open batch: each once, however often it is begun.

use crate::{misuse::Misuse, remote::Remote};
use anyhow::Context as _;
use domain::{digest::Sha256, document::usual_media_type, id::BatchId};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{
    Body, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    multipart::Part,
};
use serde_json::Value;
use sha2::Digest as _;
use std::{
    collections::HashSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use url::form_urlencoded::byte_serialize;

const PIECE: usize = 64 * 1024;

/// A file that is to be a document.
pub struct Source {
    path: PathBuf,
    /// What it is called in the batch.
    name: String,
    bytes: u64,
}

impl Source {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub fn named(path: PathBuf) -> Self {
        Self {
            path,
            name: String::new(),
            bytes: 0,
        }
    }
}

/// The files at `paths`: files as they are named, and all of a folder in the order of their names, but those that are
/// hidden.
pub fn sources(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let there = fs::metadata(path).map_err(|error| Misuse(format!("{}: {error}", path.display())))?;
        match there.is_dir() {
            true => collect(path, &mut sources)?,
            false => sources.push(source(path, there.len())?),
        }
    }
    match sources.is_empty() {
        true => Err(Misuse("there is no file at these paths".into()).into()),
        false => Ok(sources),
    }
}

fn collect(folder: &Path, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>();
    let mut entries = entries.with_context(|| format!("{} cannot be read", folder.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, is_hidden) = (
            entry.path(),
            entry.file_name().as_encoded_bytes().starts_with(b"."),
        );
        let there = fs::metadata(&path)?;
        match (is_hidden, there.is_dir()) {
            (true, _) => {}
            (false, true) => collect(&path, sources)?,
            (false, false) => sources.push(source(&path, there.len())?),
        }
    }
    Ok(())
}

fn source(path: &Path, bytes: u64) -> anyhow::Result<Source> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Misuse(format!("{} has no name in UTF-8", path.display())))?;
    Ok(Source {
        path: path.to_owned(),
        name: name.to_owned(),
        bytes,
    })
}

/// A file as a part of a form.
pub async fn part(source: &Source) -> anyhow::Result<Part> {
    let file = File::open(&source.path).await?;
    let body = Body::wrap_stream(ReaderStream::with_capacity(file, PIECE));
    let part = Part::stream_with_length(body, source.bytes).file_name(source.name.clone());
    Ok(part.mime_str(usual_media_type(&source.name))?)
}

/// A document as it is known again: its name, its digest, and the places of the questions that it is asked, if not all.
type Known = (String, String, Option<Vec<u32>>);

/// Uploads every source that the batch has not yet, with a progress bar on a terminal. `asked` are the places of the questions
/// that each is asked; none for all.
pub async fn upload(
    remote: &Remote,
    batch: BatchId,
    sources: &[Source],
    asked: &[Option<Vec<u32>>],
) -> anyhow::Result<usize> {
    let there = documents(remote, batch).await?;
    let names: HashSet<&str> = there.iter().map(|(name, ..)| name.as_str()).collect();
    let total = sources.iter().map(|source| source.bytes).sum();
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg:.bold} {wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    let mut uploaded = 0;
    for (source, asked) in sources.iter().zip(asked) {
        bar.set_message(source.name.clone());
        let known = names.contains(source.name.as_str())
            && there.contains(&(source.name.clone(), digest(&source.path)?, asked.clone()));
        if !known {
            send(remote, batch, source, asked.as_deref())
                .await
                .with_context(|| format!("{} was not taken", source.path.display()))?;
            uploaded += 1;
        }
        bar.inc(source.bytes);
    }
    bar.finish_and_clear();
    Ok(uploaded)
}

/// The documents that are there.
async fn documents(remote: &Remote, batch: BatchId) -> anyhow::Result<HashSet<Known>> {
    let there = remote.all(&format!("/v1/batches/{batch}/documents")).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let known = |document: &Value| {
        let asked = serde_json::from_value(document["questions"].clone())?;
        Ok((text(&document["name"]), text(&document["sha256"]), asked))
    };
    there.iter().map(known).collect()
}

/// The query that says which questions a document is asked, if not all.
pub fn asking(places: Option<&[u32]>) -> Option<String> {
    let places: Vec<String> = places?.iter().map(u32::to_string).collect();
    Some(format!("questions={}", places.join(",")))
}

fn digest(path: &Path) -> anyhow::Result<String> {
    let mut file = fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut hasher, mut piece) = (sha2::Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256::from_bytes(hasher.finalize().into()).to_string()),
            read => hasher.update(&piece[..read]),
        }
    }
}

async fn send(
    remote: &Remote,
    batch: BatchId,
    source: &Source,
    asked: Option<&[u32]>,
) -> anyhow::Result<Value> {
    let file = File::open(&source.path).await?;
    let body = Body::wrap_stream(ReaderStream::with_capacity(file, PIECE));
    let name: String = byte_serialize(source.name.as_bytes()).collect();
    let asking = asking(asked).map_or_else(String::new, |asking| format!("&{asking}"));
    let path = format!("/v1/batches/{batch}/documents?name={name}{asking}");
    let fill = |request: reqwest::RequestBuilder| {
        request
            .header(CONTENT_TYPE, usual_media_type(&source.name))
            .header(CONTENT_LENGTH, source.bytes)
            .body(body)
    };
    remote.json(Method::POST, &path, fill).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_gone_through_in_order_and_hidden_files_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a/2.pdf", "a/1.PDF", ".hidden"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = sources(&[folder.path().to_owned(), folder.path().join("b.png")]).unwrap();
        let names: Vec<&str> = found.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["1.PDF", "2.pdf", "b.png", "b.png"]);
        let empty = tempfile::tempdir().unwrap();
        for wrong in [empty.path().to_owned(), folder.path().join("absent")] {
            assert!(sources(&[wrong]).err().unwrap().is::<Misuse>());
        }
    }
}
