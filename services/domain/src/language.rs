//! The languages that pages are written in.

use std::str::FromStr;

/// A language of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

/// The tag names no language of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pages are in en and zh")]
pub struct BadLanguage;

impl Language {
    /// Its tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
    }

    /// Whichever of the two texts is in this language.
    pub fn of<T>(self, english: T, chinese: T) -> T {
        match self {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// The first language of ours in a list such as `zh-CN,zh;q=0.9,en;q=0.8`, which browsers send in the order of
    /// their wishes.
    pub fn wished(header: &str) -> Self {
        let tags = header.split(',').map(|wish| wish.trim());
        let ours = |tag: &str| match tag.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Language::Chinese),
            Some("en") => Some(Language::English),
            _ => None,
        };
        tags.filter_map(ours).next().unwrap_or_default()
    }
}

impl FromStr for Language {
    type Err = BadLanguage;

    fn from_str(text: &str) -> Result<Self, BadLanguage> {
        match text {
            "en" => Ok(Language::English),
            "zh" => Ok(Language::Chinese),
            _ => Err(BadLanguage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_of_ours_that_is_wished_for_is_taken() {
        assert_eq!(Language::wished("zh-CN,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(Language::wished("fr,en-GB;q=0.7,zh;q=0.1"), Language::English);
        assert_eq!(Language::wished("fr, *"), Language::English);
        assert_eq!(Language::wished("语"), Language::English);
    }
}
