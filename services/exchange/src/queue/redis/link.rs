//! Connections: one that all commands share, and one for each reader that waits.

use super::{QueueError, RedisSettings};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo as _, Pipeline,
    RedisError, RedisFuture, ScriptInvocation, TlsCertificates, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long a command may take. A server that is silent for longer counts as gone, and the caller tries again.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a command that found the connection broken tries to connect anew, and how long it pauses between.
const RETRIES: usize = 3;
/// How long a reader pauses whose stream or group is not there.
const GONE_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A connection of any kind.
#[derive(Clone)]
enum Link {
    Managed(ConnectionManager),
    Plain(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Managed(link) => link.req_packed_command(cmd),
            Self::Plain(link) => link.req_packed_command(cmd),
            Self::Cluster(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Managed(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Plain(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Cluster(link) => link.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Managed(link) => link.get_db(),
            Self::Plain(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

/// What makes connections that may wait.
enum Source {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Source {
    async fn connect(&self) -> Result<Link, RedisError> {
        match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(super::SLICE + COMMAND_TIMEOUT));
                let link = client.get_multiplexed_async_connection_with_config(&config);
                link.await.map(Link::Plain)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}

/// What a waiting reader reads.
pub(super) struct Waiting<'a> {
    pub(super) streams: &'a [String],
    pub(super) group: &'a str,
    pub(super) reader: &'a str,
    pub(super) most: usize,
}

/// What a reader gets.
pub(super) struct Entry {
    pub(super) stream: String,
    pub(super) id: String,
    /// The value of its first field.
    pub(super) body: String,
    /// Names and values of the others.
    pub(super) more: Vec<String>,
}

/// The reply of XREADGROUP and XREAD: for each stream its entries, each with its fields.
type Read = Vec<(String, Vec<(String, Vec<String>)>)>;

/// See the module's text.
pub(super) struct Links {
    shared: Link,
    source: Source,
    /// Connections that readers have done with and others may wait on.
    free: Mutex<Vec<Link>>,
}

impl Links {
    pub(super) async fn connect(settings: &RedisSettings) -> Result<Self, QueueError> {
        let urls: Vec<&str> = settings.url.split(',').map(str::trim).collect();
        let (shared, source) = match urls.as_slice() {
            [url] => one(url, settings).await,
            urls => cluster(urls, settings).await,
        }
        .map_err(unreachable)?;
        Ok(Self {
            shared,
            source,
            free: Mutex::default(),
        })
    }

    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        let mut link = self.shared.clone();
        script.invoke_async(&mut link).await.map_err(unreachable)
    }

    pub(super) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, QueueError> {
        let mut link = self.shared.clone();
        cmd.query_async(&mut link).await.map_err(unreachable)
    }

    /// Sends all commands at once, and waits until all are answered.
    pub(super) async fn query_all(&self, commands: &Pipeline) -> Result<(), QueueError> {
        let mut link = self.shared.clone();
        commands.exec_async(&mut link).await.map_err(unreachable)
    }

    /// Up to `most` entries of each stream, waiting up to `wait` for the first. A group that is not there, or goes away
    /// meanwhile, has none: whoever makes it lets entries come.
    pub(super) async fn wait_for(&self, read: Waiting<'_>, wait: Duration) -> Result<Vec<Entry>, QueueError> {
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(read.group).arg(read.reader);
        cmd.arg("COUNT").arg(read.most);
        cmd.arg("BLOCK").arg(block(wait));
        cmd.arg("STREAMS").arg(read.streams);
        read.streams.iter().for_each(|_| {
            cmd.arg(">");
        });
        self.wait_on(&cmd).await
    }

    /// Entries after the entry `after`, waiting up to `wait` for the first.
    pub(super) async fn read_after(
        &self,
        stream: &str,
        after: &str,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Entry>, QueueError> {
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(most).arg("BLOCK").arg(block(wait));
        cmd.arg("STREAMS").arg(stream).arg(after);
        self.wait_on(&cmd).await
    }

    async fn wait_on(&self, cmd: &Cmd) -> Result<Vec<Entry>, QueueError> {
        let free = self.free().pop();
        // If this future is dropped while it waits, the connection goes with it, and its wait on the server too.
        let mut link = match free {
            Some(link) => link,
            None => self.source.connect().await.map_err(unreachable)?,
        };
        match cmd.query_async::<Option<Read>>(&mut link).await {
            Ok(streams) => {
                self.free().push(link);
                Ok(streams.into_iter().flatten().flat_map(entries).collect())
            }
            Err(error) if is_gone(&error) => {
                self.free().push(link);
                tokio::time::sleep(GONE_PAUSE).await;
                Ok(Vec::new())
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries of one stream of a reply.
fn entries((stream, entries): (String, Vec<(String, Vec<String>)>)) -> impl Iterator<Item = Entry> {
    entries.into_iter().filter_map(move |(id, fields)| {
        let mut fields = fields.into_iter();
        Some(Entry {
            stream: stream.clone(),
            id,
            body: fields.nth(1)?,
            more: fields.collect(),
        })
    })
}

async fn one(url: &str, settings: &RedisSettings) -> Result<(Link, Source), RedisError> {
    let mut server = url.into_connection_info()?;
    if let Some(password) = &settings.password {
        let with_password = server.redis_settings().clone().set_password(password);
        server = server.set_redis_settings(with_password);
    }
    let client = match certificates(settings) {
        None => Client::open(server)?,
        Some(certificates) => Client::build_with_tls(server, certificates)?,
    };
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(COMMAND_TIMEOUT))
        .set_number_of_retries(RETRIES)
        .set_max_delay(LONGEST_PAUSE);
    let shared = ConnectionManager::new_with_config(client.clone(), config).await?;
    Ok((Link::Managed(shared), Source::One(Box::new(client))))
}

async fn cluster(urls: &[&str], settings: &RedisSettings) -> Result<(Link, Source), RedisError> {
    let client = |response| {
        let mut builder = ClusterClient::builder(urls.iter().copied())
            .connection_timeout(CONNECT_TIMEOUT)
            .response_timeout(response);
        if let Some(password) = &settings.password {
            builder = builder.password(password);
        }
        if let Some(certificates) = certificates(settings) {
            builder = builder.certs(certificates);
        }
        builder.build()
    };
    let shared = client(COMMAND_TIMEOUT)?.get_async_connection().await?;
    let source = Source::Cluster(Box::new(client(super::SLICE + COMMAND_TIMEOUT)?));
    Ok((Link::Cluster(shared), source))
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    let authorities = settings.authorities.clone()?;
    Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    })
}

/// A wait in Redis's words. 0 would be for ever.
fn block(wait: Duration) -> u64 {
    wait.as_millis().max(1) as u64
}

/// Whether the stream or its group is not there, or was removed under a waiting reader.
fn is_gone(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
}

/// The message names the server's reason, never its URL with the password in it.
fn unreachable(error: RedisError) -> QueueError {
    if error.kind() == ErrorKind::InvalidClientConfig {
        return QueueError::Unreachable(
            "its URL or its authorities cannot be read: a URL looks like redis://USER:PASSWORD@HOST:PORT, or rediss:// for \
             TLS, and authorities are certificates in PEM"
                .into(),
        );
    }
    QueueError::Unreachable(error.to_string())
}
