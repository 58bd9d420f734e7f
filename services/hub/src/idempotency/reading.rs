//! Bodies, with the digest by which a request is known again.
//!
//! JSON is read before the handler runs. Everything else goes to the handler as it comes, and is digested on its way.
//! Clients make up another boundary for the parts of a body whenever they send it, so a boundary counts as a boundary and
//! not as its text; what comes after the last one is nothing.

use crate::{multipart, problem::Problem};
use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::header::CONTENT_TYPE,
    web::{Bytes, BytesMut},
};
use domain::digest::Sha256;
use futures_util::{Stream, StreamExt as _, stream};
use memchr::memmem::Finder;
use sha2::Digest as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A body on its way.
pub(super) struct Body {
    said: Said,
    /// What has been read and not been handed on.
    ahead: Bytes,
    rest: Payload,
    /// Whether all of it has been read.
    whole: bool,
}

/// The digest of what has been read of a body.
#[derive(Clone)]
pub(super) struct Said(Arc<Mutex<Digesting>>);

impl Said {
    fn lock(&self) -> MutexGuard<'_, Digesting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The digest of a request with that head.
    pub(super) fn digest(&self, head: Sha256) -> Sha256 {
        let mut hasher = sha2::Sha256::new();
        hasher.update(head.as_bytes());
        hasher.update(self.lock().digest());
        Sha256::from_bytes(hasher.finalize().into())
    }
}

impl Body {
    /// The body of a request, of which JSON is read up to `most` bytes.
    pub(super) async fn of(request: &mut ServiceRequest, most: usize) -> Self {
        let header = request.headers().get(CONTENT_TYPE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let digesting = Digesting::of(header);
        let is_json = multipart::essence(header) == "application/json";
        let mut body = Self {
            said: Said(Arc::new(Mutex::new(digesting))),
            ahead: Bytes::new(),
            rest: request.take_payload(),
            whole: false,
        };
        if is_json {
            body.read_ahead(most).await;
        }
        body
    }

    async fn read_ahead(&mut self, most: usize) {
        let mut read = BytesMut::new();
        while read.len() <= most {
            match self.rest.next().await {
                Some(Ok(bytes)) => read.extend_from_slice(&bytes),
                // The handler finds it broken off too.
                Some(Err(_)) => break,
                None => {
                    self.whole = true;
                    break;
                }
            }
        }
        self.ahead = read.freeze();
        if self.whole {
            self.said.lock().update(&self.ahead);
        }
    }

    /// The digest, if the whole body has been read.
    pub(super) fn whole(&mut self, head: Sha256) -> Option<Sha256> {
        self.whole.then(|| self.said.digest(head))
    }

    /// Reads what is left, keeping none of it, and gives the digest. Problem: 400 `upload_broken`.
    pub(super) async fn read_out(&mut self, head: Sha256) -> Result<Sha256, Problem> {
        if !self.whole {
            self.said.lock().update(&self.ahead);
            while let Some(piece) = self.rest.next().await {
                let piece = piece.map_err(|error| {
                    Problem::bad_request("upload_broken", format!("the body broke off: {error}"))
                })?;
                self.said.lock().update(&piece);
            }
        }
        Ok(self.said.digest(head))
    }

    /// Gives the body to the request again; the digest goes along with the reading.
    pub(super) fn hand_on(self, request: &mut ServiceRequest) -> Said {
        let Self {
            said,
            ahead,
            rest,
            whole,
        } = self;
        let ahead = stream::iter((!ahead.is_empty()).then_some(Ok(ahead)));
        let payload: std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = match whole {
            true => Box::pin(ahead),
            false => {
                let said = said.clone();
                Box::pin(ahead.chain(rest).inspect(move |piece| {
                    if let Ok(piece) = piece {
                        said.lock().update(piece);
                    }
                }))
            }
        };
        request.set_payload(Payload::from(payload));
        said
    }
}

/// A digest that goes along.
enum Digesting {
    Plain(sha2::Sha256),
    Parts(Box<Parts>),
}

struct Parts {
    boundary: Finder<'static>,
    hasher: sha2::Sha256,
    /// The digest up to the last boundary.
    ended: sha2::Sha256,
    /// Bytes since then.
    since: u64,
    /// What may be the beginning of a boundary.
    carry: Vec<u8>,
}

impl Digesting {
    /// For a body of that content type.
    fn of(content_type: &str) -> Self {
        let is_multipart = multipart::essence(content_type).starts_with("multipart/");
        match boundary(content_type).filter(|_| is_multipart) {
            None => Self::Plain(sha2::Sha256::new()),
            Some(boundary) => Self::Parts(Box::new(Parts {
                boundary: Finder::new(boundary.as_bytes()).into_owned(),
                hasher: sha2::Sha256::new(),
                ended: sha2::Sha256::new(),
                since: 0,
                carry: Vec::new(),
            })),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(hasher) => hasher.update(bytes),
            Self::Parts(parts) => parts.update(bytes),
        }
    }

