//! Answers of pages, combined into one answer about their document.
//!
//! A question of the scope [`Scope::Document`] is asked on every page. What was answered there becomes a text that the
//! model reads in the place of a page; where it is too long, it is combined in portions first, and these then.

use crate::{id::JobId, job::JobPhase, order::Parameters, question::USUAL_TOKENS};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a question is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each page for itself.
    #[default]
    Page,
    /// The document: what its pages answer is combined.
    Document,
}

impl Scope {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Page => "page",
            Scope::Document => "document",
        }
    }
}

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A question about a page.
    Page,
    /// A question about a document, asked on one page.
    Source,
    /// Combines a portion of what the pages answered.
    Part,
    /// Gives the answer about the document.
    Whole,
}

impl Role {
    /// The word that the records have for it; none for what most jobs are.
    pub fn as_word(self) -> Option<&'static str> {
        match self {
            Role::Page => None,
            Role::Source => Some("source"),
            Role::Part => Some("part"),
            Role::Whole => Some("whole"),
        }
    }

    /// The role of a word.
    pub fn of_word(word: Option<&str>) -> Option<Self> {
        [Role::Page, Role::Source, Role::Part, Role::Whole]
            .into_iter()
            .find(|role| role.as_word() == word)
    }

    /// Whether its answer is about one page.
    pub fn has_page(self) -> bool {
        matches!(self, Role::Page | Role::Source)
    }

    /// How its answer is generated, where its question has `asked` for it: what is combined further is free text, and only
    /// the last answer keeps to a schema.
    pub fn parameters(self, asked: &Parameters) -> Parameters {
        let asked = asked.clone();
        match self {
            Role::Page | Role::Whole => asked,
            Role::Source | Role::Part => Parameters {
                schema: None,
                ..asked
            },
        }
    }

    /// The word of its scope in JSON.
    pub fn scope(self) -> &'static str {
        match self {
            Role::Page | Role::Source => "page",
            Role::Part => "part",
            Role::Whole => "document",
        }
    }
}

/// Texts have numbers from here on, where pages have theirs; no document has as many pages.
pub const FIRST_TEXT: u32 = 1_000_000_000;

/// The code of a document's answer that no page gave anything for.
pub const NO_PAGE_ANSWERED: &str = "no_page_answered";
/// The code of a document's answer whose question leaves no room for answers of pages.
pub const NO_ROOM: &str = "question_too_long";

/// A page that an answer about its document came from, or should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePage {
    /// Its number, from 1.
    pub page: u32,
    /// The job that asked it.
    pub job: JobId,
    /// What came out; only what was answered is in the answer.
    pub verdict: JobPhase,
    /// Whether its answer was too long and only its beginning was combined.
    #[serde(default)]
    pub cut: bool,
}

/// What one page, or one portion of pages, answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The pages.
    pub pages: Vec<SourcePage>,
    /// The text and its tokens, if there is an answer.
    pub answer: Option<(String, u32)>,
}

/// A text that is combined next, and the pages that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// What the model reads.
    pub texts: Texts,
    /// All pages of it, those without an answer too.
    pub pages: Vec<SourcePage>,
}

/// Divides what was answered into portions whose tokens have place in `room`, which is not less than [`LEAST_ROOM`].
/// Pages without an answer are told in the portion of those before them. None, if nothing was answered.
pub fn portions(inputs: Vec<Input>, room: u32) -> Vec<Portion> {
    let mut portions: Vec<(u32, Portion)> = Vec::new();
    let mut unanswered: Vec<SourcePage> = Vec::new();
    for Input { mut pages, answer } in inputs {
        let Some((text, tokens)) = answer else {
            match portions.last_mut() {
                Some((_, portion)) => portion.pages.append(&mut pages),
                None => unanswered.append(&mut pages),
            }
            continue;
        };
        let (text, taken, cut) = cut_to(text, tokens, room / SHARES);
        pages
            .iter_mut()
            .filter(|page| page.verdict == JobPhase::Answered)
            .for_each(|page| page.cut |= cut);
        let said = Said::of(&pages, text);
        unanswered.append(&mut pages);
        match portions.last_mut().filter(|(used, _)| used + taken <= room) {
            Some((used, portion)) => {
                *used += taken;
                portion.texts.0.push(said);
                portion.pages.append(&mut unanswered);
            }
            None => {
                let texts = Texts(vec![said]);
                portions.push((
                    taken,
                    Portion {
                        texts,
                        pages: std::mem::take(&mut unanswered),
                    },
                ));
            }
        }
    }
    portions.into_iter().map(|(_, portion)| portion).collect()
}

