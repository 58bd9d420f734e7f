//! Answers that are told while they are being written: in a job's stream, and as OpenAI's clients ask for it.

use crate::{
    client::Client,
    contract::CONTRACT,
    fleet::Fleet,
    hub::eventually,
    jobs::{self, MODEL, events, hub_with_model, page},
    licence::scene,
    revocation::scene::Work,
    tree,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::fs;

pub const CHAT: &str = "/openai/v1/chat/completions";
pub const READER: &str = "glmhub/demo-doc-reader";
/// So many tokens of the tiny checkpoint take a while.
const LONG: u32 = 300;

/// A chat request about an image.
pub fn asked(model: &str, purpose: &str, text: &str, image: &[u8], tokens: u32) -> Value {
    let url = format!("data:image/png;base64,{}", STANDARD.encode(image));
    let content = json!([
        { "type": "text", "text": text },
        { "type": "image_url", "image_url": { "url": url } },
    ]);
    json!({
        "model": model, "purpose": purpose, "max_completion_tokens": tokens, "stream": true,
        "messages": [{ "role": "user", "content": content }],
    })
}

/// A question about a sample page that the reader answers, and what is printed there.
pub fn asked_reader() -> (Value, &'static str) {
    let page = fs::read(tree::root().join("models/demo/reader/pages/invoice-1.png")).unwrap();
    (
        asked(READER, "commercial", "日期是哪天？", &page, 32),
        "2025-07-21",
    )
}

/// The data of a completion's events, each found to be a chunk as documented or an error, and whether it was done.
pub fn frames(text: &str) -> (Vec<Value>, bool) {
    let kinds = ["ChatChunk", "OpenaiError"];
    let schema =
        json!({ "oneOf": kinds.map(|kind| json!({ "$ref": format!("#/components/schemas/{kind}") })) });
    let valid = CONTRACT.validator(&schema);
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let done = lines.last() == Some(&"[DONE]");
    let lines = &lines[..lines.len() - usize::from(done)];
    let frames: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for frame in &frames {
        assert!(valid.is_valid(frame), "{frame}");
    }
    (frames, done)
}

pub fn contents(frames: &[Value]) -> Vec<&str> {
    let content = |frame: &'_ Value| frame["choices"][0]["delta"]["content"].as_str().map(str::len);
    let with = frames.iter().filter(|frame| content(frame) > Some(0));
    with.map(|frame| frame["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_streamed_completion_is_the_whole_one_in_pieces() {
    let hub = hub_with_model(&[]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    streams_what_is_printed(&client).await;
    streams_in_pieces(&client, page(8)).await;
}

async fn streams_what_is_printed(client: &Client) {
    let (mut body, printed) = asked_reader();
    body["stream_options"] = json!({ "include_usage": true });
    let told = client.post(CHAT, &body).await.expect(200);
    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    let (frames, done) = frames(&told.text());
    assert!(done, "{frames:?}");
    assert_eq!(
        frames[0]["choices"][0]["delta"],
        json!({ "role": "assistant", "content": "" })
    );
    assert_eq!(contents(&frames).concat(), printed);
    let [.., last, usage] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["choices"], json!([]));
    assert!(
        frames[..frames.len() - 1]
            .iter()
            .all(|frame| frame.get("usage") == Some(&Value::Null))
    );
    let job = format!("/v1/jobs/{}", last["job"].as_str().unwrap());
    let job = client.get(&job).await.expect(200).json();
    assert_eq!(job["answer"]["text"], printed);
    assert_eq!(job["answer"]["decision_id"], last["decision_id"]);
    assert_eq!(
        job["answer"]["output_tokens"],
        usage["usage"]["completion_tokens"]
    );
    body["stream_options"] = Value::Null;
    let plain = client.post(CHAT, &body).await.expect(200);
    let (frames, done) = self::frames(&plain.text());
    assert!(
        done && frames.iter().all(|frame| frame.get("usage").is_none()),
        "{frames:?}"
    );
    assert_eq!(contents(&frames).concat(), printed);
    body["stream"] = json!(false);
    let whole = client.post(CHAT, &body).await.expect(200).json();
    assert_eq!(whole["choices"][0]["message"]["content"], printed);
    assert_eq!(whole["usage"], usage["usage"]);
}

/// An answer that takes a while comes piece by piece: the printed ones are so short that a hub may be told one at once.
async fn streams_in_pieces(client: &Client, image: Vec<u8>) {
    let body = asked(MODEL, "research", "What is the total?", &image, LONG);
    let told = client.post(CHAT, &body).await.expect(200);
    let (frames, done) = frames(&told.text());
    assert!(done, "{frames:?}");
    let texts = contents(&frames);
    assert!(texts.len() > 2, "{texts:?}");
    let job = format!("/v1/jobs/{}", frames.last().unwrap()["job"].as_str().unwrap());
    let job = client.get(&job).await.expect(200).json();
    assert_eq!(job["answer"]["text"], texts.concat());
}

#[tokio::test]
async fn texts_go_from_any_worker_through_redis_to_any_hub() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    fleet.import(READER, &tree::root().join("models/demo/reader"));
    for hub in 0..2 {
        let client = fleet.client(hub, "acme");
        streams_what_is_printed(&client).await;
        streams_in_pieces(&client, page(hub as u8)).await;
    }
}

#[tokio::test]
async fn a_jobs_stream_tells_its_answer_while_it_is_being_written() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let form = Form::new()
        .text("model", MODEL)
        .text("purpose", "research")
        .text("question", "What is the total?")
        .text("parameters", json!({ "max_new_tokens": LONG }).to_string())
        .part("image", Part::bytes(page(9)).mime_str("image/png").unwrap());
    let job = client
        .send("POST", "/v1/jobs", |request| request.multipart(form))
        .await;
    let job = job.expect(202).json()["id"].as_str().unwrap().to_owned();
    let told = client
        .get(&format!("/v1/jobs/{job}/stream"))
        .await
        .expect(200)
        .text();
    let told = events(&told);
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last.0, "verdict");
    let deltas: Vec<&Value> = before
        .iter()
        .filter_map(|(name, data)| (name == "delta").then_some(data))
        .collect();
    assert!(deltas.len() > 1, "{told:?}");
    assert!(
        deltas
            .iter()
            .all(|delta| delta["job"] == job && delta["attempt"] == 1)
    );
    let text: String = deltas
        .iter()
        .map(|delta| delta["text"].as_str().unwrap())
        .collect();
    let answer = last.1["answer"]["text"].as_str().unwrap();
    assert!(answer.starts_with(&text), "{text:?} of {answer:?}");
}

