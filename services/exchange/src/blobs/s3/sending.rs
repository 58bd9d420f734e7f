//! Blobs on their way into the bucket, whole or in parts.

use super::{
    BlobError, PART, S3Blobs, Stored,
    fault::{is_status, of_service},
};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::digest::Sha256;
use sha2::Digest as _;
use std::{io, path::Path};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

/// S3 takes no more parts of a blob than this.
const MOST_PARTS: u64 = 10_000;
/// An object is there already, or somebody is making it at this moment.
const THERE: [u16; 2] = [412, 409];

/// Moves what is kept in memory to the end of a file in `scratch`, which is made if there is none. It has no name, so
/// that a process that is killed leaves nothing.
pub(super) async fn spill(scratch: &Path, file: &mut Option<File>, kept: &mut Vec<u8>) -> io::Result<()> {
    if file.is_none() {
        *file = Some(File::from_std(tempfile::tempfile_in(scratch)?));
    }
    if let Some(file) = file {
        file.write_all(kept).await?;
        file.flush().await?;
    }
    kept.clear();
    Ok(())
}

impl S3Blobs {
    /// Whether the blob is there with all its bytes.
    pub(super) async fn has(&self, stored: Stored) -> Result<bool, BlobError> {
        use super::Blobs as _;
        Ok(self.size(stored.sha256).await? == Some(stored.bytes))
    }

    /// Sends a small blob in one request.
    pub(super) async fn send_whole(&self, bytes: Vec<u8>, stored: Stored) -> Result<(), BlobError> {
        if self.has(stored).await? {
            return Ok(());
        }
        let (how, key) = self.encrypted();
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key_of(stored.sha256))
            .set_server_side_encryption(how)
            .set_ssekms_key_id(key)
            .if_none_match("*")
            .checksum_sha256(base64_of(stored.sha256))
            .body(ByteStream::from(bytes));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if THERE.iter().any(|status| is_status(&error, *status)) => self.settled(stored).await,
            Err(error) => Err(of_service(&error).into()),
        }
    }

    /// Sends a file, which has been hashed. One that changes meanwhile leaves nothing.
    pub(super) async fn send_file(&self, mut file: File, stored: Stored) -> Result<(), BlobError> {
        file.seek(io::SeekFrom::Start(0)).await?;
        if stored.bytes <= PART as u64 {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).await?;
            if Sha256::of(&bytes) != stored.sha256 {
                return Err(changed());
            }
            return self.send_whole(bytes, stored).await;
        }
        if self.has(stored).await? {
            return Ok(());
        }
        let (key, checked) = (self.key_of(stored.sha256), ChecksumAlgorithm::Sha256);
        let upload = &self.begin_parts(&key, Some(checked)).await?;
        let sent = self.send_parts(file, stored, upload).await;
        if sent.is_err() {
            self.abort(stored.sha256, upload).await;
        }
        sent
    }

    /// Begins an upload in parts, each with a digest of its own if `checked` says of which kind; gives its id.
    pub(super) async fn begin_parts(
        &self,
        key: &str,
        checked: Option<ChecksumAlgorithm>,
    ) -> Result<String, BlobError> {
        let begin = self.client.create_multipart_upload().bucket(&self.bucket);
        let (how, encryption_key) = self.encrypted();
        let begin = begin
            .key(key)
            .set_server_side_encryption(how)
            .set_ssekms_key_id(encryption_key)
            .set_checksum_algorithm(checked);
        let begun = begin
            .send()
            .await
            .map_err(|error| BlobError::Io(of_service(&error)))?;
        let upload = begun
            .upload_id
            .ok_or_else(|| io::Error::other("the server began no upload"))?;
        Ok(upload)
    }

    /// Gives up an upload in parts.
    pub(super) async fn abort(&self, sha256: Sha256, upload: &str) {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket);
        // If it fails, the bucket's own rule removes what is left.
        let _ = abort.key(self.key_of(sha256)).upload_id(upload).send().await;
    }

    async fn send_parts(&self, mut file: File, stored: Stored, upload: &str) -> Result<(), BlobError> {
        let size = stored.bytes.div_ceil(MOST_PARTS).max(PART as u64);
        let (mut hasher, mut parts) = (sha2::Sha256::new(), Vec::new());
        loop {
            let mut bytes = Vec::new();
            (&mut file).take(size).read_to_end(&mut bytes).await?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(&bytes);
            let number = i32::try_from(parts.len() + 1).map_err(io::Error::other)?;
            parts.push(self.send_part(stored.sha256, upload, number, bytes).await?);
        }
        if Sha256::from_bytes(hasher.finalize().into()) != stored.sha256 {
            return Err(changed());
        }
        self.put_together(stored, upload, parts).await
    }

    /// Makes a blob of parts that are there.
    pub(super) async fn put_together(
        &self,
        stored: Stored,
        upload: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<(), BlobError> {
        let complete = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(self.key_of(stored.sha256))
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(of_parts(parts));
        match complete.send().await {
            Ok(_) => self.settled(stored).await,
            Err(error) if THERE.iter().any(|status| is_status(&error, *status)) => {
                self.settled(stored).await?;
                self.abort(stored.sha256, upload).await;
                Ok(())
            }
            Err(error) => Err(of_service(&error).into()),
        }
    }

    async fn send_part(
        &self,
        sha256: Sha256,
        upload: &str,
        number: i32,
        bytes: Vec<u8>,
    ) -> Result<CompletedPart, BlobError> {
        let checksum = base64_of(Sha256::of(&bytes));
        let part = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(self.key_of(sha256))
            .upload_id(upload)
            .part_number(number)
            .checksum_sha256(&checksum)
            .body(ByteStream::from(bytes));
        let sent = part
            .send()
            .await
            .map_err(|error| BlobError::Io(of_service(&error)))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .checksum_sha256(checksum)
            .build())
    }

    /// An object that was there first, or has just been put together, must have all bytes.
    async fn settled(&self, stored: Stored) -> Result<(), BlobError> {
        match self.has(stored).await? {
            true => Ok(()),
            false => Err(io::Error::other("another one is storing the same blob; try again").into()),
        }
    }
}

/// A list of parts.
pub(super) fn of_parts(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts)).build()
}

/// As S3 writes digests.
pub(super) fn base64_of(sha256: Sha256) -> String {
    STANDARD.encode(sha256.as_bytes())
}

fn changed() -> BlobError {
    io::Error::other("the file changed while it was stored").into()
}
