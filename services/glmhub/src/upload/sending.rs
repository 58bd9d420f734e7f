//! Parts of files on their way to the links that a hub gives out, several at once.

use crate::{
    import::{
        layout::{FoundFile, changed},
        storing::bar,
    },
    remote::Remote,
};
use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use indicatif::ProgressBar;
use reqwest::{
    Body, Client,
    header::{CONTENT_LENGTH, HOST},
};
use serde::Deserialize;
use std::{collections::BTreeMap, io::SeekFrom, time::Duration};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use tokio_util::io::{InspectReader, ReaderStream};
use url::form_urlencoded::byte_serialize;

/// How many bytes are read at once.
const PIECE: usize = 256 * 1024;
/// How many links are asked for at once for each part that is put at once: they are good for a while only.
const LINKS: usize = 4;
/// The most links that a hub gives at once.
const MOST_LINKS: usize = 100;
/// How often nothing may come of a portion of parts.
const TRIES: u32 = 6;
/// The pause after the first of these, which doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a part may take, beside what its bytes take on the slowest line, in bytes a second.
const PATIENCE: u64 = 60;
const SLOWEST: u64 = 64 * 1024;

/// What a hub says of a file.
#[derive(Deserialize)]
struct Missing {
    missing: usize,
    missing_bytes: u64,
    data: Vec<Part>,
}

/// A part that is not there, and where to put it.
#[derive(Deserialize)]
struct Part {
    start: u64,
    bytes: u64,
    url: String,
    headers: BTreeMap<String, String>,
}

/// See the module's text.
pub struct Sending<'a> {
    remote: &'a Remote,
    upload: &'a str,
    at_once: usize,
    client: Client,
    bar: ProgressBar,
}

impl<'a> Sending<'a> {
    /// Nothing is sent yet of so many bytes.
    pub fn new(
        remote: &'a Remote,
        upload: &'a str,
        at_once: usize,
        total_bytes: u64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            remote,
            upload,
            at_once,
            client: Client::builder().connect_timeout(CONNECT_TIMEOUT).build()?,
            bar: bar(total_bytes),
        })
    }

    /// Puts all parts that are missing.
    pub async fn send_all(&self, files: &[FoundFile]) -> anyhow::Result<()> {
        let mut done = 0;
        for file in files {
            self.bar.set_message(file.name.clone());
            let sent = self.send(file, done).await;
            sent.with_context(|| format!("{} could not be sent", file.path.display()))?;
            done += file.state.bytes;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Puts the parts of a file portion by portion until none is missing. What failed is missing again.
    async fn send(&self, file: &FoundFile, before: u64) -> anyhow::Result<()> {
        let (mut least, mut in_vain, mut fault) = (usize::MAX, 0, None);
        loop {
            let missing = self.missing(file).await?;
            let done = file.state.bytes.saturating_sub(missing.missing_bytes);
            self.bar.set_position(before + done);
            if missing.data.is_empty() {
                return Ok(());
            }
            if missing.missing < least {
                (least, in_vain) = (missing.missing, 0);
            } else if in_vain < TRIES {
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(in_vain)).await;
                in_vain += 1;
            } else {
                bail!(fault.unwrap_or_else(|| anyhow::anyhow!("parts that were put are not there")));
            }
            let puts = missing.data.into_iter().map(|part| self.put(file, part));
            let mut puts = stream::iter(puts).buffer_unordered(self.at_once);
            while let Some(put) = puts.next().await {
                fault = put.err().or(fault);
            }
        }
    }

    async fn missing(&self, file: &FoundFile) -> anyhow::Result<Missing> {
        let name: String = byte_serialize(file.name.as_bytes()).collect();
        let limit = (self.at_once * LINKS).min(MOST_LINKS);
        let path = format!(
            "/v1/model-uploads/{}/parts?path={name}&limit={limit}",
            self.upload
        );
        let told = self.remote.get(&path).await?;
        serde_json::from_value(told).context("the hub told no parts")
    }

    async fn put(&self, file: &FoundFile, part: Part) -> anyhow::Result<()> {
        let mut source = File::open(&file.path).await?;
        if source.metadata().await?.len() != file.state.bytes {
            return Err(changed(&file.path).into());
        }
        source.seek(SeekFrom::Start(part.start)).await?;
        let bar = self.bar.clone();
        let source = InspectReader::new(source.take(part.bytes), move |piece| bar.inc(piece.len() as u64));
        let body = Body::wrap_stream(ReaderStream::with_capacity(source, PIECE));
        let patience = Duration::from_secs(PATIENCE + part.bytes / SLOWEST);
        let mut put = self.client.put(&part.url).timeout(patience).body(body);
        for (name, value) in &part.headers {
            if CONTENT_LENGTH != *name.as_str() && HOST != *name.as_str() {
                put = put.header(name, value);
            }
        }
        let put = put.header(CONTENT_LENGTH, part.bytes).send().await;
        // The address is a permission, and no error shall show it.
        let response = put.map_err(reqwest::Error::without_url)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => bail!("the bucket answered {status}"),
        }
    }
}
