//! Text of an answer while it is being written: a character appears when its last byte is there.

use super::ranks::Ranks;

/// Turns ids into text one by one. What [`push`](Self::push) and [`finish`](Self::finish) gave, put
/// together, equals [`decode`](super::Tokenizer::decode) of all the ids.
#[derive(Debug)]
pub struct DecodeStream<'t> {
    ranks: &'t Ranks,
    /// Bytes that may still become a character.
    held: Vec<u8>,
}

impl<'t> DecodeStream<'t> {
    pub(super) fn new(ranks: &'t Ranks) -> DecodeStream<'t> {
        DecodeStream {
            ranks,
            held: Vec::new(),
        }
    }

    /// The text that `id` completes, often empty. Special tokens and ids without a token have none.
    pub fn push(&mut self, id: u32) -> String {
        self.held
            .extend_from_slice(self.ranks.bytes_of(id).unwrap_or_default());
        let mut text = String::new();
        let mut done = 0;
        loop {
            match std::str::from_utf8(&self.held[done..]) {
                Ok(valid) => {
                    text.push_str(valid);
                    done = self.held.len();
                    break;
                }
                Err(error) => {
                    let valid = &self.held[done..done + error.valid_up_to()];
                    text.push_str(&String::from_utf8_lossy(valid));
                    done += error.valid_up_to();
                    let Some(wrong) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    done += wrong;
                }
            }
        }
        self.held.drain(..done);
        text
    }

    /// Ends the text: a character that was never completed becomes U+FFFD.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }
}
