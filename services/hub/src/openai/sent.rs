//! What was sent of an answer. It cannot be taken back, so only what the answer surely begins with is sent on.

/// The answer does not begin with what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Departed;

/// See the module's text.
#[derive(Default)]
pub(super) struct Sent {
    text: String,
    attempt: u32,
    /// Bytes of what the attempt wrote so far. They are those that were sent.
    written: usize,
}

impl Sent {
    /// What of a piece of the attempt's text is new. A later attempt writes the answer again from its start.
    pub(super) fn go_on<'t>(&mut self, attempt: u32, piece: &'t str) -> Result<&'t str, Departed> {
        if attempt != self.attempt {
            (self.attempt, self.written) = (attempt, 0);
        }
        let known = self.text.get(self.written..).unwrap_or_default();
        let new = match piece.strip_prefix(known) {
            Some(new) => new,
            None if known.starts_with(piece) => "",
            None => return Err(Departed),
        };
        self.written += piece.len();
        self.text.push_str(new);
        Ok(new)
    }

    /// What of the whole answer was not sent yet.
    pub(super) fn rest<'t>(&self, answer: &'t str) -> Result<&'t str, Departed> {
        answer.strip_prefix(self.text.as_str()).ok_or(Departed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_goes_on_where_the_first_ended() {
        let mut sent = Sent::default();
        assert_eq!(sent.go_on(1, "合计"), Ok("合计"));
        assert_eq!(sent.go_on(1, " 12"), Ok(" 12"));
        assert_eq!(sent.go_on(2, "合"), Ok(""));
        assert_eq!(sent.go_on(2, "计 12.5"), Ok(".5"));
        assert_eq!(sent.go_on(2, "0 €"), Ok("0 €"));
        assert_eq!(sent.rest("合计 12.50 €."), Ok("."));
    }

    #[test]
    fn what_departs_from_what_was_sent_is_told() {
        let mut sent = Sent::default();
        assert_eq!(sent.rest("anything"), Ok("anything"));
        sent.go_on(1, "合计 12").unwrap();
        assert_eq!(sent.go_on(2, "合计 13"), Err(Departed));
        assert_eq!(sent.rest("合计 13"), Err(Departed));
        assert_eq!(sent.rest("合"), Err(Departed));
    }

    #[test]
    fn another_character_with_the_same_first_byte_departs() {
        let mut sent = Sent::default();
        sent.go_on(1, "计").unwrap();
        assert_eq!(sent.go_on(2, "讠"), Err(Departed));
    }
}
