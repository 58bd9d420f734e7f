//! The questions of a batch, from the command line or from a file, and the documents that each is asked of.

use super::uploading::Source;
use crate::misuse::Misuse;
use anyhow::Context as _;
use glob::{MatchOptions, Pattern};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// What a question of a file names the documents by that it is asked of.
const DOCUMENTS: &str = "documents";

/// A star stays within one folder.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Questions in the order of their batch.
pub struct Questions(Vec<Wanted>);

/// A question as the API takes it, and the documents that it is asked of, if not all.
struct Wanted {
    question: Value,
    patterns: Option<Vec<Pattern>>,
}

/// The questions of `texts`, then those of a file. A file that is a JSON list is handed on as it is, with its parameters, but
/// for the patterns of documents; any other has one question on each line that is not empty.
pub fn read(texts: &[String], file: Option<&Path>) -> anyhow::Result<Questions> {
    let mut questions: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    if let Some(file) = file {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        questions.extend(of_text(&text).with_context(|| file.display().to_string())?);
    }
    if questions.is_empty() {
        return Err(Misuse("ask something: give --question TEXT, or --questions FILE".into()).into());
    }
    let wanted = questions
        .into_iter()
        .enumerate()
        .map(|(place, question)| Wanted::of(place, question));
    Ok(Questions(wanted.collect::<Result<_, Misuse>>()?))
}

fn of_text(text: &str) -> anyhow::Result<Vec<Value>> {
    if text.trim_start().starts_with('[') {
        let wrong = |error| Misuse(format!("this is no JSON list of questions: {error}"));
        return Ok(serde_json::from_str(text).map_err(wrong)?);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|line| json!({ "text": line })).collect())
}

impl Wanted {
    fn of(place: usize, mut question: Value) -> Result<Self, Misuse> {
        let named = question
            .as_object_mut()
            .and_then(|question| question.remove(DOCUMENTS));
        let wrong = |why: String| Misuse(format!("question {place}, counted from 0: {DOCUMENTS}: {why}"));
        let patterns = named.map(|named| {
            let listed: Vec<String> = serde_json::from_value(named)
                .map_err(|_| wrong("a list of patterns such as [\"*.pdf\", \"invoices/*\"]".into()))?;
            if listed.is_empty() {
                return Err(wrong("name at least one pattern, or leave the list out".into()));
            }
            let read = |text: &String| {
                pattern(text).map_err(|error| wrong(format!("{text:?} is no pattern: {error}")))
            };
            listed.iter().map(read).collect::<Result<Vec<_>, _>>()
        });
        Ok(Self {
            question,
            patterns: patterns.transpose()?,
        })
    }

    fn is_asked_of(&self, source: &Source) -> bool {
        let patterns = self.patterns.as_ref();
        patterns.is_none_or(|patterns| patterns.iter().any(|pattern| fits(pattern, source)))
    }
}

/// A pattern that fits the end of a path, in whatever folder that is; from `/` on it fits the whole.
fn pattern(text: &str) -> Result<Pattern, glob::PatternError> {
    match text.starts_with('/') {
        true => Pattern::new(text),
        false => Pattern::new(&format!("**/{text}")),
    }
}

fn fits(pattern: &Pattern, source: &Source) -> bool {
    pattern.matches_path_with(source.path(), MATCHING)
}

impl Questions {
    /// The list as the API takes it.
    pub fn list(&self) -> Value {
        self.0.iter().map(|wanted| wanted.question.clone()).collect()
    }

    /// The places of the questions that each of `sources` is asked, none for all, if these are the last questions of a batch
    /// that has `before` others for all documents before them.
    pub fn of_each(&self, sources: &[Source], before: u32) -> Result<Vec<Option<Vec<u32>>>, Misuse> {
        self.check_patterns(sources)?;
        sources.iter().map(|source| self.of(source, before)).collect()
    }

    fn of(&self, source: &Source, before: u32) -> Result<Option<Vec<u32>>, Misuse> {
        let asked: Vec<bool> = self.0.iter().map(|wanted| wanted.is_asked_of(source)).collect();
        if asked.iter().all(|asked| *asked) {
            return Ok(None);
        }
        let own = (before..).zip(&asked).filter(|(_, asked)| **asked);
        let places: Vec<u32> = (0..before).chain(own.map(|(place, _)| place)).collect();
        match places.is_empty() {
            false => Ok(Some(places)),
            true => Err(Misuse(format!(
                "{}: no question is asked of it: let a pattern fit it, or leave it out",
                source.path().display()
            ))),
        }
    }

    /// A pattern that fits nothing is a slip of the pen.
    fn check_patterns(&self, sources: &[Source]) -> Result<(), Misuse> {
        for (place, wanted) in self.0.iter().enumerate() {
            let patterns = wanted.patterns.iter().flatten();
            let mut idle = patterns.filter(|pattern| !sources.iter().any(|source| fits(pattern, source)));
            if let Some(pattern) = idle.next() {
                let text = pattern.as_str().trim_start_matches("**/");
                return Err(Misuse(format!(
                    "question {place}, counted from 0: no document fits {text:?}"
                )));
            }
        }
        Ok(())
    }

