//! How a server of S3 encrypts what it keeps.

use super::S3Blobs;
use aws_sdk_s3::types::ServerSideEncryption;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of the server (`AES256`).
    OwnKeys,
    /// With a key of its key service (`aws:kms`): the named one, or the account's own.
    KeyService(Option<String>),
}

impl S3Blobs {
    /// What every request that stores something says of it.
    pub(super) fn encrypted(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            None => (None, None),
            Some(Encryption::OwnKeys) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::KeyService(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }
}
