//! Requests for one of many addresses, and how long their answers took.

use crate::bench::figures::Figures;
use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::random_range;
use reqwest::Client;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

/// How often requests go out that go out at a rate.
const TICK: Duration = Duration::from_millis(1);
const TICKS_A_SECOND: u32 = 1_000;

/// How long answers took that came all right, and how many came in a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Told {
    pub answers: usize,
    pub a_second: f64,
    pub figures: Figures,
}

impl Told {
    fn of(measured: Vec<Duration>, took: Duration) -> Self {
        Self {
            answers: measured.len(),
            a_second: measured.len() as f64 / took.as_secs_f64(),
            figures: Figures::of(measured),
        }
    }
}

/// The addresses of models, which differ in a number.
#[derive(Clone)]
pub struct Addresses {
    http: Client,
    before: Arc<str>,
    after: Arc<str>,
    models: u32,
    token: Option<Arc<str>>,
}

impl Addresses {
    /// Those of `models`, at `template` with `{number}` in it.
    pub fn new(template: &str, models: u32, token: Option<String>) -> anyhow::Result<Self> {
        let (before, after) = template.split_once("{number}").context("there is no {number}")?;
        Ok(Self {
            http: Client::builder().no_proxy().tcp_nodelay(true).build()?,
            before: before.into(),
            after: after.into(),
            models,
            token: token.map(Into::into),
        })
    }

    /// Asks for one, and reads all of the answer.
    async fn ask(&self, number: u32) -> anyhow::Result<()> {
        let url = format!("{}{number:05}{}", self.before, self.after);
        let mut request = self.http.get(&url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{url} was not answered"))?;
        let status = response.status();
        let body = response.bytes().await?;
        ensure!(
            status.is_success() && !body.is_empty(),
            "{url} was answered with {status}"
        );
        Ok(())
    }

    async fn timed(&self, number: u32, since: Instant) -> anyhow::Result<Duration> {
        self.ask(number).await?;
        Ok(since.elapsed())
    }

    fn any(&self) -> u32 {
        random_range(0..self.models)
    }
}

/// Each address once, by so many callers.
pub async fn each_once(addresses: &Addresses, callers: u32) -> anyhow::Result<Told> {
    let begun = Instant::now();
    let asked = (0..addresses.models).map(async |number| addresses.timed(number, Instant::now()).await);
    let asked = stream::iter(asked).buffer_unordered(callers as usize);
    let measured = asked.try_collect().await?;
    Ok(Told::of(measured, begun.elapsed()))
}

/// So many in a second, each counted from when it should have gone out.
pub async fn at_rate(addresses: &Addresses, rate: u32, long: Duration) -> anyhow::Result<Told> {
    let begun = Instant::now();
    let (mut ticks, mut asked, mut due) = (interval(TICK), JoinSet::new(), 0);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while begun.elapsed() < long {
        let at = ticks.tick().await;
        due += rate;
        for _ in 0..due / TICKS_A_SECOND {
            let addresses = addresses.clone();
            asked.spawn(async move { addresses.timed(addresses.any(), at).await });
        }
        due %= TICKS_A_SECOND;
    }
    let mut measured = Vec::new();
    while let Some(answered) = asked.join_next().await {
        measured.push(answered??);
    }
    Ok(Told::of(measured, begun.elapsed()))
}

/// One after the other by each of so many callers, for a while.
pub async fn for_a_time(addresses: &Addresses, callers: u32, long: Duration) -> anyhow::Result<Told> {
    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for _ in 0..callers {
        let addresses = addresses.clone();
        asked.spawn(async move {
            let mut measured = Vec::new();
            while begun.elapsed() < long {
                measured.push(addresses.timed(addresses.any(), Instant::now()).await?);
            }
            anyhow::Ok(measured)
        });
    }
    let mut measured = Vec::new();
    while let Some(answered) = asked.join_next().await {
        measured.extend(answered??);
    }
    Ok(Told::of(measured, begun.elapsed()))
}
