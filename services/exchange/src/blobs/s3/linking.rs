//! Links: addresses that say in themselves who allowed reading an object, and until when.

use super::{BlobError, Linked, of_service};
use aws_sdk_s3::{Client, presigning::PresigningConfig};
use std::{io, time::Duration};

/// How links are made.
pub struct Links {
    /// How long each is good. One that is made with passing credentials ends with them, if that is sooner.
    pub lifetime: Duration,
    /// The server, as those reach it who are given links, if it has another address for them.
    pub endpoint: Option<String>,
}

/// Makes links. Nobody is asked for that.
#[derive(Clone)]
pub(super) struct Linking {
    client: Client,
    lifetime: Duration,
}

impl Linking {
    /// Links at the server of `client`.
    pub fn new(client: Client, lifetime: Duration) -> Self {
        Self { client, lifetime }
    }

    /// Who makes them.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How long each is good.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// An address of an object, which is told of as `told` says.
    pub async fn link(&self, bucket: &str, key: &str, told: &Linked) -> Result<String, BlobError> {
        let good = PresigningConfig::expires_in(self.lifetime).map_err(io::Error::other)?;
        let get = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .response_content_type(&told.media_type)
            .response_content_disposition(&told.disposition)
            .response_cache_control("private, no-store");
        let signed = get.presigned(good).await.map_err(|error| of_service(&error))?;
        Ok(signed.uri().to_owned())
    }
}
