//! What is done with what strangers send, and what must hold whatever it is.
//!
//! The targets of `services/glmhub/fuzz` do this with bytes that a fuzzer finds, the tests with their corpus and mutations
//! of it.

use actix_web::{
    FromRequest as _,
    dev::Payload,
    error::PayloadError,
    http::header::{CONTENT_TYPE, HeaderValue},
    rt::{Runtime, time::timeout},
    test::TestRequest,
    web::{self, Bytes},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{
    access::{Caller, Role},
    api_key::ApiKey,
};
use exchange::{
    issuer_keys::{Claimed, IssuerKeys},
    signing::{SigningKey, VerifyingKeys},
};
use futures_util::{Stream, StreamExt as _, stream};
use hub::{
    access_token,
    multipart::{self, Parts},
    openai::{
        bulk::{
            lines::{Lines, Read},
            request_line::{self, MOST_ID},
        },
        data_url::{self, Picture},
    },
    outgoing::{Guard, MOST_URL_CHARACTERS, OutgoingSettings},
};
use std::{collections::BTreeSet, net::IpAddr, pin::Pin, sync::LazyLock};
use time::{Duration, OffsetDateTime};

/// After so long nothing goes on any more.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// The most bytes of a part that is read as text.
const MOST_TEXT: usize = 64;
/// The most bytes that are told of what is wrong with a line of a file.
const MOST_TOLD_OF_LINE: usize = 1_000;
/// The most bytes that are told of what is wrong with a URL.
const MOST_TOLD: usize = 4 * MOST_URL_CHARACTERS + 200;

thread_local! {
    static RUNTIME: Runtime = Runtime::new().unwrap();
}

/// A body of several parts: a line with its content type, a byte that tells in what pieces it comes, the body.
pub fn multipart(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    let (Ok(media_type), [_, size, body @ ..]) = (HeaderValue::from_bytes(line), rest) else {
        return;
    };
    let pieces: Vec<Result<Bytes, PayloadError>> = body
        .chunks(usize::from(*size).max(1))
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let pieces: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(stream::iter(pieces));
    let request = TestRequest::post()
        .insert_header((CONTENT_TYPE, media_type))
        .to_http_request();
    let reading = async {
        let payload = web::Payload::from_request(&request, &mut Payload::from(pieces))
            .await
            .unwrap();
        read_parts(Parts::of(&request, payload), body.len()).await;
    };
    let ended = RUNTIME.with(|runtime| runtime.block_on(async { timeout(PATIENCE, reading).await }));
    assert!(ended.is_ok(), "the body is waited for although it has ended");
}

/// Reads every second part as text and every other one to its end.
async fn read_parts(mut parts: Parts, most: usize) {
    let (mut number, mut bytes) = (0, 0);
    while let Ok(Some(part)) = parts.next().await {
        number += 1;
        assert!(number <= most, "more parts came than bytes");
        assert!(part.name().len() <= most && part.media_type().len() <= most);
        if let Ok(Some(name)) = multipart::checked_name(part.file_name()) {
            assert!(!name.is_empty() && !name.chars().any(char::is_control));
        }
        if number % 2 == 1 {
            bytes += part.text(MOST_TEXT).await.map_or(0, |text| text.len());
            continue;
        }
        let mut stream = part.into_stream();
        while let Some(Ok(piece)) = stream.next().await {
            bytes += piece.len();
        }
    }
    assert!(bytes <= most, "more was read than came");
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::ephemeral().unwrap());

fn caller() -> Caller {
    Caller {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::from([Role::Submitter]),
    }
}

/// What comes as `Authorization: Bearer …`: alone, and laid over a genuine token.
pub fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    let genuine = access_token::issue(&KEY, &caller(), now, Duration::hours(1)).unwrap();
    let at = bytes.first().map_or(0, |&byte| usize::from(byte) % genuine.len());
    let forged = format!(
        "{}{text}{}",
        &genuine[..at],
        genuine.get(at + text.len()..).unwrap_or_default()
    );
    for token in [&*text, &forged] {
        let seen = access_token::verify(&KEY.public(), token, now);
        assert!(seen.is_err() || seen == Ok(caller()), "{token}");
        if let Some(claimed) = Claimed::by(token) {
            assert!(claimed.issuer.len() <= token.len());
        }
    }
    if let Ok(key) = text.parse::<ApiKey>() {
        assert_eq!(key.reveal(), text);
        assert!(
            !format!("{key:?}").contains(&text[text.len() - 64..]),
            "it prints its secret"
        );
    }
    let keys = IssuerKeys::read(bytes).unwrap_or_default();
    assert!(!keys.has("no such key"));
    if let Ok(set) = serde_json::from_slice(bytes) {
        let _set = VerifyingKeys::from_jwks(&set);
    }
}

