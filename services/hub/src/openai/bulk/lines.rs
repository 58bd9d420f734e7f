//! A file of requests, line by line: nothing is held but the line that is read.

use crate::problem::Problem;
use bytes::{Bytes, BytesMut};
use domain::digest::Sha256;
use exchange::blobs::{BlobError, Blobs, ByteStream};
use futures_util::StreamExt as _;

/// See the module's text.
pub struct Lines {
    source: ByteStream,
    ahead: BytesMut,
    most: usize,
    over: bool,
    read: Read,
}

/// How much of a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
}

/// A line without its end.
pub struct Line {
    /// Nothing, if it is longer than any may be.
    pub text: Option<Bytes>,
    /// Its number, from 1.
    pub number: u64,
    /// Where in the file the next one begins.
    pub end: u64,
}

impl Line {
    /// Whether nothing stands in it.
    pub fn is_blank(&self) -> bool {
        let text = self.text.as_deref();
        text.is_some_and(|text| text.iter().all(u8::is_ascii_whitespace))
    }
}

impl Lines {
    /// The lines of a blob after what was `read` of it, each of at most `most` bytes.
    pub async fn after(
        read: Read,
        blobs: &dyn Blobs,
        sha256: Sha256,
        most: usize,
    ) -> Result<Self, BlobError> {
        let source = blobs.get_from(sha256, read.bytes).await?;
        Ok(Self::of(source, read, most))
    }

    /// The lines of what comes, after what was `read` of it already.
    pub fn of(source: ByteStream, read: Read, most: usize) -> Self {
        Self {
            source,
            ahead: BytesMut::new(),
            most,
            over: false,
            read,
        }
    }

    /// The next line in which something stands. Problem: 503 `storage_unavailable`.
    pub async fn next_filled(&mut self) -> Result<Option<Line>, Problem> {
        while let Some(line) = self.next().await? {
            if !line.is_blank() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The next line. Problem: 503 `storage_unavailable`.
    pub async fn next(&mut self) -> Result<Option<Line>, Problem> {
        let (mut looked, mut is_long) = (0, false);
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.ahead[looked..]) {
                let text = self.ahead.split_to(looked + at + 1);
                self.read.bytes += text.len() as u64;
                let text = text.freeze().slice(..looked + at);
                return Ok(Some(self.line(text, is_long)));
            }
            if self.ahead.len() > self.most {
                is_long = true;
                self.read.bytes += self.ahead.len() as u64;
                self.ahead.clear();
            }
            looked = self.ahead.len();
            if self.over {
                if self.ahead.is_empty() && !is_long {
                    return Ok(None);
                }
                let text = self.ahead.split().freeze();
                self.read.bytes += text.len() as u64;
                return Ok(Some(self.line(text, is_long)));
            }
            match self.source.next().await {
                Some(Ok(piece)) => self.ahead.extend_from_slice(&piece),
                Some(Err(error)) => return Err(BlobError::Io(error).into()),
                None => self.over = true,
            }
        }
    }

    fn line(&mut self, text: Bytes, is_long: bool) -> Line {
        self.read.lines += 1;
        Line {
            text: (!is_long && text.len() <= self.most).then_some(text),
            number: self.read.lines,
            end: self.read.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    /// Texts of the lines and where each ends, of a file that comes in pieces of `size` bytes.
    async fn lines(file: &'static [u8], size: usize, most: usize) -> Vec<(Option<String>, u64)> {
        let pieces: Vec<_> = file
            .chunks(size)
            .map(|piece| Ok(Bytes::from_static(piece)))
            .collect();
        let mut lines = Lines::of(stream::iter(pieces).boxed(), Read::default(), most);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            assert_eq!(line.number, read.len() as u64 + 1);
            let text = line.text.map(|text| String::from_utf8(text.to_vec()).unwrap());
            read.push((text, line.end));
        }
        read
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_file_comes() {
        let file = b"one\n\ntwo two\nlast";
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            (text("one"), 4),
            (text(""), 5),
            (text("two two"), 13),
            (text("last"), 17),
        ];
        for size in [1, 2, 5, 100] {
            assert_eq!(lines(file, size, 7).await, expected, "{size}");
        }
        assert_eq!(lines(b"", 1, 7).await, []);
        assert_eq!(lines(b"a\n", 1, 7).await, [(text("a"), 2)]);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_not_held() {
        let file = b"good\nmuch too long\nfine\nmuch too long";
        let text = |text: &str| Some(text.to_owned());
        let expected = [(text("good"), 5), (None, 19), (text("fine"), 24), (None, 37)];
        for size in [1, 3, 100] {
            assert_eq!(lines(file, size, 6).await, expected, "{size}");
        }
    }
}
