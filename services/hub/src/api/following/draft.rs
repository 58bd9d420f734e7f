//! An answer as it is heard, piece by piece: each byte once, in order.

use exchange::queue::Written;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for an answer's start before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module's text.
#[derive(Default)]
pub(super) struct Draft {
    attempt: u32,
    /// Bytes of the answer that were heard.
    bytes: usize,
    /// What was heard and not told.
    fresh: String,
    /// Whether a piece showed that some before it are missing.
    lacks: bool,
    asked: Option<Instant>,
}

impl Draft {
    /// Hears a piece. That of another attempt begins anew.
    pub(super) fn hear(&mut self, written: &Written) {
        if written.attempt != self.attempt {
            *self = Self {
                attempt: written.attempt,
                ..Self::default()
            };
        }
        let Some(known) = self.bytes.checked_sub(written.from) else {
            self.lacks = true;
            return;
        };
        // Nothing if it ends before, or in the middle of a character of, what was heard.
        let new = written.text.get(known..).unwrap_or_default();
        self.fresh.push_str(new);
        self.bytes += new.len();
        (self.lacks, self.asked) = (false, None);
    }

    /// What `attempt` has written since this was asked last, if anything.
    pub(super) fn fresh(&mut self, attempt: u32) -> Option<String> {
        let fresh = std::mem::take(&mut self.fresh);
        (attempt == self.attempt && !fresh.is_empty()).then_some(fresh)
    }

    /// Whether the answer is to be asked for from its start now. It says so once in a while.
    pub(super) fn lacks_something(&mut self) -> bool {
        let waits = self.asked.is_some_and(|asked| asked.elapsed() < PATIENCE);
        let now = self.lacks && !waits;
        if now {
            self.asked = Some(Instant::now());
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;
    use time::OffsetDateTime;

    fn piece(attempt: u32, from: usize, text: &str) -> Written {
        let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH));
        Written {
            job: IdMaker::new(clock).make(),
            attempt,
            from,
            text: text.to_owned(),
        }
    }

    fn told(draft: &mut Draft, pieces: &[Written]) -> String {
        pieces.iter().for_each(|piece| draft.hear(piece));
        draft.fresh(pieces[0].attempt).unwrap_or_default()
    }

    #[test]
    fn each_byte_is_told_once_however_often_it_comes() {
        let mut draft = Draft::default();
        assert_eq!(told(&mut draft, &[piece(1, 0, "合计")]), "合计");
        assert_eq!(
            told(&mut draft, &[piece(1, 0, "合计"), piece(1, 3, "计 1")]),
            " 1"
        );
        assert_eq!(told(&mut draft, &[piece(1, 0, "合计 12")]), "2");
        assert_eq!(draft.fresh(1), None);
    }

    #[test]
    fn what_follows_a_gap_waits_for_the_start_which_is_asked_for_once() {
        let mut draft = Draft::default();
        assert_eq!(told(&mut draft, &[piece(1, 0, "a"), piece(1, 2, "c")]), "a");
        assert!(draft.lacks_something());
        assert!(!draft.lacks_something());
        assert_eq!(
            told(&mut draft, &[piece(1, 3, "d"), piece(1, 0, "abcde")]),
            "bcde"
        );
        assert!(!draft.lacks_something());
    }

    #[test]
    fn another_attempt_begins_anew_and_what_was_not_told_of_the_last_is_dropped() {
        let mut draft = Draft::default();
        draft.hear(&piece(1, 0, "one"));
        assert_eq!(told(&mut draft, &[piece(2, 0, "two")]), "two");
        draft.hear(&piece(2, 3, "!"));
        assert_eq!(draft.fresh(3), None);
    }

    #[test]
    fn a_piece_that_would_cut_a_character_is_left_out() {
        let mut draft = Draft::default();
        assert_eq!(told(&mut draft, &[piece(1, 0, "a"), piece(1, 0, "合计")]), "a");
    }
}