/// A URL that a tenant names.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let guard = Guard::new(&OutgoingSettings {
        allowed_networks: vec![],
        low_ports: vec![80, 443],
        connect_seconds: 1,
        fetch_seconds: 1,
    });
    let url = match guard.check_url(&text) {
        Ok(url) => url,
        Err(refusal) => {
            assert!(refusal.to_string().len() <= MOST_TOLD);
            return;
        }
    };
    assert!(
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    );
    let host = url.host_str().unwrap();
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        let ip = ip.to_canonical();
        let inside = match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        assert!(
            !inside && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast(),
            "{url}"
        );
    }
}

/// A file of requests, one a line: a byte that tells in what pieces it comes, one for the fourth part of the longest line that is taken, the
/// file.
pub fn jsonl(bytes: &[u8]) {
    let [size, most, file @ ..] = bytes else { return };
    let (size, most) = (usize::from(*size).max(1), 4 * usize::from(*most));
    let cut = RUNTIME.with(|runtime| runtime.block_on(read_lines(file, size, most)));
    let whole = RUNTIME.with(|runtime| runtime.block_on(read_lines(file, file.len().max(1), most)));
    assert_eq!(cut, whole, "the lines depend on how the file comes");
}

/// Where each line ends and what is called by it, or what is wrong with it.
async fn read_lines(file: &[u8], size: usize, most: usize) -> Vec<(u64, Result<String, String>)> {
    let pieces: Vec<std::io::Result<Bytes>> = file
        .chunks(size)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let mut lines = Lines::of(stream::iter(pieces).boxed(), Read::default(), most);
    let (mut read, mut begin) = (Vec::new(), 0);
    while let Some(line) = lines.next().await.unwrap() {
        let end = usize::try_from(line.end).unwrap();
        assert_eq!(line.number, read.len() as u64 + 1);
        let raw = &file[begin..end];
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let is_taken = text.len() <= most;
        assert_eq!(line.text.as_deref(), is_taken.then_some(text));
        let seen = request_line::read(&line, "/v1/chat/completions");
        read.push((
            line.end,
            match seen {
                Ok(request) => {
                    assert!((1..=MOST_ID).contains(&request.custom_id.chars().count()));
                    assert!(request.number == line.number && request.body.get().len() <= text.len());
                    Ok(request.custom_id)
                }
                Err(fault) => {
                    assert!(fault.line == Some(line.number) && fault.message.len() <= MOST_TOLD_OF_LINE);
                    Err(fault.code)
                }
            },
        ));
        begin = end;
    }
    assert_eq!(begin, file.len(), "some of the file is in no line");
    read
}

/// The URL of an image in a request.
pub fn data_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match data_url::read(&text) {
        Err(data_url::BadUrl) => {}
        Ok(Picture::Elsewhere(url)) => {
            let url = url.to_ascii_lowercase();
            assert!(url.starts_with("http:") || url.starts_with("https:"));
        }
        Ok(Picture::Here(image)) => {
            assert!(image.bytes.len() < text.len() && !image.media_type.is_empty());
            let essence = &image.media_type;
            assert!(essence.len() < text.len() && !essence.contains([';', ',']));
            let again = format!("data:{essence};base64,{}", BASE64_STANDARD.encode(&image.bytes));
            assert_eq!(data_url::read(&again), Ok(Picture::Here(image)));
        }
    }
}
