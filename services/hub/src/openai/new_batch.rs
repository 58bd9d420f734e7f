//! What a request says that opens a batch.

use super::files;
use crate::problem::Problem;
use domain::{
    access::Caller,
    id::{FileId, OpenaiBatchId},
    openai_batch::Moments,
    purpose::{BadPurpose, Purpose},
};
use records::openai_batches::{Notes, OpenaiBatch};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// The one thing that requests of a file may ask.
const ENDPOINT: &str = "/v1/chat/completions";
/// What OpenAI lets a batch's notes have.
const MOST_NOTES: (usize, usize, usize) = (16, 64, 512);

/// What is read of a request. What else OpenAI's clients may say is let pass.
#[derive(Deserialize)]
pub(super) struct NewBatch {
    input_file_id: FileId,
    endpoint: String,
    completion_window: String,
    metadata: Option<Notes>,
    output_expires_after: Option<ExpiresAfter>,
    purpose: Option<Purpose>,
}

#[derive(Deserialize)]
struct ExpiresAfter {
    anchor: String,
    seconds: i64,
}

/// The 400 for a field that cannot be.
pub(super) fn refused(code: &'static str, field: &str, detail: impl Into<String>) -> Problem {
    Problem::bad_request(code, detail).with("field", field)
}

impl NewBatch {
    /// The file of its requests.
    pub(super) fn input_file(&self) -> FileId {
        self.input_file_id
    }

    /// The batch that `caller` opens at `now`, for the `usual` purpose unless another is named, which may take the `longest`
    /// time. Problems: those of [`NewBatch::check`].
    pub(super) fn batch(
        self,
        id: OpenaiBatchId,
        caller: &Caller,
        usual: Purpose,
        now: OffsetDateTime,
        longest: Duration,
    ) -> Result<OpenaiBatch, Problem> {
        let (window, noted) = self.check(now, longest)?;
        let output = self.output_expires_after;
        Ok(OpenaiBatch {
            id,
            caller: caller.clone(),
            key: None,
            purpose: self.purpose.or(noted).unwrap_or(usual),
            endpoint: self.endpoint,
            input_file: self.input_file_id,
            completion_window: self.completion_window,
            metadata: self.metadata,
            output_seconds: output.and_then(|after| u64::try_from(after.seconds).ok()),
            model: None,
            created_at: now,
            expires_at: now + window,
            moments: Moments::default(),
            faults: Vec::new(),
            total: 0,
            fed: (0, 0),
            fed_lines: 0,
            tally: None,
            output_file: None,
            error_file: None,
            held_until: now,
        })
    }

    /// How long it may take, and the purpose that its notes name. Problems: 400 `endpoint_unsupported`, `metadata_invalid`,
    /// `purpose_unknown`, `completion_window_unknown`, `expiry_out_of_range`.
    fn check(&self, now: OffsetDateTime, longest: Duration) -> Result<(Duration, Option<Purpose>), Problem> {
        if self.endpoint != ENDPOINT {
            let detail = format!("requests of a batch ask for {ENDPOINT} and nothing else");
            return Err(refused("endpoint_unsupported", "endpoint", detail));
        }
        let notes = self.metadata.as_ref();
        check_notes(notes)?;
        if let Some(ExpiresAfter { anchor, seconds }) = &self.output_expires_after {
            files::expiry(Some(anchor), Some(*seconds), now)?;
        }
        let window = window(&self.completion_window, longest)?;
        Ok((window, notes.map(noted_purpose).transpose()?.flatten()))
    }
}

/// The purpose that notes name. A word that is none is refused: the gate would decide about another purpose than was meant.
fn noted_purpose(notes: &Notes) -> Result<Option<Purpose>, Problem> {
    let named = notes.get("purpose").map(|word| word.parse()).transpose();
    named.map_err(|bad: BadPurpose| refused("purpose_unknown", "metadata.purpose", bad.to_string()))
}

/// How long a batch may take: `24h`, or another number of hours or days up to `longest`.
fn window(text: &str, longest: Duration) -> Result<Duration, Problem> {
    let (number, hours) = match text.strip_suffix('h') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('d').unwrap_or_default(), 24),
    };
    let window = number
        .parse::<u16>()
        .ok()
        .map(|number| Duration::hours(i64::from(number) * hours));
    window
        .filter(|window| window.is_positive() && *window <= longest)
        .ok_or_else(|| {
            let detail = format!(
                "completion_window is `24h`, or another number of hours or days up to {} hours",
                longest.whole_hours()
            );
            refused("completion_window_unknown", "completion_window", detail)
        })
}

fn check_notes(notes: Option<&Notes>) -> Result<(), Problem> {
    let (most, key, value) = MOST_NOTES;
    let fits = |text: &String, most: usize| text.chars().count() <= most && !text.contains('\0');
    let all_fit = |notes: &Notes| {
        let mut notes = notes.iter();
        notes.all(|(name, text)| fits(name, key) && fits(text, value))
    };
    match notes.is_none_or(|notes| notes.len() <= most && all_fit(notes)) {
        true => Ok(()),
        false => {
            let detail = format!(
                "metadata has at most {most} entries, keys of {key} and values of {value} characters"
            );
            Err(refused("metadata_invalid", "metadata", detail))
        }
    }
}
