//! Splits text into the pieces that are merged on their own.
//!
//! The vocabulary was made with this pattern, tried leftmost and in this order:
//! contractions, an optional single mark with letters, one to three digits, an optional space with marks
//! and line ends, white space up to line ends, and then `\s+(?!\S)|\s+`: white space that leaves its last
//! character to the word behind it. `regex` has no look-ahead, so that last rule is applied to its match.

use regex::Regex;

const PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"|[^\r\n\p{L}\p{N}]?\p{L}+",
    r"|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+",
    r"|\s+",
);

#[derive(Debug)]
pub(super) struct Splitter {
    pattern: Regex,
}

impl Splitter {
    pub fn new() -> Splitter {
        Splitter {
            pattern: Regex::new(PATTERN).expect("the split pattern is valid"),
        }
    }

    /// The pieces of `text` in order; together they are the whole text.
    pub fn pieces<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let found = self.pattern.find(rest)?.as_str();
            let (piece, behind) = rest.split_at(piece_length(found, rest));
            rest = behind;
            Some(piece)
        })
    }
}

/// How much of a match at the start of `rest` is the piece: all of it, but for white space before a word.
///
/// A match of white space alone that ends without a line end can only come from the last alternative, and
/// takes all the white space there is. Then `\s+(?!\S)` gives up one character, unless it is the only one.
fn piece_length(found: &str, rest: &str) -> usize {
    let ends_the_text = found.len() == rest.len();
    if ends_the_text || found.ends_with(['\r', '\n']) || !found.chars().all(char::is_whitespace) {
        return found.len();
    }
    match found.char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => found.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        Splitter::new().pieces(text).map(str::to_owned).collect()
    }

    /// Every line was compared with the original pattern in a regex engine that has look-ahead.
    #[test]
    fn text_splits_as_the_original_pattern_does() {
        let cases: Vec<(String, Vec<String>)> = serde_json::from_str(include_str!("pieces.json")).unwrap();
        assert!(cases.len() > 50);
        for (text, pieces) in cases {
            assert_eq!(split(&text), pieces, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_pieces_are_the_whole_text(text in r"[\PC\s']{0,40}") {
            proptest::prop_assert_eq!(split(&text).concat(), text);
        }
    }
}
