//! Several answers to one question, cut where they are asked to be, with the tokens that they are made of.

use crate::{
    client::Client,
    hub::Hub,
    jobs::{MODEL, hub_with_model, page},
    streaming::{CHAT, READER, asked, asked_reader, frames},
    tree,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn completed(client: &Client, body: &Value) -> Value {
    client.post(CHAT, body).await.expect(200).json()
}

/// All that a stream said of the choice `index`.
fn told(frames: &[Value], index: usize) -> (String, Value, Value) {
    let of_choice = |frame: &Value| {
        let choices = frame["choices"].as_array().unwrap().clone();
        choices.into_iter().find(|choice| choice["index"] == index)
    };
    let choices: Vec<Value> = frames.iter().filter_map(of_choice).collect();
    let texts = choices
        .iter()
        .filter_map(|choice| choice["delta"]["content"].as_str());
    let last = choices.last().unwrap();
    (
        texts.collect(),
        last["finish_reason"].clone(),
        last["logprobs"].clone(),
    )
}

#[tokio::test]
async fn an_answer_is_cut_before_a_stop_that_spans_tokens_and_nothing_of_it_is_streamed() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let (mut body, printed) = asked_reader();
    assert_eq!(printed, "2025-07-21");
    for (stop, cut) in [
        (json!("5-07-2"), "202"),
        (json!(["21", "-07"]), "2025"),
        (json!(["nothing of it"]), printed),
        (json!("2025"), ""),
    ] {
        body["stop"] = stop;
        body["stream"] = json!(true);
        let (frames, done) = frames(&client.post(CHAT, &body).await.expect(200).text());
        assert!(done);
        let (text, finish, _) = told(&frames, 0);
        assert_eq!((text.as_str(), finish), (cut, json!("stop")));
        body["stream"] = json!(false);
        let whole = completed(&client, &body).await;
        assert_eq!(whole["choices"][0]["message"]["content"], cut);
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    }
}

#[tokio::test]
async fn choices_are_drawn_with_seeds_of_their_own_and_each_is_a_job() {
    let hub = hub_with_model(&[("GLMHUB_OPENAI__MOST_CHOICES", "3")]);
    let client = hub.client("acme", &["submitter"]);
    let mut body = asked(MODEL, "research", "What is the total?", &page(7), 12);
    body["stream"] = json!(false);
    body["temperature"] = json!(1.5);
    body["seed"] = json!(5);
    body["n"] = json!(3);
    let three = completed(&client, &body).await;
    let texts = |answer: &Value| -> Vec<String> {
        let choices = answer["choices"].as_array().unwrap().iter();
        choices
            .map(|choice| choice["message"]["content"].as_str().unwrap().to_owned())
            .collect()
    };
    let drawn = texts(&three);
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 3, "{drawn:?}");
    body["n"] = json!(1);
    for (number, text) in drawn.iter().enumerate() {
        body["seed"] = json!(5 + number);
        let one = completed(&client, &body).await;
        assert_eq!(&texts(&one)[0], text);
        assert_eq!(one["usage"]["prompt_tokens"], three["usage"]["prompt_tokens"]);
    }
    let job = client
        .get(&format!("/v1/jobs/{}", three["job"].as_str().unwrap()))
        .await;
    let batch = job.expect(200).json()["batch"].as_str().unwrap().to_owned();
    let jobs = client
        .get(&format!("/v1/batches/{batch}/jobs"))
        .await
        .expect(200)
        .json();
    assert_eq!(jobs["data"].as_array().unwrap().len(), 3);
    body["seed"] = json!(5);
    body["n"] = json!(3);
    body["stream"] = json!(true);
    let (frames, done) = frames(&client.post(CHAT, &body).await.expect(200).text());
    assert!(done);
    for (index, text) in drawn.iter().enumerate() {
        assert_eq!(&told(&frames, index).0, text);
    }
    body["n"] = json!(4);
    client
        .post(CHAT, &body)
        .await
        .refused_as_openai(400, "choices_out_of_range");
}

#[tokio::test]
async fn tokens_are_told_with_their_probabilities_and_are_the_text() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let (mut body, printed) = asked_reader();
    body["logprobs"] = json!(true);
    body["top_logprobs"] = json!(3);
    let (frames, _) = frames(&client.post(CHAT, &body).await.expect(200).text());
    let (text, _, streamed) = told(&frames, 0);
    assert_eq!(text, printed);
    body["stream"] = json!(false);
    let whole = completed(&client, &body).await;
    let logprobs = &whole["choices"][0]["logprobs"];
    assert_eq!(&streamed, logprobs);
    let tokens = logprobs["content"].as_array().unwrap();
    let bytes = tokens.iter().flat_map(|token| token["bytes"].as_array().unwrap());
    let bytes: Vec<u8> = bytes.map(|byte| byte.as_u64().unwrap() as u8).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), printed);
    for token in tokens {
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        // Greedy: what was chosen was the likeliest.
        assert_eq!(
            (&top[0]["token"], &top[0]["logprob"]),
            (&token["token"], &token["logprob"])
        );
        assert!(top[0]["logprob"].as_f64() >= top[1]["logprob"].as_f64());
    }
    let job = client
        .get(&format!("/v1/jobs/{}", whole["job"].as_str().unwrap()))
        .await;
    assert_eq!(
        &job.expect(200).json()["answer"]["logprobs"],
        &logprobs["content"]
    );
    body["top_logprobs"] = json!(21);
    client
        .post(CHAT, &body)
        .await
        .refused_as_openai(400, "question_invalid");
}