#[tokio::test]
async fn a_refusal_before_the_first_token_is_answered_with_its_status() {
    let mut work = Work::with_orders_at_once(1).await;
    // The worker is busy, so the call waits.
    let busy = work.batch(8, 60).await;
    work.until(&busy, "the first answer", |jobs| {
        jobs["answered"].as_u64() > Some(0)
    })
    .await;
    let caller = work.scene.submitter.clone();
    let body = asked(scene::MODEL, "commercial", "What is the total?", &page(7), LONG);
    let call = tokio::spawn(async move { caller.post(CHAT, &body).await });
    let waits = || async {
        let batches = work.scene.submitter.get("/v1/batches").await.json();
        (batches["data"].as_array().unwrap().len() == 2).then_some(())
    };
    eventually("the call to wait", waits).await;
    work.revoke().await;
    let error = call.await.unwrap().refused_as_openai(403, "acceptance_revoked");
    assert!(
        error["decision_id"].is_string() && error["job"].is_string(),
        "{error}"
    );
    // And at once by the gate.
    let body = asked(scene::MODEL, "commercial", "What is the total?", &page(7), LONG);
    let error = work.scene.submitter.post(CHAT, &body).await;
    error.refused_as_openai(403, "acceptance_revoked");
}

#[tokio::test]
async fn a_revocation_in_the_middle_closes_the_stream_with_code_and_decision() {
    let mut work = Work::with_orders_at_once(1).await;
    // An answer may be whole before the revocation is there; then it is tried again.
    for round in 0..20 {
        let body = asked(
            scene::MODEL,
            "commercial",
            &format!("Question {round}?"),
            &page(round),
            LONG,
        );
        let mut stream = work.scene.submitter.open_with(CHAT, &body).await;
        let mut told = until_text(&mut stream).await;
        work.revoke().await;
        told.extend(stream.bytes().await.unwrap());
        let (frames, done) = frames(&String::from_utf8(told).unwrap());
        if done {
            work.accept().await;
            continue;
        }
        let error = &frames.last().unwrap()["error"];
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!("acceptance_revoked"), &json!("permission_error"))
        );
        let job = format!("/v1/jobs/{}", error["job"].as_str().unwrap());
        let held = work.scene.submitter.get(&job).await.expect(200).json();
        assert_eq!(
            (&held["state"], &held["decision_id"]),
            (&json!("held"), &error["decision_id"])
        );
        assert_eq!(held.get("answer"), None);
        return;
    }
    panic!("every answer was whole before its revocation");
}

/// What comes of a completion until there is a text in it.
pub async fn until_text(stream: &mut reqwest::Response) -> Vec<u8> {
    let mut told = Vec::new();
    loop {
        told.extend(stream.chunk().await.unwrap().expect("a stream with text"));
        // What comes at once may end in the middle of an event.
        let ends = told.windows(2).rposition(|two| two == b"\n\n");
        let whole = std::str::from_utf8(&told[..ends.map_or(0, |end| end + 2)]).unwrap();
        if !contents(&frames(whole).0).is_empty() {
            return told;
        }
    }
}

#[tokio::test]
async fn a_hub_that_ends_tells_those_who_wait_where_the_answer_will_be() {
    let mut hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let texts: Vec<String> = (0..60).map(|number| format!("Question {number}?")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let busy = jobs::submitted(&client, &texts, 8).await;
    jobs::first_answer(&client, &busy).await;
    let body = asked(MODEL, "research", "What is the total?", &page(7), LONG);
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.post(CHAT, &body).await });
    let waits = || async {
        let batches = client.get("/v1/batches").await.json();
        (batches["data"].as_array().unwrap().len() == 2).then_some(())
    };
    eventually("the call to wait", waits).await;
    assert!(hub.end().success());
    let told = call.await.unwrap();
    assert_eq!(told.header("x-should-retry"), Some("false"));
    let error = told.refused_as_openai(503, "stream_broken_off");
    assert!(error["job"].as_str().unwrap().starts_with("job_"), "{error}");
}
