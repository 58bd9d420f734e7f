//! Files that others put into the bucket by a link. They lie apart, under a name that nobody takes for a blob, until the hub
//! has read them and stored what it read: so that whoever has a link can change no blob, whatever the server checks.
//!
//! ```text
//! PREFIX/uploads/PLACE/abcd…   what was put there, by the digest that was declared
//! ```

use super::{
    BlobError, Blobs as _, S3Blobs, Stored, is_status, linking::Linking, of_service, reading::PIECE,
    sending::base64_of,
};
use crate::blobs::{UploadLink, verified};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use domain::digest::Sha256;
use futures_util::StreamExt as _;
use std::{io, time::Duration};
use time::OffsetDateTime;

impl UploadLink {
    /// A request that was signed for somebody else, good for `lifetime`.
    pub(super) fn of(signed: &PresignedRequest, lifetime: Duration) -> Self {
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            url: signed.uri().to_owned(),
            headers: signed.headers().map(text).collect(),
            lifetime,
        }
    }
}

impl S3Blobs {
    fn key_of_upload(&self, place: &str, sha256: Sha256) -> String {
        self.key(&format!("uploads/{place}/{sha256}"))
    }

    /// A link at which exactly `what` is put. Digest and length are signed, so that the server takes nothing else.
    pub(super) async fn link_for(
        &self,
        linking: &Linking,
        place: &str,
        what: Stored,
    ) -> Result<UploadLink, BlobError> {
        let lifetime = linking.lifetime();
        let good = PresigningConfig::expires_in(lifetime).map_err(io::Error::other)?;
        let (how, key) = self.encrypted();
        let put = linking
            .client()
            .put_object()
            .bucket(&self.bucket)
            .key(self.key_of_upload(place, what.sha256))
            .set_server_side_encryption(how)
            .set_ssekms_key_id(key)
            .content_length(i64::try_from(what.bytes).map_err(io::Error::other)?)
            .checksum_sha256(base64_of(what.sha256));
        let signed = put.presigned(good).await.map_err(|error| of_service(&error))?;
        Ok(UploadLink::of(&signed, lifetime))
    }

    /// Makes what was put there a blob, while reading it. What is not what was declared is removed.
    pub(super) async fn take_upload(&self, place: &str, what: Stored) -> Result<(), BlobError> {
        let key = self.key_of_upload(place, what.sha256);
        let get = self.client.get_object().bucket(&self.bucket).key(&key);
        let got = get.send().await.map_err(|error| match is_status(&error, 404) {
            true => BlobError::Absent(what.sha256),
            false => BlobError::Io(of_service(&error)),
        })?;
        let taken = match got.content_length().map(u64::try_from) {
            Some(Ok(bytes)) if bytes == what.bytes => {
                let pieces = tokio_util::io::ReaderStream::with_capacity(got.body.into_async_read(), PIECE);
                let pieces = verified(pieces.boxed(), what.sha256, || ());
                self.put(pieces, what.bytes).await.map(drop).map_err(plain)
            }
            _ => Err(BlobError::Damaged(what.sha256)),
        };
        if matches!(taken, Ok(()) | Err(BlobError::Damaged(_))) {
            // If it fails, it is found again as one that nobody finished.
            let delete = self.client.delete_object().bucket(&self.bucket).key(key);
            let _ = delete.send().await;
        }
        taken
    }

    /// Removes what was put before `before`, by the server's clock, and never taken. Gives how many.
    pub(super) async fn give_up_put(&self, before: OffsetDateTime) -> Result<usize, BlobError> {
        let (mut given_up, mut next) = (0, None);
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket);
            let list = list.prefix(self.key("uploads/")).set_continuation_token(next);
            let there = list.send().await;
            let there = there.map_err(|error| BlobError::Io(of_service(&error)))?;
            for object in there.contents() {
                let at = object.last_modified().map(|at| at.secs());
                let Some(key) = object
                    .key()
                    .filter(|_| at.is_some_and(|at| at < before.unix_timestamp()))
                else {
                    continue;
                };
                let delete = self.client.delete_object().bucket(&self.bucket).key(key);
                delete
                    .send()
                    .await
                    .map_err(|error| BlobError::Io(of_service(&error)))?;
                given_up += 1;
            }
            next = there.next_continuation_token;
            if next.is_none() {
                return Ok(given_up);
            }
        }
    }
}

/// The fault of a stream that ended because its bytes were others.
fn plain(error: BlobError) -> BlobError {
    let BlobError::Io(cause) = error else { return error };
    match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(BlobError::Damaged(sha256)) => BlobError::Damaged(*sha256),
        _ => BlobError::Io(cause),
    }
}
