//! What a batch would take before it is one: tokens that are read, and time.

use crate::{digest::Sha256, names::ModelName, worker::Announcement};
use serde::Serialize;

/// Tokens that the model reads beside a question's text and the page: two that begin, the role and the line of the question,
/// and the role of the answer.
const FRAME: u64 = 5;

/// How many tokens are read for a question about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputTokens {
    /// As many as an answer will report.
    Exactly(u64),
    /// No more than these.
    AtMost(u64),
    /// It is not known how many tokens a page takes.
    Unknown,
}

impl InputTokens {
    /// The bound where the model's tokenizer cannot be asked: no token is less than a byte of the text. `image_tokens` is
    /// what a page takes.
    pub fn bound(text: &str, image_tokens: Option<u32>) -> Self {
        match image_tokens {
            Some(image) => InputTokens::AtMost(FRAME + u64::from(image) + text.len() as u64),
            None => InputTokens::Unknown,
        }
    }

    /// The number, if there is one.
    pub fn number(self) -> Option<u64> {
        match self {
            InputTokens::Exactly(number) | InputTokens::AtMost(number) => Some(number),
            InputTokens::Unknown => None,
        }
    }

    /// Whether the number is exact.
    pub fn is_exact(self) -> bool {
        matches!(self, InputTokens::Exactly(_))
    }
}

/// Why no time can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoTime {
    /// No worker is heard of.
    NoWorker,
    /// None of those that are has measured its speed with this revision yet.
    NoSpeed,
}

/// In how many seconds `workers` would be done with so many pages, by the speed that each has measured with the revision,
/// if nothing else waited.
pub fn seconds(
    pages: u64,
    workers: &[Announcement],
    model: &ModelName,
    revision: Sha256,
) -> Result<f64, NoTime> {
    if workers.is_empty() {
        return Err(NoTime::NoWorker);
    }
    let speeds = workers.iter().flat_map(|worker| &worker.speeds);
    let of_revision = speeds.filter(|speed| speed.model == *model && speed.revision_sha256 == revision);
    let pages_per_minute: f64 = of_revision.map(|speed| speed.pages_per_minute).sum();
    match pages_per_minute.is_finite() && pages_per_minute > 0.0 {
        true => Ok(pages as f64 / pages_per_minute * 60.0),
        false => Err(NoTime::NoSpeed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::HandClock, hardware::Room, id::IdMaker, worker::Speed};
    use std::sync::Arc;
    use time::OffsetDateTime;

    fn worker(speeds: Vec<Speed>) -> Announcement {
        Announcement {
            worker: IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH))).make(),
            version: "1".into(),
            device: "cpu".into(),
            room: Room {
                memory_bytes: None,
                value_bytes: 4,
            },
            loaded: vec![],
            speeds,
        }
    }

    #[test]
    fn workers_share_the_pages_and_only_their_speed_with_the_revision_counts() {
        let (model, revision): (ModelName, _) = ("acme/tiny".parse().unwrap(), Sha256::of(b"one"));
        let speed = |revision_sha256, pages_per_minute| Speed {
            model: model.clone(),
            revision_sha256,
            pages: 9,
            pages_per_minute,
            tokens_per_second: 1.0,
        };
        let both = [
            worker(vec![speed(revision, 20.0), speed(Sha256::of(b"other"), 900.0)]),
            worker(vec![speed(revision, 40.0)]),
        ];
        assert_eq!(seconds(120, &both, &model, revision), Ok(120.0));
        assert_eq!(seconds(0, &both, &model, revision), Ok(0.0));
        assert_eq!(seconds(1, &[], &model, revision), Err(NoTime::NoWorker));
        for none in [
            vec![],
            vec![speed(revision, 0.0)],
            vec![speed(revision, f64::NAN)],
        ] {
            assert_eq!(
                seconds(1, &[worker(none)], &model, revision),
                Err(NoTime::NoSpeed)
            );
        }
    }

    #[test]
    fn a_bound_counts_every_byte_and_is_none_where_a_page_is_not_known() {
        assert_eq!(
            InputTokens::bound("买?", Some(1602)),
            InputTokens::AtMost(1602 + 5 + 4)
        );
        assert_eq!(InputTokens::bound("买?", None).number(), None);
    }
}
