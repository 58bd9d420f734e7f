//! Where a hub keeps what must last, and what it shares with others: all in one process, or PostgreSQL and Redis
//! between many.

use crate::{clock::SystemClock, config::Settings, data_folder::DataFolder, misuse::Misuse, secrets};
use anyhow::{Context as _, anyhow};
use domain::clock::SharedClock;
use exchange::{
    blobs::{
        Blobs,
        local::LocalBlobs,
        s3::{Keys, S3Blobs, S3Settings},
    },
    queue::{
        Queue,
        embedded::{EmbeddedQueue, EmbeddedSettings},
        redis::{RedisQueue, RedisSettings},
    },
};
use records::Db;
use secrecy::ExposeSecret as _;
use std::{fs, sync::Arc};

/// Whether other processes work on the same records and queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// This process is the hub: it has its workers inside.
    Alone,
    /// Any number of hubs and workers may be at it.
    Many,
}

/// See the module's text.
pub struct Backends {
    pub clock: SharedClock,
    pub db: Db,
    pub blobs: Arc<dyn Blobs>,
    pub queue: Arc<dyn Queue>,
    pub company: Company,
}

impl Backends {
    /// Those of one process: SQLite, a folder, a queue in memory.
    pub async fn embedded(folder: &DataFolder, settings: &Settings) -> anyhow::Result<Self> {
        for (name, inside) in [
            ("records.url", settings.records.in_file()),
            ("queue.url", settings.queue.in_process()),
        ] {
            if !inside {
                return Err(Misuse(format!(
                    "{name} is set, and `glmhub up` shares nothing with others: use `glmhub serve` and `glmhub worker`, \
                     or take {name} out of the settings"
                ))
                .into());
            }
        }
        let clock: SharedClock = Arc::new(SystemClock);
        let queue = EmbeddedQueue::new(
            clock.clone(),
            EmbeddedSettings {
                lease: settings.queue.lease(),
                most_orders: settings.queue.most_orders,
            },
        );
        Ok(Self {
            clock,
            db: folder.records(settings).await?,
            blobs: blobs(folder, settings).await?,
            queue: Arc::new(queue),
            company: Company::Alone,
        })
    }

    /// Those of many processes: PostgreSQL, Redis, and a folder that all of them reach.
    pub async fn shared(folder: &DataFolder, settings: &Settings) -> anyhow::Result<Self> {
        if settings.records.in_file() {
            return Err(Misuse(
                "hubs that are many need one PostgreSQL: set records.url, as postgres://NAME@HOST:5432/DATABASE, or use \
                 `glmhub up` for a hub in one process"
                    .into(),
            )
            .into());
        }
        if settings.webhooks.public_url.is_empty() {
            return Err(Misuse(
                "an event that two hubs send must be the same: set webhooks.public_url, as https://hub.example.com, to the \
                 address under which all hubs are reached"
                    .into(),
            )
            .into());
        }
        let queue = redis(settings).await?;
        Ok(Self {
            clock: Arc::new(SystemClock),
            db: folder.records(settings).await?,
            blobs: blobs(folder, settings).await?,
            queue: Arc::new(queue),
            company: Company::Many,
        })
    }
}

/// The queue of many processes.
pub async fn redis(settings: &Settings) -> anyhow::Result<RedisQueue> {
    let queue = &settings.queue;
    if queue.in_process() {
        return Err(Misuse(
            "hubs and workers that are many meet at one Redis: set queue.url, as redis://NAME@HOST:6379, or use \
             `glmhub up`, which has its workers inside"
                .into(),
        )
        .into());
    }
    let authorities = match queue.authorities_file.as_os_str().is_empty() {
        true => None,
        false => Some(
            fs::read(&queue.authorities_file)
                .with_context(|| format!("queue.authorities_file, {}", queue.authorities_file.display()))?,
        ),
    };
    let connected = RedisQueue::connect(RedisSettings {
        url: queue.url.expose_secret().to_owned(),
        password: secrets::password("queue.password_file", &queue.password_file)?,
        authorities,
        name: queue.name.clone(),
        lease: queue.lease(),
        most_orders: queue.most_orders,
        listening: queue.listening(),
        most_pieces: queue.most_pieces,
    });
    connected
        .await
        .map_err(|error| anyhow!(error).context("Redis, which queue.url names"))
}

/// The store of blobs: a folder, or a bucket.
pub async fn blobs(folder: &DataFolder, settings: &Settings) -> anyhow::Result<Arc<dyn Blobs>> {
    let blobs = &settings.blobs;
    let place = folder.resolve(&blobs.folder);
    if blobs.bucket.is_empty() {
        let opened = LocalBlobs::open(&place);
        return Ok(Arc::new(
            opened.with_context(|| format!("the blobs in {}", place.display()))?,
        ));
    }
    let secret = secrets::password("blobs.secret_key_file", &blobs.secret_key_file)?;
    let opened = S3Blobs::open(S3Settings {
        bucket: blobs.bucket.clone(),
        prefix: blobs.prefix.clone(),
        region: blobs.region.clone(),
        endpoint: Some(blobs.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
        path_style: blobs.path_style,
        keys: secret.map(|secret| Keys {
            access: blobs.access_key.clone(),
            secret,
        }),
        links: blobs.links(),
        uploads: blobs.uploads(),
        encryption: blobs.encryption().map_err(Misuse)?,
        scratch: folder.resolve("scratch".as_ref()),
    });
    Ok(Arc::new(opened.await.context("the scratch folder")?))
}
