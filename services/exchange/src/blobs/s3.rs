//! Blobs in a bucket of S3, or of a server that speaks like it.
//!
//! ```text
//! PREFIX/sha256/ab/abcd…   one object per blob, named by its digest
//! PREFIX/probe             written when somebody asks whether the store can be
//! PREFIX/uploads/…         put there by others, until the hub has read it (`s3/uploading.rs`)
//! PREFIX/parts/…           put there by others in parts, until the hub has read it (`s3/in_parts.rs`)
//! ```
//!
//! A blob's name is known only when all its bytes were seen. So a stream is kept here first, in memory while it is small
//! and in a file without a name beyond, hashed on the way, and then sent under its name: an object that can be seen is whole. The digest
//! of what is sent goes along and the server refuses bytes that do not have it. An object that is there stays
//! (`If-None-Match: *`): who comes second has nothing to do.
//!
//! Large blobs go in parts. What a killed process left unfinished takes space until a hub gives it up, or the bucket's
//! own rule does (`AbortIncompleteMultipartUpload`); no reader ever sees it.
//!
//! Where links are wanted, who may read an object is given an address that S3 itself answers for a while (`s3/linking.rs`).
//!
//! Reading is taken up again where it broke off. Requests are repeated by the client where that is safe.

use super::{
    BlobError, Blobs, ByteStream, Linked, Stored, UploadLink,
    in_parts::TakesParts,
    local::{hash, read_only, sync_folder},
};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client, Config,
    config::{
        Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
    primitives,
};
use domain::digest::Sha256;
use futures_util::StreamExt as _;
use sha2::Digest as _;
use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt as _;

mod asker;
mod encryption;
mod fault;
mod in_parts;
mod linking;
mod reading;
mod sending;
mod unfinished;
mod uploading;

pub use asker::Keys;
pub use encryption::Encryption;
use fault::{is_status, of_service};
use in_parts::Parted;
use linking::Linking;
pub use linking::Links;

/// What is sent in one request, and the size of most parts: the least that S3 takes as a part is 5 MiB.
const PART: usize = 8 * 1024 * 1024;
/// How often a request is tried.
const TRIES: u32 = 4;
/// The pause before the second try, which doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The part that is all of a blob.
const WHOLE: Range<u64> = 0..u64::MAX;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Where the bucket is.
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with, without a slash at its end; may be empty.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// A server that is not AWS, such as `https://s3.internal:9000`.
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path (`HOST/BUCKET/…`) and not of the host's name.
    pub path_style: bool,
    /// Who asks. If nothing is said here, whoever this machine says: see [`asker`].
    pub keys: Option<Keys>,
    /// How links are made; none are, if nothing is said here.
    pub links: Option<Links>,
    /// How links are made by which others put files into the bucket; none are, if nothing is said here.
    pub uploads: Option<Links>,
    /// How the server encrypts what it keeps; as the bucket says if nothing is said here.
    pub encryption: Option<Encryption>,
    /// A folder for what is on its way.
    pub scratch: PathBuf,
}

/// See the module's text. Cheap to clone.
#[derive(Clone)]
pub struct S3Blobs {
    client: Client,
    linking: Option<Linking>,
    uploading: Option<Linking>,
    bucket: String,
    prefix: String,
    encryption: Option<Encryption>,
    scratch: PathBuf,
}

impl S3Blobs {
    /// Makes a store; nobody is asked yet.
    pub async fn open(settings: S3Settings) -> io::Result<Self> {
        fs::create_dir_all(&settings.scratch)?;
        let asker = asker::of(&settings).await;
        let client = |endpoint: Option<&str>| {
            Client::from_conf(Self::config(&settings, endpoint, asker.clone()).build())
        };
        let linking = |links: &Links| {
            let endpoint = links.endpoint.as_deref().or(settings.endpoint.as_deref());
            Linking::new(client(endpoint), links.lifetime)
        };
        Ok(Self {
            client: client(settings.endpoint.as_deref()),
            linking: settings.links.as_ref().map(linking),
            uploading: settings.uploads.as_ref().map(linking),
            bucket: settings.bucket,
            prefix: settings.prefix,
            encryption: settings.encryption,
            scratch: settings.scratch,
        })
    }

