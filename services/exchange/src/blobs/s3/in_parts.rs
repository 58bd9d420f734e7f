//! Files that others put into the bucket in parts.
//!
//! ```text
//! PREFIX/parts/PLACE/abcd…   what was put there, by the digest that was declared
//! ```
//!
//! A kept file is copied within the bucket, in parts again, and only in the state that was read.

use super::{
    BlobError, S3Blobs, Stored, UploadLink, is_status, linking::Linking, of_service, sending::of_parts,
};
use crate::blobs::in_parts::{InParts, TakesParts};
use async_trait::async_trait;
use aws_sdk_s3::{presigning::PresigningConfig, types::CompletedPart};
use domain::{
    digest::Sha256,
    model_upload::{Part, part_bytes, parts},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{io, path::Path};
use tokio::{fs::File, io::AsyncWriteExt as _};

/// What a prefix may have that stands for itself in no URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// How much is copied in one request: as much as a server copies before its silence is too long.
const COPY: u64 = 128 << 20;
/// How many of these are sent at once.
const COPIES: usize = 8;

/// The bucket as a store that takes files in parts.
pub(super) struct Parted {
    pub(super) store: S3Blobs,
    pub(super) linking: Linking,
    /// How much is copied in one request: [`COPY`], but in tests.
    pub(super) copied_at_once: u64,
}

impl Parted {
    /// The bucket of `store`, to which links are made by `linking`.
    pub(super) fn new(store: S3Blobs, linking: Linking) -> Self {
        Self {
            store,
            linking,
            copied_at_once: COPY,
        }
    }

    fn key(&self, place: &str, sha256: Sha256) -> String {
        self.store.key(&format!("parts/{place}/{sha256}"))
    }

    fn key_of(&self, file: &InParts) -> String {
        self.key(&file.place, file.what.sha256)
    }

    /// The size and state of an object, if it is there.
    async fn joined(&self, key: &str) -> Result<Option<(u64, String)>, BlobError> {
        let head = self.store.client.head_object().bucket(&self.store.bucket);
        match head.key(key).send().await {
            Ok(there) => {
                let bytes = u64::try_from(there.content_length().unwrap_or(0)).unwrap_or(0);
                Ok(Some((bytes, there.e_tag().unwrap_or_default().to_owned())))
            }
            Err(error) if is_status(&error, 404) => Ok(None),
            Err(error) => Err(of_service(&error).into()),
        }
    }

    /// The parts that are there, each with the mark that joining it takes.
    async fn there(&self, file: &InParts) -> Result<Vec<(Part, CompletedPart)>, BlobError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let list = self.store.client.list_parts().bucket(&self.store.bucket);
            let list = list.key(self.key_of(file)).upload_id(&file.id);
            let listed = match list.set_part_number_marker(after).send().await {
                Ok(listed) => listed,
                // It is joined, or was given up.
                Err(error) if is_status(&error, 404) => return Ok(Vec::new()),
                Err(error) => return Err(of_service(&error).into()),
            };
            for part in listed.parts() {
                let (Some(number), Some(bytes)) = (part.part_number(), part.size()) else {
                    continue;
                };
                let mark = CompletedPart::builder().part_number(number);
                let mark = mark.set_e_tag(part.e_tag().map(str::to_owned)).build();
                let number = u32::try_from(number).map_err(io::Error::other)?;
                let bytes = u64::try_from(bytes).map_err(io::Error::other)?;
                found.push((Part { number, bytes }, mark));
            }
            after = listed.next_part_number_marker;
            if listed.is_truncated != Some(true) || after.is_none() {
                found.sort_by_key(|(part, _)| part.number);
                return Ok(found);
            }
        }
    }

    async fn copy_parts(&self, from: &str, state: &str, what: Stored, id: &str) -> Result<(), BlobError> {
        let source = format!("{}/{}", self.store.bucket, utf8_percent_encode(from, ESCAPED));
        let part_bytes = part_bytes(what.bytes, self.copied_at_once);
        let all = parts(what.bytes, part_bytes);
        // S3 takes no range of a small object.
        let is_whole = all.len() == 1;
        let copies = all.into_iter().map(|part| {
            let start = u64::from(part.number - 1) * part_bytes;
            let range = (!is_whole).then(|| format!("bytes={start}-{}", start + part.bytes - 1));
            self.copy_part((&source, state, range), what.sha256, id, part.number)
        });
        let copies: Vec<_> = copies.collect();
        let copied = stream::iter(copies).buffered(COPIES).try_collect().await?;
        self.store.put_together(what, id, copied).await
    }

    async fn copy_part(
        &self,
        (source, state, range): (&str, &str, Option<String>),
        sha256: Sha256,
        id: &str,
        number: u32,
    ) -> Result<CompletedPart, BlobError> {
        let number = i32::try_from(number).map_err(io::Error::other)?;
        let copy = self.store.client.upload_part_copy().bucket(&self.store.bucket);
        let copy = copy.key(self.store.key_of(sha256)).upload_id(id);
        let copy = copy.copy_source(source).copy_source_if_match(state);
        let sent = copy.set_copy_source_range(range).part_number(number).send();
        let sent = sent.await.map_err(|error| BlobError::Io(of_service(&error)))?;
        let mark = sent.copy_part_result().and_then(|done| done.e_tag());
        let done = CompletedPart::builder().part_number(number);
        Ok(done.set_e_tag(mark.map(str::to_owned)).build())
    }
}

