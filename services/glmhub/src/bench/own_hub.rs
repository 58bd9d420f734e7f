//! A hub for a measurement alone, on a folder that goes with it.

use super::caller::BenchCaller;
use crate::{clock::SystemClock, data_folder::DataFolder};
use anyhow::{Context as _, ensure};
use domain::{access::Caller, access::Role, clock::Clock as _, names::ModelName};
use exchange::signing::SigningKey;
use hub::access_token;
use std::{env, path::Path, process::Stdio};
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
    _child: Child,
    _folder: TempDir,
}

impl OwnHub {
    /// A fresh hub with the weights in `from`. Settings from the environment hold for it.
    pub async fn start(model: &ModelName, from: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the hub")?;
        let data = folder.path().join("data");
        let mut import = program()?;
        import.args(["model", "import", "--model", model.as_str(), "--from"]);
        import.arg(from).arg("--data").arg(&data);
        let imported = import.stdout(Stdio::null()).status().await?;
        ensure!(
            imported.success(),
            "the weights in {} could not be imported",
            from.display()
        );
        let mut up = program()?;
        up.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        // What it logs would stand in the way of the figures.
        up.env("GLMHUB_LOG__FILTER", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = up.spawn().context("a hub could not be started")?;
        let stdout = child.stdout.take().context("the hub has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let line = line.context("the hub ended before it was ready")?;
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self {
            url,
            key: DataFolder::open(&data)?.key()?,
            http: reqwest::Client::builder().no_proxy().build()?,
            _child: child,
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

fn program() -> anyhow::Result<Command> {
    let program = env::current_exe().context("the path of this program")?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    Ok(command)
}