    fn config(settings: &S3Settings, endpoint: Option<&str>, asker: SharedCredentialsProvider) -> Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .build();
        let mut config = Config::builder()
            .region(Region::new(settings.region.clone()))
            .credentials_provider(asker)
            .force_path_style(settings.path_style)
            // Digests are given by hand, so that servers need not know the newest ones.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(TRIES)
                    .with_initial_backoff(FIRST_PAUSE),
            )
            .timeout_config(timeouts);
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        config
    }

    fn key(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    fn key_of(&self, sha256: Sha256) -> String {
        let name = sha256.to_string();
        self.key(&format!("sha256/{}/{name}", &name[..2]))
    }
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, mut stream: ByteStream, limit: u64) -> Result<Stored, BlobError> {
        let (mut hasher, mut bytes, mut kept) = (sha2::Sha256::new(), 0u64, Vec::new());
        let mut file = None;
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            bytes += piece.len() as u64;
            if bytes > limit {
                return Err(BlobError::TooLarge { limit });
            }
            hasher.update(&piece);
            kept.extend_from_slice(&piece);
            if kept.len() > PART {
                sending::spill(&self.scratch, &mut file, &mut kept).await?;
            }
        }
        let stored = Stored {
            sha256: Sha256::from_bytes(hasher.finalize().into()),
            bytes,
        };
        match file {
            None => self.send_whole(kept, stored).await?,
            Some(_) => {
                sending::spill(&self.scratch, &mut file, &mut kept).await?;
                if let Some(file) = file {
                    self.send_file(file, stored).await?;
                }
            }
        }
        Ok(stored)
    }

    async fn put_file(&self, file: &Path) -> Result<Stored, BlobError> {
        let place = file.to_owned();
        let hashed = tokio::task::spawn_blocking(move || hash(fs::File::open(place)?)).await;
        let stored = hashed.map_err(io::Error::other)??;
        self.send_file(tokio::fs::File::open(file).await?, stored).await?;
        Ok(stored)
    }

    async fn get_part(&self, sha256: Sha256, part: Range<u64>) -> Result<ByteStream, BlobError> {
        // A server refuses what has no byte.
        if part != WHOLE
            && let Some(bytes) = self.size(sha256).await?
            && (part.start >= bytes || part.is_empty())
        {
            return Ok(futures_util::stream::empty().boxed());
        }
        Ok(self.part(&self.key_of(sha256), sha256, part).await?.0)
    }

    async fn size(&self, sha256: Sha256) -> Result<Option<u64>, BlobError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.key_of(sha256));
        match head.send().await {
            Ok(there) => Ok(Some(
                u64::try_from(there.content_length().unwrap_or(0)).unwrap_or(0),
            )),
            Err(error) if is_status(&error, 404) => Ok(None),
            Err(error) => Err(of_service(&error).into()),
        }
    }

    async fn link(&self, sha256: Sha256, told: &Linked) -> Result<Option<String>, BlobError> {
        match &self.linking {
            Some(linking) => linking
                .link(&self.bucket, &self.key_of(sha256), told)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    async fn upload_link(&self, place: &str, what: Stored) -> Result<Option<UploadLink>, BlobError> {
        match &self.uploading {
            Some(linking) => self.link_for(linking, place, what).await.map(Some),
            None => Ok(None),
        }
    }

    async fn take_in(&self, place: &str, what: Stored) -> Result<(), BlobError> {
        match &self.uploading {
            Some(_) => self.take_upload(place, what).await,
            None => Err(BlobError::Absent(what.sha256)),
        }
    }

    fn in_parts(&self) -> Option<Box<dyn TakesParts>> {
        let linking = self.uploading.clone()?;
        Some(Box::new(Parted::new(self.clone(), linking)))
    }

    async fn fetch(&self, sha256: Sha256, to: &Path) -> Result<(), BlobError> {
        let folder = to
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_owned();
        // Asked first, so that an absent blob leaves no folder.
        if self.size(sha256).await?.is_none() {
            return Err(BlobError::Absent(sha256));
        }
        fs::create_dir_all(&folder)?;
        let (file, draft) = tempfile::Builder::new()
            .prefix(".fetch-")
            .permissions(read_only())
            .tempfile_in(&folder)?
            .into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let key = self.key_of(sha256);
        if self.download(&key, sha256, &mut file, u64::MAX).await? != sha256 {
            return Err(BlobError::Damaged(sha256));
        }
        file.flush().await?;
        file.sync_all().await?;
        draft.persist(to).map_err(|error| error.error)?;
        Ok(sync_folder(&folder)?)
    }

    async fn delete(&self, sha256: Sha256) -> Result<(), BlobError> {
        let delete = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.key_of(sha256));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_status(&error, 404) => Ok(()),
            Err(error) => Err(of_service(&error).into()),
        }
    }

    async fn give_up_unfinished(&self, before: OffsetDateTime) -> Result<usize, BlobError> {
        let begun = self.give_up_begun(before).await?;
        let put = match &self.uploading {
            Some(_) => self.give_up_put(before).await?,
            None => 0,
        };
        Ok(begun + put)
    }

    async fn ping(&self) -> Result<(), BlobError> {
        let (how, key) = self.encrypted();
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key("probe"))
            .set_server_side_encryption(how)
            .set_ssekms_key_id(key);
        let put = put.body(primitives::ByteStream::from_static(b"probe"));
        put.send()
            .await
            .map(drop)
            .map_err(|error| of_service(&error).into())
    }
}

#[cfg(test)]
mod in_parts_tests;
#[cfg(test)]
mod named;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;
