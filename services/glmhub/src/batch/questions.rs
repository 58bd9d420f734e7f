//! The questions of a batch, from the command line or from a file.

use crate::misuse::Misuse;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Questions as the API takes them: those of `texts`, then those of a file. A file that is a JSON list is handed on as it
/// is, with its parameters; any other has one question on each line that is not empty.
pub fn read(texts: &[String], file: Option<&Path>) -> anyhow::Result<Value> {
    let mut questions: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    if let Some(file) = file {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        questions.extend(of_text(&text).with_context(|| file.display().to_string())?);
    }
    match questions.is_empty() {
        true => Err(Misuse("ask something: give --question TEXT, or --questions FILE".into()).into()),
        false => Ok(questions.into()),
    }
}

fn of_text(text: &str) -> anyhow::Result<Vec<Value>> {
    if text.trim_start().starts_with('[') {
        let wrong = |error| Misuse(format!("this is no JSON list of questions: {error}"));
        return Ok(serde_json::from_str(text).map_err(wrong)?);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|line| json!({ "text": line })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(read(&[], None).unwrap_err().is::<Misuse>());
    }
}