#[async_trait]
impl TakesParts for Parted {
    async fn begin(&self, place: &str, sha256: Sha256) -> Result<String, BlobError> {
        self.store.begin_parts(&self.key(place, sha256), None).await
    }

    async fn link(&self, file: &InParts, part: Part) -> Result<UploadLink, BlobError> {
        let lifetime = self.linking.lifetime();
        let good = PresigningConfig::expires_in(lifetime).map_err(io::Error::other)?;
        let put = self
            .linking
            .client()
            .upload_part()
            .bucket(&self.store.bucket)
            .key(self.key_of(file))
            .upload_id(&file.id)
            .part_number(i32::try_from(part.number).map_err(io::Error::other)?)
            .content_length(i64::try_from(part.bytes).map_err(io::Error::other)?);
        let signed = put.presigned(good).await.map_err(|error| of_service(&error))?;
        Ok(UploadLink::of(&signed, lifetime))
    }

    async fn parts(&self, file: &InParts) -> Result<Vec<Part>, BlobError> {
        let there = self.there(file).await?;
        Ok(there.into_iter().map(|(part, _)| part).collect())
    }

    async fn join(&self, file: &InParts, parts: &[Part]) -> Result<bool, BlobError> {
        let key = self.key_of(file);
        if self.joined(&key).await?.is_some() {
            return Ok(true);
        }
        let (there, marks): (Vec<_>, Vec<_>) = self.there(file).await?.into_iter().unzip();
        if there != parts {
            return Ok(false);
        }
        let complete = self.store.client.complete_multipart_upload();
        let complete = complete.bucket(&self.store.bucket).key(key).upload_id(&file.id);
        match complete.multipart_upload(of_parts(marks)).send().await {
            Ok(_) => Ok(true),
            // Another hub was first.
            Err(error) if is_status(&error, 404) => Ok(self.joined(&self.key_of(file)).await?.is_some()),
            Err(error) => Err(of_service(&error).into()),
        }
    }

    async fn read(&self, place: &str, what: Stored, to: &Path, most: u64) -> Result<String, BlobError> {
        let key = self.key(place, what.sha256);
        let there = self.joined(&key).await?;
        let (bytes, state) = there.ok_or(BlobError::Absent(what.sha256))?;
        if bytes != what.bytes {
            return Err(BlobError::Damaged(what.sha256));
        }
        let mut file = File::create(to).await?;
        if self.store.download(&key, what.sha256, &mut file, most).await? != what.sha256 {
            return Err(BlobError::Damaged(what.sha256));
        }
        file.flush().await?;
        file.set_len(what.bytes).await?;
        Ok(state)
    }

    async fn keep(&self, place: &str, what: Stored, state: &str) -> Result<(), BlobError> {
        if self.store.has(what).await? {
            return Ok(());
        }
        let id = self
            .store
            .begin_parts(&self.store.key_of(what.sha256), None)
            .await?;
        let from = self.key(place, what.sha256);
        let copied = self.copy_parts(&from, state, what, &id).await;
        if copied.is_err() {
            self.store.abort(what.sha256, &id).await;
        }
        copied
    }

    async fn give_up(&self, place: &str, sha256: Sha256, id: Option<&str>) -> Result<(), BlobError> {
        let key = self.key(place, sha256);
        if let Some(id) = id {
            let abort = self.store.client.abort_multipart_upload();
            let abort = abort.bucket(&self.store.bucket).key(&key).upload_id(id);
            match abort.send().await {
                Ok(_) => {}
                Err(error) if is_status(&error, 404) => {}
                Err(error) => return Err(of_service(&error).into()),
            }
        }
        let delete = self.store.client.delete_object().bucket(&self.store.bucket);
        match delete.key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_status(&error, 404) => Ok(()),
            Err(error) => Err(of_service(&error).into()),
        }
    }
}