    fn digest(&self) -> [u8; 32] {
        match self {
            Self::Plain(hasher) => hasher.clone().finalize().into(),
            Self::Parts(parts) => parts.ended.clone().finalize().into(),
        }
    }
}

impl Parts {
    fn update(&mut self, bytes: &[u8]) {
        let mut text = std::mem::take(&mut self.carry);
        text.extend_from_slice(bytes);
        let (length, mut from) = (self.boundary.needle().len(), 0);
        while let Some(place) = self.boundary.find(&text[from..]) {
            self.hasher.update(&text[from..from + place]);
            // No text between two boundaries can look like one: each is told with its length.
            self.hasher.update((self.since + place as u64).to_le_bytes());
            self.since = 0;
            self.ended = self.hasher.clone();
            from += place + length;
        }
        let kept = (length - 1).min(text.len() - from);
        let until = text.len() - kept;
        self.hasher.update(&text[from..until]);
        self.since += (until - from) as u64;
        self.carry = text[until..].to_vec();
    }
}

/// The boundary that a content type names.
fn boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(content_type: &str, pieces: &[&[u8]]) -> [u8; 32] {
        let mut digesting = Digesting::of(content_type);
        for piece in pieces {
            digesting.update(piece);
        }
        digesting.digest()
    }

    fn parts(boundary: &str, text: &str) -> String {
        format!("--{boundary}\r\nname\r\n\r\n{text}\r\n--{boundary}--\r\n")
    }

    #[test]
    fn a_body_of_parts_is_the_same_with_another_boundary_and_in_other_pieces() {
        let (one, two) = (parts("abc", "text"), parts("a-much-longer-one", "text"));
        let whole = digest("multipart/form-data; boundary=abc", &[one.as_bytes()]);
        let bytewise: Vec<&[u8]> = two.as_bytes().chunks(1).collect();
        let other = "multipart/form-data; charset=x; boundary=\"a-much-longer-one\"";
        assert_eq!(whole, digest(other, &bytewise));
        let different = parts("abc", "texts");
        assert_ne!(
            whole,
            digest("multipart/form-data; boundary=abc", &[different.as_bytes()])
        );
    }

    #[test]
    fn where_text_is_cut_by_boundaries_counts() {
        let one = digest("multipart/form-data; boundary=XX", &[b"aXXbcXX"]);
        let two = digest("multipart/form-data; boundary=XX", &[b"abXXcXX"]);
        assert_ne!(one, two);
        // A boundary that ends in the middle of itself is none.
        let torn = digest("multipart/form-data; boundary=XX", &[b"aXXbcXX", b"tail X"]);
        assert_eq!(one, torn);
    }

    #[test]
    fn other_bodies_are_what_they_are() {
        let one = digest("application/json; boundary=x", &[b"{\"x\":1}"]);
        assert_eq!(one, <[u8; 32]>::from(sha2::Sha256::digest(b"{\"x\":1}")));
    }
}
