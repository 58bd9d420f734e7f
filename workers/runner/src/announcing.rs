//! What a worker says of itself, and what it measures for that on its own answers.

use crate::{WorkerParts, models::Models};
use domain::{
    digest::Sha256,
    grant::Grant,
    hardware::Room,
    names::ModelName,
    order::ReportKind,
    worker::{Announcement, Speed},
};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// What does not change while a worker lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it computes on.
    pub device: String,
    /// What it has for a model.
    pub room: Room,
}

/// What a worker has done with one revision.
#[derive(Default)]
struct Done {
    pages: u64,
    at_pages: Duration,
    tokens: u64,
    at_answers: Duration,
}

/// What a worker has done since it started, by revision.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<(ModelName, Sha256), Done>>);

impl Pace {
    fn with(&self, grant: &Grant, change: impl FnOnce(&mut Done)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (grant.model.clone(), grant.revision_sha256);
        change(all.entry(of).or_default());
    }

    /// All questions of a page were done with in `took`.
    pub(crate) fn page(&self, grant: &Grant, took: Duration) {
        self.with(grant, |done| {
            done.pages += 1;
            done.at_pages += took;
        });
    }

    /// Takes note of an answer; other reports say nothing of speed.
    pub(crate) fn report(&self, grant: &Grant, kind: &ReportKind) {
        if let ReportKind::Answered { answer, .. } = kind {
            self.with(grant, |done| {
                done.tokens += u64::from(answer.output_tokens);
                done.at_answers += Duration::from_millis(answer.compute_ms);
            });
        }
    }

    fn speeds(&self) -> Vec<Speed> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let speed = |((model, revision_sha256), done): (&(ModelName, Sha256), &Done)| Speed {
            model: model.clone(),
            revision_sha256: *revision_sha256,
            pages: done.pages,
            pages_per_minute: 60.0 * rate(done.pages, done.at_pages),
            tokens_per_second: rate(done.tokens, done.at_answers),
        };
        all.iter().map(speed).collect()
    }
}

/// So many a second; none where nothing was measured.
fn rate(count: u64, took: Duration) -> f64 {
    if took.is_zero() {
        return 0.0;
    }
    count as f64 / took.as_secs_f64()
}

/// What a worker says of itself now.
pub(crate) fn announcement(parts: &WorkerParts, models: &Models, pace: &Pace) -> Announcement {
    Announcement {
        worker: parts.id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: parts.about.device.clone(),
        room: parts.about.room,
        loaded: models.loaded().into_iter().collect(),
        speeds: pace.speeds(),
    }
}

/// Says what a worker is, at once and then again and again.
pub(crate) async fn keep_announcing(parts: &WorkerParts, models: &Models, pace: &Pace) -> Infallible {
    loop {
        if let Err(error) = parts.queue.announce(announcement(parts, models, pace)).await {
            // Taking an order fails as well, and is warned of.
            tracing::debug!(%error, "the worker could not announce itself");
        }
        sleep(parts.settings.announce).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Bench;
    use domain::order::{AnswerReport, FinishReason};

    fn answered(bench: &Bench, output_tokens: u32, compute_ms: u64) -> ReportKind {
        let answer = AnswerReport {
            text: "42".into(),
            finish_reason: FinishReason::Stop,
            input_tokens: 1700,
            output_tokens,
            compute_ms,
            engine: "glmhub-glm4v".into(),
            logprobs: None,
        };
        let job = bench.ids.make();
        ReportKind::Answered { job, answer }
    }

    #[tokio::test]
    async fn speeds_are_what_was_done_by_the_time_that_it_took_for_each_revision() {
        let (bench, pace) = (Bench::new().await, Pace::default());
        let grant = bench.grant(&[]);
        let other = Grant {
            revision_sha256: Sha256::of(b"another"),
            ..grant.clone()
        };
        pace.report(&grant, &answered(&bench, 10, 1500));
        pace.report(&grant, &ReportKind::Started);
        pace.report(&grant, &answered(&bench, 30, 500));
        pace.page(&grant, Duration::from_secs(2));
        pace.page(&grant, Duration::from_secs(4));
        pace.report(&other, &answered(&bench, 5, 0));
        let figures = |speed: &Speed| (speed.pages, speed.pages_per_minute, speed.tokens_per_second);
        let mut speeds = pace.speeds();
        speeds.sort_by_key(|speed| speed.pages);
        assert_eq!(
            speeds.iter().map(figures).collect::<Vec<_>>(),
            [(0, 0.0, 0.0), (2, 20.0, 20.0)]
        );
    }
}
