//! Parts of a file by `Range` (RFC 9110, section 14), so that who was cut off can go on.

use actix_web::{
    HttpRequest,
    http::header::{ByteRangeSpec, Header as _, IF_RANGE, Range},
};
use bytes::Bytes;
use exchange::blobs::ByteStream;
use futures_util::{StreamExt as _, stream};
use std::{io, ops};

/// Which bytes of a file are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    first: u64,
    bytes: u64,
    of: u64,
    named: bool,
}

impl Part {
    /// The part of a file of `bytes` that a request asks for; nothing if the file has no such part. Who asks for
    /// several parts, or for the rest of another state of the file, gets the whole.
    pub fn asked(request: &HttpRequest, bytes: u64, etag: &str) -> Option<Self> {
        let whole = Self {
            first: 0,
            bytes,
            of: bytes,
            named: false,
        };
        let state = request.headers().get(IF_RANGE);
        if state.is_some_and(|state| state.as_bytes() != etag.as_bytes()) {
            return Some(whole);
        }
        match Range::parse(request) {
            Ok(Range::Bytes(specs)) => match specs.as_slice() {
                [one] => Self::of_spec(one, bytes),
                _ => Some(whole),
            },
            _ => Some(whole),
        }
    }

    fn of_spec(spec: &ByteRangeSpec, of: u64) -> Option<Self> {
        let (first, last) = spec.to_satisfiable_range(of)?;
        Some(Self {
            first,
            bytes: last - first + 1,
            of,
            named: true,
        })
    }

    /// Where in the file it lies.
    pub fn range(&self) -> ops::Range<u64> {
        self.first..self.first + self.bytes
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is all of the file.
    pub fn whole(&self) -> bool {
        self.bytes == self.of
    }

    /// The value of `Content-Range`, if a part was asked for.
    pub fn content_range(&self) -> Option<String> {
        let last = self.first + self.bytes.saturating_sub(1);
        self.named
            .then(|| format!("bytes {}-{last}/{}", self.first, self.of))
    }

    /// The part out of a whole file that comes in one piece.
    pub fn of(&self, content: Bytes) -> Bytes {
        let first = usize::try_from(self.first)
            .unwrap_or(usize::MAX)
            .min(content.len());
        let end = first.saturating_add(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        content.slice(first..end.min(content.len()))
    }

    /// As many bytes as the part has, from the beginning of `rest`.
    pub fn beginning(&self, rest: ByteStream) -> ByteStream {
        stream::unfold((rest, self.bytes), |(mut rest, left)| async move {
            if left == 0 {
                return None;
            }
            match rest.next().await {
                Some(Ok(piece)) => {
                    let kept = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                    Some((Ok(piece.slice(..kept)), (rest, left - kept as u64)))
                }
                Some(Err(error)) => Some((Err(error), (rest, 0))),
                None => Some((Err(io::ErrorKind::UnexpectedEof.into()), (rest, 0))),
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use exchange::blobs::one_piece;

    fn asked(range: Option<&str>, state: Option<&str>) -> Option<Part> {
        let mut request = TestRequest::get();
        for (name, value) in [("range", range), ("if-range", state)] {
            if let Some(value) = value {
                request = request.insert_header((name, value));
            }
        }
        Part::asked(&request.to_http_request(), 10, "\"now\"")
    }

    #[test]
    fn a_part_is_where_it_was_asked_for() {
        for (range, told, content) in [
            ("bytes=0-0", "bytes 0-0/10", "0"),
            ("bytes=3-", "bytes 3-9/10", "3456789"),
            ("bytes=8-20", "bytes 8-9/10", "89"),
            ("bytes=-2", "bytes 8-9/10", "89"),
            ("bytes=0-", "bytes 0-9/10", "0123456789"),
        ] {
            let part = asked(Some(range), None).unwrap();
            assert_eq!(part.content_range().as_deref(), Some(told), "{range}");
            assert_eq!(part.of("0123456789".into()), content, "{range}");
            assert_eq!(part.bytes(), content.len() as u64);
        }
    }

    #[test]
    fn what_cannot_be_had_in_part_is_whole_or_refused() {
        for (range, state) in [
            (None, None),
            (Some("bytes=0-1,3-4"), None),
            (Some("lines=1-2"), None),
            (Some("bytes=3-"), Some("\"before\"")),
        ] {
            let part = asked(range, state).unwrap();
            assert!(part.whole() && part.content_range().is_none(), "{range:?}");
        }
        assert_eq!(asked(Some("bytes=3-"), Some("\"now\"")).unwrap().bytes(), 7);
        assert_eq!(asked(Some("bytes=10-"), None), None);
    }

    #[tokio::test]
    async fn a_part_ends_in_the_middle_of_a_piece_and_what_is_missing_is_an_error() {
        let part = asked(Some("bytes=2-4"), None).unwrap();
        let sent: Vec<_> = part.beginning(one_piece("23456789")).collect().await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].as_ref().unwrap(), "234");
        let cut: Vec<_> = part.beginning(one_piece("2")).collect().await;
        assert!(cut.last().unwrap().is_err());
    }
}