    /// How many other questions a batch has before these, which must be its last ones.
    pub fn before_in(&self, batch: &[Value]) -> Result<u32, Misuse> {
        let before = batch.len().checked_sub(self.0.len());
        let told = |question: &Value| {
            let scope = question["scope"].as_str().unwrap_or("page").to_owned();
            (question["text"].clone(), scope)
        };
        let own = || self.0.iter().map(|wanted| told(&wanted.question));
        let same = before.filter(|before| batch.iter().skip(*before).map(told).eq(own()));
        same.and_then(|before| u32::try_from(before).ok()).ok_or_else(|| {
            Misuse("the batch asks other questions: give the file with which it was begun".into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn questions(list: Value) -> Result<Questions, Misuse> {
        let wanted = list.as_array().unwrap().iter().cloned().enumerate();
        let wanted = wanted.map(|(place, question)| Wanted::of(place, question));
        Ok(Questions(wanted.collect::<Result<_, _>>()?))
    }

    fn sources(paths: &[&str]) -> Vec<Source> {
        paths
            .iter()
            .map(|path| Source::named(PathBuf::from(path)))
            .collect()
    }

    #[test]
    fn lines_are_questions_and_a_list_is_handed_on() {
        assert_eq!(
            of_text("买方是谁？\r\n\n  What is the total?\n").unwrap(),
            [
                json!({ "text": "买方是谁？" }),
                json!({ "text": "What is the total?" })
            ]
        );
        let list = r#"[{"text": "a", "parameters": {"max_new_tokens": 9}}]"#;
        assert_eq!(of_text(list).unwrap()[0]["parameters"]["max_new_tokens"], 9);
        assert!(of_text("[{").unwrap_err().is::<Misuse>());
        assert!(read(&[], None).err().unwrap().is::<Misuse>());
    }

    #[test]
    fn a_question_is_asked_of_the_documents_that_it_names() {
        let questions = questions(json!([
            { "text": "a", "documents": ["*.pdf"] },
            { "text": "b", "scope": "document", "documents": ["发票/*", "/in/c.png"] },
            { "text": "c", "documents": ["发票/**/*", "c.*"] },
        ]))
        .unwrap();
        assert_eq!(questions.list()[1], json!({ "text": "b", "scope": "document" }));
        let sources = sources(&[
            "发票/1.pdf",
            "x/发票/2.png",
            "发票/old/3.png",
            "/in/c.png",
            "a b.pdf",
        ]);
        let each = questions.of_each(&sources, 0).unwrap();
        let places = |list: &[u32]| Some(list.to_vec());
        assert_eq!(
            each,
            [None, places(&[1, 2]), places(&[2]), places(&[1, 2]), places(&[0])]
        );
        // Behind two others, which are asked of all.
        assert_eq!(questions.of_each(&sources, 2).unwrap()[4], places(&[0, 1, 2]));
    }

    #[test]
    fn what_fits_nothing_is_told_by_name() {
        let told = |list: Value, paths: &[&str]| {
            let each = questions(list).and_then(|questions| questions.of_each(&sources(paths), 0));
            each.unwrap_err().to_string()
        };
        for (list, paths, part) in [
            (
                json!([{ "text": "a", "documents": ["*.tif"] }]),
                &["a.pdf"][..],
                "\"*.tif\"",
            ),
            (
                json!([{ "text": "a", "documents": ["a.*"] }]),
                &["a.pdf", "b.pdf"],
                "b.pdf: no question",
            ),
            (
                json!([{ "text": "a", "documents": [] }]),
                &["a.pdf"],
                "at least one",
            ),
            (
                json!([{ "text": "a", "documents": "*.pdf" }]),
                &["a.pdf"],
                "a list",
            ),
            (
                json!([{ "text": "a", "documents": ["[a"] }]),
                &["a.pdf"],
                "is no pattern",
            ),
        ] {
            let told = told(list, paths);
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_batch_goes_on_with_the_questions_that_it_was_begun_with() {
        let file = questions(json!([{ "text": "a" }, { "text": "b", "scope": "document" }])).unwrap();
        let asked = |text: &str, scope: &str| json!({ "text": text, "scope": scope, "parameters": {} });
        let (x, a, b) = (asked("x", "page"), asked("a", "page"), asked("b", "document"));
        let before = |batch: &[&Value]| {
            let batch: Vec<Value> = batch.iter().map(|one| (*one).clone()).collect();
            file.before_in(&batch).ok()
        };
        assert_eq!(before(&[&a, &b]), Some(0));
        assert_eq!(before(&[&x, &a, &b]), Some(1));
        assert_eq!(before(&[&a, &a]), None);
        assert_eq!(before(&[&b]), None);
    }
}