/// The least room in which answers are combined: less than this would cut every answer to a few words.
pub const LEAST_ROOM: u32 = 160;

/// How many answers have room at least, however long they are: each is cut to its share.
const SHARES: u32 = 4;

/// Tokens for the line that names the pages of a text.
const HEADING: u32 = 24;

/// The beginning of `text` that takes at most `most` tokens of a context with its heading, what it takes, and whether
/// something was left out. A text that is read takes about as many tokens as when it was written; a quarter more is
/// allowed for, and three for each character that stands for bytes which are no text.
fn cut_to(text: String, tokens: u32, most: u32) -> (String, u32, bool) {
    let strange = text.matches(char::REPLACEMENT_CHARACTER).count() as u32;
    let taken = tokens
        .saturating_add(tokens / 4)
        .saturating_add(strange.saturating_mul(3))
        .saturating_add(HEADING);
    if taken <= most {
        return (text, taken, false);
    }
    let (characters, left) = (
        text.chars().count() as u64,
        u64::from(most.saturating_sub(HEADING)),
    );
    let keep = characters * left / u64::from(taken - HEADING).max(1);
    (text.chars().take(keep as usize).collect(), most, true)
}

/// What a worker reads in the place of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts(Vec<Said>);

/// An answer and the pages that it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    first: u32,
    last: u32,
    text: String,
}

impl Said {
    fn of(pages: &[SourcePage], text: String) -> Self {
        let answered = || {
            pages
                .iter()
                .filter(|page| page.verdict == JobPhase::Answered)
                .map(|page| page.page)
        };
        Self {
            first: answered().min().unwrap_or_default(),
            last: answered().max().unwrap_or_default(),
            text,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, text } = self;
        match first == last {
            true => write!(f, "[Page {first}]\n{text}\n\n"),
            false => write!(f, "[Pages {first} to {last}]\n{text}\n\n"),
        }
    }
}

/// What their bytes begin with. No picture does.
const MARK: &[u8] = b"glmhub texts 1\n";

/// Bytes that begin as texts do and are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the texts cannot be read: {0}")]
pub struct BadTexts(String);

impl Texts {
    /// As bytes, which are what a grant is bound to.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising plain structs of strings and numbers cannot fail; empty texts would be refused by the worker.
        [MARK, &serde_json::to_vec(self).unwrap_or_default()].concat()
    }

    /// The texts that `bytes` are, if they are texts and no picture.
    pub fn read(bytes: &[u8]) -> Option<Result<Self, BadTexts>> {
        let json = bytes.strip_prefix(MARK)?;
        Some(serde_json::from_slice(json).map_err(|error| BadTexts(error.to_string())))
    }

    /// What the model is asked with them.
    pub fn ask(&self, question: &str) -> String {
        let said: String = self.0.iter().map(Said::to_string).collect();
        format!("{BEFORE}{said}{BETWEEN}{question}")
    }
}

const BEFORE: &str = "These answers to one question were given on pages of one document.\n\n";
const BETWEEN: &str = "Answer the question for the whole document, from these answers alone. Question: ";

/// The room for answers of pages in a context: without the question, what is said around it, and the answer. Bytes count
/// as tokens here, of which they are never fewer.
pub fn room(context: u32, question: &str, asked: &Parameters) -> Option<u32> {
    let answer_tokens = asked.max_new_tokens.unwrap_or(USUAL_TOKENS);
    let around = BEFORE.len() + BETWEEN.len() + question.len() + HEADING as usize;
    let room = context
        .checked_sub(answer_tokens)?
        .checked_sub(u32::try_from(around).ok()?)?;
    (room >= LEAST_ROOM).then_some(room)
}

mod runs;

pub use runs::{Runs, runs};

#[cfg(test)]
mod tests;
