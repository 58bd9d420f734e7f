//! A hub for a measurement alone, on a folder that goes with it.

use super::caller::BenchCaller;
use crate::{clock::SystemClock, data_folder::DataFolder};
use anyhow::{Context as _, ensure};
use domain::{access::Caller, access::Role, clock::Clock as _, names::ModelName};
use exchange::signing::SigningKey;
use hub::access_token;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// Longer than any measurement.
const TOKEN_LIFETIME: Duration = Duration::days(2);

/// See the module's text. Dropped, it is killed.
pub struct OwnHub {
    url: String,
    key: SigningKey,
    http: reqwest::Client,
    /// The hub is the first.
    children: Vec<Child>,
    _folder: TempDir,
}

/// A hub of several processes: what they share, and how many workers there are. Their engine is the no-op.
pub struct Sharing<'a> {
    pub postgres: &'a str,
    pub redis: &'a str,
    pub workers: usize,
    /// How long their no-op takes for an order.
    pub order_millis: u64,
    /// Settings as the environment has them.
    pub settings: &'a [(&'static str, String)],
    /// Whether the folder stays when the hub has gone.
    pub keep: bool,
}

impl OwnHub {
    /// A fresh hub in one process, with the weights in `from` and these settings. Others from the environment hold for
    /// it too.
    pub async fn start(
        model: &ModelName,
        from: &Path,
        settings: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the hub")?;
        let parts = Parts::new(folder.path(), settings);
        parts.import(model, from).await?;
        Self::up(folder, &parts).await
    }

    /// A fresh hub in one process, without any weights.
    pub async fn start_bare() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the hub")?;
        let parts = Parts::new(folder.path(), &[]);
        Self::up(folder, &parts).await
    }

    async fn up(folder: TempDir, parts: &Parts) -> anyhow::Result<Self> {
        let (hub, told) = parts
            .begin(&["up", "--listen", "127.0.0.1:0"], &parts.data)
            .await?;
        Self::of(folder, &told, vec![hub])
    }

    /// A hub on the servers of `sharing`, and beside it a process of workers that answer without a model. Without weights
    /// there are no workers.
    pub async fn start_shared(
        weights: Option<(&ModelName, &Path)>,
        sharing: &Sharing<'_>,
    ) -> anyhow::Result<Self> {
        let mut folder = tempfile::tempdir().context("a folder for the hub")?;
        folder.disable_cleanup(sharing.keep);
        let mut settings = vec![
            ("GLMHUB_RECORDS__URL", sharing.postgres.to_owned()),
            ("GLMHUB_QUEUE__URL", sharing.redis.to_owned()),
            ("GLMHUB_WEBHOOKS__PUBLIC_URL", "http://hub.invalid".to_owned()),
            (
                "GLMHUB_BLOBS__FOLDER",
                folder.path().join("blobs").display().to_string(),
            ),
        ];
        settings.extend_from_slice(sharing.settings);
        let parts = Parts::new(folder.path(), &settings);
        parts.perform(&["migrate"]).await?;
        if let Some((model, from)) = weights {
            parts.import(model, from).await?;
        }
        let key = DataFolder::open(&parts.data)?.key()?;
        let (hub, told) = parts
            .begin(&["serve", "--listen", "127.0.0.1:0"], &parts.data)
            .await?;
        if weights.is_none() {
            return Self::of(folder, &told, vec![hub]);
        }
        let keys = folder.path().join("keys.json");
        fs::write(&keys, serde_json::to_vec(&key.public().jwks())?)?;
        let (count, keys) = (sharing.workers.to_string(), keys.display().to_string());
        let pause = sharing.order_millis.to_string();
        let mut with_keys = Parts::new(folder.path(), &settings);
        with_keys.settings.push(("GLMHUB_WORKER__KEYS_FILE", keys));
        let (workers, _) = with_keys
            .begin(
                &[
                    "bench",
                    "noop-worker",
                    "--count",
                    &count,
                    "--order-millis",
                    &pause,
                ],
                &folder.path().join("worker"),
            )
            .await?;
        Self::of(folder, &told, vec![hub, workers])
    }

    fn of(folder: TempDir, told: &str, children: Vec<Child>) -> anyhow::Result<Self> {
        Ok(Self {
            url: told.rsplit(' ').next().unwrap_or_default().to_owned(),
            key: DataFolder::open(&folder.path().join("data"))?.key()?,
            http: reqwest::Client::builder().no_proxy().build()?,
            children,
            _folder: folder,
        })
    }

    /// A member of `tenant` in `role`.
    pub fn caller(&self, tenant: &str, role: Role) -> anyhow::Result<BenchCaller> {
        let caller = Caller {
            tenant: tenant.parse()?,
            member: "bench".parse()?,
            roles: [role].into(),
        };
        Ok(BenchCaller {
            http: self.http.clone(),
            url: self.url.clone(),
            token: access_token::issue(&self.key, &caller, SystemClock.now(), TOKEN_LIFETIME)?,
        })
    }

    /// The most bytes of memory that the hub's process ever had.
    pub fn most_memory(&self) -> anyhow::Result<u64> {
        let id = self
            .children
            .first()
            .and_then(Child::id)
            .context("the hub has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))
            .context("this system does not tell how much memory a process takes")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(1024 * kibibytes.context("this system does not tell the most memory of a process")?)
    }

    /// The value of a gauge without labels; 0 if it was never set.
    pub async fn gauge(&self, name: &str) -> anyhow::Result<f64> {
        let told = self
            .http
            .get(format!("{}/metrics", self.url))
            .send()
            .await?
            .text()
            .await?;
        let value = told
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(Ok(0.0), |value| {
            value.parse().with_context(|| format!("{name} is {value}"))
        })
    }
}

/// Commands of this program on one data folder.
struct Parts {
    data: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Parts {
    fn new(folder: &Path, settings: &[(&'static str, String)]) -> Self {
        Self {
            data: folder.join("data"),
            // What is measured is computed, however often it is measured.
            settings: [("GLMHUB_WORK__SHARE_ANSWERS_SECONDS", "0".to_owned())]
                .into_iter()
                .chain(settings.iter().cloned())
                .collect(),
        }
    }

    fn command(&self, arguments: &[&str], data: &Path) -> anyhow::Result<Command> {
        let program = env::current_exe().context("the path of this program")?;
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.args(arguments).arg("--data").arg(data);
        // What it logs would stand in the way of the figures.
        command.env("GLMHUB_LOG__FILTER", "error");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    async fn perform(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let ended = self.command(arguments, &self.data)?.status().await?;
        ensure!(
            ended.success(),
            "`glmhub {}` ended with {ended}",
            arguments.join(" ")
        );
        Ok(())
    }

    async fn import(&self, model: &ModelName, from: &Path) -> anyhow::Result<()> {
        let from = from.to_str().context("the path of the weights is no text")?;
        self.perform(&["model", "import", "--model", model.as_str(), "--from", from])
            .await
    }

    /// A process that goes on, and the line that it prints when it is ready.
    async fn begin(&self, arguments: &[&str], data: &Path) -> anyhow::Result<(Child, String)> {
        let mut command = self.command(arguments, data)?;
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("`glmhub {}` could not be started", arguments.join(" ")))?;
        let stdout = child.stdout.take().context("it has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let line =
            line.with_context(|| format!("`glmhub {}` ended before it was ready", arguments.join(" ")))?;
        Ok((child, line))
    }
}
