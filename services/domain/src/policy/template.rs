//! Texts with words in braces, such as `{model}`, that are filled in when a rule refuses.

use std::collections::BTreeMap;

/// The words that a refusal can fill in, and what each stands for.
pub const WORDS: [(&str, &str); 12] = [
    ("tenant", "the tenant"),
    ("member", "the member that asked"),
    ("model", "the model that was asked for"),
    ("purpose", "the purpose"),
    ("site", "where the hub computes"),
    ("rule", "the rule, as FILE:LINE"),
    (
        "cause",
        "the model whose license is in the way; the model itself for a rule of one's own",
    ),
    ("license", "the license of that model"),
    ("acceptance", "the acceptance that does not suffice"),
    ("accept", "the call with which a signatory accepts what is needed"),
    (
        "diff",
        "where it is told how the terms in force differ from those that were accepted",
    ),
    ("step", "the next step where a license is not known"),
];

/// What the words stand for in one refusal.
pub type Words = BTreeMap<&'static str, String>;

/// `text` with every known word in braces filled in. What is not known here stays empty.
pub fn fill(text: &str, words: &Words) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, word, after)) = next(rest) {
        filled.push_str(before);
        filled.push_str(words.get(word).map_or("", String::as_str));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The first word in braces that stands for nothing.
pub fn unknown_word(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((_, word, after)) = next(rest) {
        if !WORDS.iter().any(|(known, _)| *known == word) {
            return Some(word);
        }
        rest = after;
    }
    None
}

/// What stands before the next word in braces, the word, and what stands after it. Other braces, such as those of
/// JSON, are text.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let inner = &text[open + 1..];
        let length = inner
            .find(|c: char| !c.is_ascii_lowercase() && c != '_')
            .unwrap_or(inner.len());
        if length > 0 && inner[length..].starts_with('}') {
            return Some((&text[..open], &inner[..length], &inner[length + 1..]));
        }
        from = open + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_and_other_braces_are_text() {
        let words = Words::from([("model", "a/b".to_owned())]);
        assert_eq!(
            fill("use {model}, {x} {\"k\":{model}}", &words),
            "use a/b,  {\"k\":a/b}"
        );
        assert_eq!(fill("{", &words), "{");
        assert_eq!(unknown_word("{model} {colour}"), Some("colour"));
        assert_eq!(unknown_word("{\"model\":1} {tenant}"), None);
    }
}
