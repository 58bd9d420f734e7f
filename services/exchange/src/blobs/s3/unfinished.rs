//! Uploads in parts that somebody began and never finished.

use super::{BlobError, S3Blobs, fault::of_service};
use aws_sdk_s3::types::MultipartUpload;
use time::OffsetDateTime;

impl S3Blobs {
    /// Gives up those of this hub's objects that were begun before `before`, by the server's clock. Gives how many.
    pub(super) async fn give_up_begun(&self, before: OffsetDateTime) -> Result<usize, BlobError> {
        let mut given_up = self.give_up_below("sha256/", before).await?;
        if self.uploading.is_some() {
            given_up += self.give_up_below("parts/", before).await?;
        }
        Ok(given_up)
    }

    async fn give_up_below(&self, names: &str, before: OffsetDateTime) -> Result<usize, BlobError> {
        let mut given_up = 0;
        let (mut key, mut upload) = (None, None);
        loop {
            let list = self.client.list_multipart_uploads().bucket(&self.bucket);
            let list = list.prefix(self.key(names));
            let list = list.set_key_marker(key).set_upload_id_marker(upload);
            let begun = list.send().await;
            let begun = begun.map_err(|error| BlobError::Io(of_service(&error)))?;
            for one in begun.uploads() {
                given_up += usize::from(self.give_up(one, before).await?);
            }
            if begun.is_truncated() != Some(true) {
                return Ok(given_up);
            }
            (key, upload) = (begun.next_key_marker, begun.next_upload_id_marker);
        }
    }

    async fn give_up(&self, begun: &MultipartUpload, before: OffsetDateTime) -> Result<bool, BlobError> {
        let (Some(key), Some(upload), Some(at)) = (begun.key(), begun.upload_id(), begun.initiated()) else {
            return Ok(false);
        };
        if at.secs() >= before.unix_timestamp() {
            return Ok(false);
        }
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket);
        let abort = abort.key(key).upload_id(upload).send().await;
        // Another hub may have been first.
        match abort {
            Ok(_) => Ok(true),
            Err(error) if super::is_status(&error, 404) => Ok(false),
            Err(error) => Err(of_service(&error).into()),
        }
    }
}
