//! What is asked of the hub while it is measured.

use crate::bench::{caller::BenchCaller, document};
use anyhow::{Context as _, ensure};
use domain::names::ModelName;
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The most pages of a document, as the settings have it by default.
const PAGES_OF_DOCUMENT: u32 = 500;
/// How often it is looked whether a batch is done.
const LOOK: Duration = Duration::from_millis(25);
/// After so long without a single further answer something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one call may wait for its answer.
const WAIT: &str = "wait=60";

/// How large a batch is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub pages: u32,
    pub questions: u32,
}

impl Size {
    pub fn jobs(self) -> u64 {
        u64::from(self.pages) * u64::from(self.questions)
    }
}

/// When what was done of batches, from the moment before the first was submitted.
pub struct Passed {
    /// All pages were split and all jobs stored.
    pub taken_in: Duration,
    /// All were answered.
    pub answered: Duration,
}

/// An open batch with its pages uploaded; gives its path. `first` is the number that its first page shows.
pub async fn upload(
    caller: &BenchCaller,
    model: &ModelName,
    size: Size,
    first: u64,
) -> anyhow::Result<String> {
    let question = |number: u32| json!({ "text": format!("What is in line {number}?") });
    let questions: Vec<Value> = (1..=size.questions).map(question).collect();
    let new = json!({ "model": model, "purpose": "research", "questions": questions });
    let opened = caller.post("/v1/batches", &new).await?;
    let id = opened["id"].as_str().context("the hub left out an id")?;
    let batch = format!("/v1/batches/{id}");
    let mut done = 0;
    while done < size.pages {
        let pages = (size.pages - done).min(PAGES_OF_DOCUMENT);
        let body = document::of_pages(first + u64::from(done), pages);
        let fill = |request: reqwest::RequestBuilder| request.header("content-type", "image/tiff").body(body);
        caller
            .send(Method::POST, &format!("{batch}/documents"), fill)
            .await?;
        done += pages;
    }
    Ok(batch)
}

/// Submits an uploaded batch.
pub async fn submit(caller: &BenchCaller, batch: &str) -> anyhow::Result<()> {
    caller.post(&format!("{batch}/submit"), &json!({})).await?;
    Ok(())
}

/// Submits uploaded batches of one size and waits for their last answer.
pub async fn answered(caller: &BenchCaller, batches: &[String], size: Size) -> anyhow::Result<Passed> {
    let begun = Instant::now();
    for batch in batches {
        submit(caller, batch).await?;
    }
    let all = async |state: &str| {
        let mut longest = Duration::ZERO;
        for batch in batches {
            longest = until(caller, batch, begun, |jobs| jobs[state] == size.jobs()).await?;
        }
        anyhow::Ok(longest)
    };
    Ok(Passed {
        taken_in: all("total").await?,
        answered: all("answered").await?,
    })
}

/// How long it took from `begun` until the batch's jobs were as wanted.
pub async fn until(
    caller: &BenchCaller,
    batch: &str,
    begun: Instant,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Duration> {
    let (mut seen, mut changed) = (Value::Null, Instant::now());
    loop {
        let jobs = caller.get(batch).await?["jobs"].take();
        if wanted(&jobs) {
            return Ok(begun.elapsed());
        }
        ensure!(jobs["failed"] == 0, "jobs failed: {jobs}");
        if jobs != seen {
            (seen, changed) = (jobs, Instant::now());
        }
        ensure!(
            changed.elapsed() < PATIENCE,
            "nothing goes on: the jobs are {seen}"
        );
        sleep(LOOK).await;
    }
}

/// One image and one question in one call that waits for the answer. Gives how long it took.
pub async fn one_call(caller: &BenchCaller, model: &ModelName, number: u64) -> anyhow::Result<Duration> {
    let (begun, job) = (Instant::now(), call(caller, model, number, Some(WAIT)).await?);
    ensure!(job["state"] == "answered", "a call was not answered: {job}");
    Ok(begun.elapsed())
}

/// As [`one_call`], without waiting for the answer.
pub async fn one_submit(caller: &BenchCaller, model: &ModelName, number: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    call(caller, model, number, None).await?;
    Ok(begun.elapsed())
}

async fn call(
    caller: &BenchCaller,
    model: &ModelName,
    number: u64,
    wait: Option<&'static str>,
) -> anyhow::Result<Value> {
    let image = Part::bytes(document::of_pages(number, 1)).mime_str("image/tiff")?;
    let form = Form::new()
        .text("model", model.to_string())
        .text("purpose", "research")
        .text("question", "What is this?")
        .part("image", image.file_name("page.tiff"));
    let fill = |request: reqwest::RequestBuilder| {
        let request = request.multipart(form);
        match wait {
            Some(wait) => request.header("prefer", wait),
            None => request,
        }
    };
    let response = caller.send(Method::POST, "/v1/jobs", fill).await?;
    response.json().await.context("the hub did not answer with JSON")
}
