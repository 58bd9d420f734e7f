//! Clients that dribble, hold connections for nothing, or send heads that are too large: they end, and others are served.

use crate::{
    hub::{Hub, PATIENCE, eventually},
    jobs::{hub_with_model, open},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedWriteHalf},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Limits that a test can wait for.
const SHORT: [(&str, &str); 4] = [
    ("GLMHUB_CONNECTIONS__HEAD_SECONDS", "1"),
    ("GLMHUB_CONNECTIONS__KEEP_ALIVE_SECONDS", "1"),
    ("GLMHUB_CONNECTIONS__BODY_SECONDS", "1"),
    ("GLMHUB_CONNECTIONS__LEAST_BODY_BYTES", "100"),
];
/// How long clients pause between two bytes.
const PAUSE: Duration = Duration::from_millis(50);

fn address(hub: &Hub) -> String {
    hub.url().strip_prefix("http://").unwrap().to_owned()
}

/// Sends `pieces` with pauses, for as long as the other side takes them.
async fn dribble(mut to: OwnedWriteHalf, pieces: impl Iterator<Item = Vec<u8>>) {
    for piece in pieces {
        if to.write_all(&piece).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// What comes until the other side ends the connection, while `pieces` are sent with pauses; and how long that took.
async fn told(
    stream: TcpStream,
    pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
) -> (String, Duration) {
    let began = Instant::now();
    let (mut from, to) = stream.into_split();
    let sending = tokio::spawn(dribble(to, pieces));
    let mut read = Vec::new();
    // An end without ceremony is an end too.
    let ended = timeout(PATIENCE, from.read_to_end(&mut read)).await;
    assert!(ended.is_ok(), "the connection is still open");
    sending.abort();
    (String::from_utf8(read).unwrap(), began.elapsed())
}

/// `first`, and then one byte after the other for as long as anybody takes them.
fn bytewise(first: &str) -> impl Iterator<Item = Vec<u8>> + use<> {
    std::iter::once(first.as_bytes().to_vec()).chain(std::iter::repeat(b"a".to_vec()))
}

fn problem(response: &str) -> Value {
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {response}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_dribble_are_cut_off_and_others_are_served_meanwhile() {
    let hub = Hub::start_with(&SHORT);
    let client = hub.client("acme", &["submitter"]);
    let mut slow = JoinSet::new();
    for _ in 0..100 {
        let stream = TcpStream::connect(address(&hub)).await.unwrap();
        slow.spawn(told(stream, bytewise("GET /v1/batches HTTP/1.1\r\nx-")));
    }
    let mut served = 0;
    while !slow.is_empty() {
        client.get("/v1/batches").await.expect(200);
        served += 1;
        while let Some(ended) = slow.try_join_next() {
            let (response, _) = ended.unwrap();
            assert!(
                response.is_empty() || response.starts_with("HTTP/1.1 408 "),
                "{response}"
            );
        }
    }
    assert!(served >= 2, "only {served} others were served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_head_that_dribbles_is_cut_off_too() {
    let hub = Hub::start_with(&SHORT);
    let stream = TcpStream::connect(address(&hub)).await.unwrap();
    let whole = "GET /healthz HTTP/1.1\r\nhost: hub\r\n\r\n";
    let (response, took) = told(stream, bytewise(&format!("{whole}GET /healthz HTTP/1.1\r\nx-"))).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_eq!(response.matches("HTTP/1.1").count(), 1, "{response}");
    assert!(took >= Duration::from_millis(1_900), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_kept_for_nothing_is_ended_and_one_that_is_used_is_not() {
    let hub = Hub::start_with(&SHORT);
    let whole = || b"GET /healthz HTTP/1.1\r\nhost: hub\r\n\r\n".to_vec();
    let idle = TcpStream::connect(address(&hub)).await.unwrap();
    let (response, _) = told(idle, std::iter::once(whole())).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let used = TcpStream::connect(address(&hub)).await.unwrap();
    // Longer than the hub keeps an unused one and waits for a head together.
    let (response, took) = told(used, std::iter::repeat_with(whole).take(60)).await;
    assert_eq!(response.matches("HTTP/1.1 200 ").count(), 60, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_dribbles_is_refused_and_leaves_nothing_and_one_that_is_only_slow_is_taken() {
    let hub = hub_with_model(&SHORT);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let token = hub.token("acme", &["submitter"]);
    let head = |length: usize| {
        format!(
            "POST {batch}/documents HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\n\
             content-type: image/png\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    let stream = TcpStream::connect(address(&hub)).await.unwrap();
    let (response, _) = told(stream, bytewise(&head(1_000_000))).await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert_eq!(problem(&response)["code"], "body_too_slow", "{response}");
    let documents = format!("{batch}/documents");
    assert_eq!(client.get(&documents).await.json()["data"], json!([]));
    let drafts = hub.data().join("blobs/drafts");
    eventually("the upload to be cleared away", || async {
        let folders = std::fs::read_dir(&drafts)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let kept: usize = folders
            .filter(|path| path.is_dir())
            .map(|path| std::fs::read_dir(path).unwrap().count())
            .sum();
        (kept == 0).then_some(())
    })
    .await;
    // 60 pieces take three seconds, and ten times as much as must comes in each.
    let pieces = std::iter::repeat_n(vec![7; 50], 60);
    let slow = std::iter::once(head(3_000).into_bytes()).chain(pieces);
    let stream = TcpStream::connect(address(&hub)).await.unwrap();
    let (response, took) = told(stream, slow).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    assert!(took > Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_under_another_surface_is_told_in_its_form() {
    let hub = Hub::start_with(&SHORT);
    let token = hub.token("acme", &["submitter"]);
    let head = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunks = std::iter::repeat(b"1\r\n \r\n".to_vec());
    let stream = TcpStream::connect(address(&hub)).await.unwrap();
    let (response, _) = told(stream, std::iter::once(head.into_bytes()).chain(chunks)).await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert_eq!(problem(&response)["error"]["code"], "body_too_slow", "{response}");
}

#[tokio::test]
async fn heads_are_taken_up_to_their_limits_and_not_beyond() {
    let hub = Hub::start_with(&[
        ("GLMHUB_CONNECTIONS__MOST_URL_BYTES", "100"),
        ("GLMHUB_CONNECTIONS__MOST_HEADERS", "10"),
        ("GLMHUB_CONNECTIONS__MOST_HEADER_BYTES", "1000"),
    ]);
    let ask = async |url_bytes: usize, headers: usize, header_bytes: usize| {
        let mut head = format!(
            "GET /healthz?{} HTTP/1.1\r\n",
            "a".repeat(url_bytes - "/healthz?".len())
        );
        let (first, rest) = ("host: hub\r\nconnection: close\r\n", headers - 3);
        head += first;
        let names: String = (0..rest).map(|index| format!("x-{index:04}:\r\n")).collect();
        let so_far = "hosthubconnectionclosex-padding".len() + 6 * rest;
        head += &format!("{names}x-padding: {}\r\n\r\n", "a".repeat(header_bytes - so_far));
        let stream = TcpStream::connect(address(&hub)).await.unwrap();
        told(stream, std::iter::once(head.into_bytes())).await.0
    };
    for (url, headers, bytes, code) in [
        (100, 10, 1_000, None),
        (101, 10, 1_000, Some((414, "url_too_long"))),
        (100, 11, 1_000, Some((431, "too_many_headers"))),
        (100, 10, 1_001, Some((431, "headers_too_large"))),
    ] {
        let response = ask(url, headers, bytes).await;
        let Some((status, code)) = code else {
            assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
            continue;
        };
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert_eq!(problem(&response)["code"], code, "{response}");
    }
    // What the server cannot even read.
    for (headers, bytes) in [(97, 1_000), (10, 200_000)] {
        let response = ask(50, headers, bytes).await;
        let refused = ["HTTP/1.1 400 ", "HTTP/1.1 431 "]
            .iter()
            .any(|status| response.starts_with(status));
        assert!(response.is_empty() || refused, "{response}");
    }
    hub.stranger().get("/healthz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_most_connections_others_wait_until_one_ends() {
    let hub = Hub::start_with(&[
        ("GLMHUB_SERVER__THREADS", "1"),
        ("GLMHUB_CONNECTIONS__MOST_CONNECTIONS", "2"),
        ("GLMHUB_CONNECTIONS__HEAD_SECONDS", "2"),
    ]);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(TcpStream::connect(address(&hub)).await.unwrap());
    }
    let began = Instant::now();
    hub.stranger().get("/healthz").await.expect(200);
    assert!(
        began.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        began.elapsed()
    );
    drop(held);
}
