//! What `glmhub ask` prints: text as it comes, or one JSON object an answer.

use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use engine::{Answer, Timings, TopLogprob};
use serde::Serialize;

use super::seconds;

/// Text on stdout, token by token.
pub struct Stream {
    /// Bytes shown so far.
    shown: usize,
    outcome: io::Result<()>,
}

impl Stream {
    pub fn new() -> Stream {
        Stream {
            shown: 0,
            outcome: Ok(()),
        }
    }

    /// Shows what a token adds. There is no use in going on when nobody reads any more.
    pub fn show(&mut self, text: &str) -> ControlFlow<()> {
        self.shown += text.len();
        let mut stdout = io::stdout().lock();
        self.outcome = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        if self.outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Shows what only the end of the answer settled, and ends the line.
    pub fn finish(mut self, answer: &str) -> anyhow::Result<()> {
        if self.outcome.is_ok() {
            let rest = answer.get(self.shown..).unwrap_or_default().to_owned();
            let _ = self.show(&(rest + "\n"));
        }
        match self.outcome {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct AnswerObject<'a> {
    text: &'a str,
    token_ids: &'a [u32],
    prompt_token_ids: &'a [u32],
    image_tokens: usize,
    finish_reason: &'a str,
    timings: TimingsObject,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<Vec<LogprobObject<'a>>>>,
}

/// All in seconds.
#[derive(Serialize)]
struct TimingsObject {
    load: f64,
    tower: f64,
    prefill: f64,
    decode: f64,
}

#[derive(Serialize)]
struct LogprobObject<'a> {
    id: u32,
    token: &'a str,
    logprob: f32,
}

/// Prints the answer as one JSON object on one line.
pub fn print_json(answer: &Answer, load_time: Duration, with_logprobs: bool) -> anyhow::Result<()> {
    let Timings {
        tower,
        prefill,
        decode,
    } = answer.timings;
    let object = AnswerObject {
        text: &answer.text,
        token_ids: &answer.token_ids,
        prompt_token_ids: &answer.prompt_token_ids,
        image_tokens: answer.image_tokens,
        finish_reason: answer.finish_reason.as_str(),
        timings: TimingsObject {
            load: seconds(load_time),
            tower: seconds(tower),
            prefill: seconds(prefill),
            decode: seconds(decode),
        },
        top_logprobs: with_logprobs
            .then(|| answer.top_logprobs.iter().map(|place| logprobs(place)).collect()),
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &object)?;
    writeln!(stdout)?;
    Ok(())
}

fn logprobs(place: &[TopLogprob]) -> Vec<LogprobObject<'_>> {
    place
        .iter()
        .map(|each| LogprobObject {
            id: each.id,
            token: &each.token,
            logprob: each.logprob,
        })
        .collect()
}
