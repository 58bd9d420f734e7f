//! Spans of time on the command line: `45s`, `30m`, `12h`, `30d`.

use std::str::FromStr;
use time::Duration;

/// A span longer than nothing, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// The text is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number and a unit: 45s, 30m, 12h or 30d")]
pub struct BadSpan;

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let seconds_per_unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(BadSpan),
        };
        let number = &text[..text.len() - 1];
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadSpan);
        }
        let number: u32 = number.parse().map_err(|_| BadSpan)?;
        match i64::from(number) * seconds_per_unit {
            0 => Err(BadSpan),
            seconds => Ok(Self(Duration::seconds(seconds))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, seconds) in [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::seconds(seconds))), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_spans() {
        for text in [
            "",
            "d",
            "30",
            "0d",
            "-1d",
            "+1d",
            "1.5h",
            "1 d",
            "1w",
            "99999999999d",
            "30д",
        ] {
            assert_eq!(text.parse::<Span>(), Err(BadSpan), "{text:?}");
        }
    }
}
