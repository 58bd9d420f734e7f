//! The section `[blobs]`. What each setting means stands in `config.default.toml`.

use exchange::blobs::s3::{Encryption, Links};
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};

/// The longest that S3 lets a link be good, in seconds.
const LONGEST_LINK: u64 = 7 * 24 * 60 * 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobsSettings {
    pub folder: PathBuf,
    pub bucket: String,
    pub prefix: String,
    pub region: String,
    pub endpoint: String,
    pub path_style: bool,
    pub access_key: String,
    pub secret_key_file: PathBuf,
    pub encryption: String,
    pub encryption_key: String,
    pub unfinished_hours: u32,
    pub link_seconds: u64,
    pub upload_link_seconds: u64,
    pub link_endpoint: String,
}

impl BlobsSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.access_key.is_empty() != self.secret_key_file.as_os_str().is_empty() {
            return Err(
                "blobs.access_key and blobs.secret_key_file go together; without both the machine says who asks".into(),
            );
        }
        for (name, seconds) in [
            ("link_seconds", self.link_seconds),
            ("upload_link_seconds", self.upload_link_seconds),
        ] {
            if seconds > LONGEST_LINK {
                return Err(format!(
                    "blobs.{name} is at most {LONGEST_LINK}, which is seven days"
                ));
            }
            if seconds > 0 && self.bucket.is_empty() {
                return Err(format!(
                    "blobs.{name} needs blobs.bucket: only a bucket gives out links"
                ));
            }
        }
        if self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            return Err("blobs.prefix neither begins nor ends with a slash".into());
        }
        self.encryption().map(drop)
    }

    /// How old an upload is that nobody finishes any more.
    pub fn unfinished(&self) -> time::Duration {
        time::Duration::hours(self.unfinished_hours.into())
    }

    /// How links to objects are made, if they are wanted.
    pub fn links(&self) -> Option<Links> {
        self.links_for(self.link_seconds)
    }

    /// How links are made by which others put documents into the bucket, if they are wanted.
    pub fn uploads(&self) -> Option<Links> {
        self.links_for(self.upload_link_seconds)
    }

    fn links_for(&self, seconds: u64) -> Option<Links> {
        (seconds > 0).then(|| Links {
            lifetime: Duration::from_secs(seconds),
            endpoint: Some(self.link_endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
        })
    }

    /// How a server of S3 encrypts what it keeps.
    pub fn encryption(&self) -> Result<Option<Encryption>, String> {
        let key = Some(self.encryption_key.clone()).filter(|key| !key.is_empty());
        match (self.encryption.as_str(), key) {
            ("", None) => Ok(None),
            ("AES256", None) => Ok(Some(Encryption::OwnKeys)),
            ("aws:kms", key) => Ok(Some(Encryption::KeyService(key))),
            (_, Some(_)) => Err("blobs.encryption_key needs \"aws:kms\" as blobs.encryption".into()),
            (other, None) => Err(format!(
                "blobs.encryption is \"AES256\", \"aws:kms\" or empty, not {other:?}"
            )),
        }
    }
}
