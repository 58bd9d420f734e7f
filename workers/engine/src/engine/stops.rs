//! Texts that end an answer: it is cut before them, and what may be the beginning of one is not shown.

/// Where an answer is looked at.
pub(super) struct Stops {
    texts: Vec<String>,
    /// Bytes of the answer that were shown.
    shown: usize,
}

impl Stops {
    /// None of `texts` is empty.
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self { texts, shown: 0 }
    }

    /// Where the answer is cut, if one of the texts is in it. What was shown holds none.
    pub(super) fn cut(&self, answer: &str) -> Option<usize> {
        let found = self
            .texts
            .iter()
            .filter_map(|text| answer[self.shown..].find(text.as_str()));
        found.min().map(|at| self.shown + at)
    }

    /// What of the answer can be shown now.
    pub(super) fn show<'t>(&mut self, answer: &'t str) -> &'t str {
        let until = answer.len() - self.held(answer);
        let fresh = &answer[self.shown..until];
        self.shown = until;
        fresh
    }

    /// All that was not shown of an answer that ends.
    pub(super) fn show_rest<'t>(&mut self, answer: &'t str) -> &'t str {
        let fresh = &answer[self.shown..];
        self.shown = answer.len();
        fresh
    }

    /// Bytes at the answer's end that may be the beginning of a text.
    fn held(&self, answer: &str) -> usize {
        let fresh = &answer[self.shown..];
        let begins = |length: &usize| {
            let end = &fresh.as_bytes()[fresh.len() - length..];
            self.texts.iter().any(|text| text.as_bytes().starts_with(end))
        };
        let longest = self.texts.iter().map(String::len).max().unwrap_or_default();
        (1..longest.min(fresh.len() + 1))
            .rev()
            .find(|length| fresh.is_char_boundary(fresh.len() - length) && begins(length))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn what_may_become_a_stop_is_held_until_it_is_none() {
        let texts = texts(&["END", "合计"]);
        let mut stops = Stops::new(texts);
        assert_eq!(stops.show("total E"), "total ");
        assert_eq!(stops.show("total EN"), "");
        assert_eq!(stops.show("total EN合"), "EN");
        assert_eq!(stops.cut("total EN合"), None);
        assert_eq!(stops.show("total EN合同"), "合同");
        assert_eq!(stops.cut("total EN合同合计"), Some("total EN合同".len()));
        assert_eq!(stops.show_rest("total EN合同"), "");
    }

    #[test]
    fn the_first_of_several_cuts() {
        let texts = texts(&["b", "ab"]);
        let stops = Stops::new(texts);
        assert_eq!(stops.cut("xxab"), Some(2));
        assert_eq!(stops.cut("xxb"), Some(2));
        assert_eq!(stops.cut(""), None);
    }

    #[test]
    fn without_stops_all_is_shown() {
        let mut stops = Stops::new(Vec::new());
        assert_eq!(stops.show("all"), "all");
        assert_eq!(stops.cut("all"), None);
    }
}
