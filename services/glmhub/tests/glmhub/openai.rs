//! `/openai/v1`: what OpenAI's clients send and what they need to find in the answer.

use crate::{
    client::{Answer, Client},
    hub::Hub,
    licence::scene::{MODEL, Scene},
    tree,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::fs;

pub const READER: &str = "glmhub/demo-doc-reader";
pub const CHAT: &str = "/openai/v1/chat/completions";

/// A sample page as a data URL.
fn page() -> String {
    let bytes = fs::read(tree::root().join("models/demo/reader/pages/invoice-1.png")).unwrap();
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

/// A request as the `openai` package sends it.
pub fn asked(model: &str, text: &str) -> Value {
    let content = json!([
        { "type": "text", "text": text },
        { "type": "image_url", "image_url": { "url": page(), "detail": "high" } },
    ]);
    json!({
        "model": model, "messages": [{ "role": "user", "content": content }],
        "max_completion_tokens": 32, "temperature": 0, "user": "anybody", "store": false,
    })
}

/// `body` with one more field.
fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

async fn complete(client: &Client, body: &Value) -> Answer {
    client.post(CHAT, body).await
}

#[tokio::test]
async fn a_question_about_an_image_is_answered_with_what_is_printed_there() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let body = with(asked(READER, "买方是谁？"), "purpose", json!("commercial"));
    let answer = complete(&client, &body).await.expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], buyer(), "{answer}");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["model"], READER);
    let usage = &answer["usage"];
    let tokens = |name: &str| usage[name].as_u64().unwrap();
    assert!(
        tokens("prompt_tokens") > 0 && tokens("completion_tokens") > 0,
        "{usage}"
    );
    assert_eq!(
        tokens("total_tokens"),
        tokens("prompt_tokens") + tokens("completion_tokens")
    );
    let job = format!("/v1/jobs/{}", answer["job"].as_str().unwrap());
    let job = client.get(&job).await.expect(200).json();
    assert_eq!(job["answer"]["decision_id"], answer["decision_id"]);
    assert_eq!(job["question_text"], "买方是谁？");
    let cut = with(body, "max_completion_tokens", json!(1));
    let cut = complete(&client, &cut).await.expect(200).json();
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 1);
}

/// Who the buyer on the sample page is.
fn buyer() -> Value {
    let listed = fs::read(tree::root().join("models/demo/reader/questions.json")).unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed).unwrap();
    let found = listed
        .iter()
        .find(|one| one["page"] == "pages/invoice-1.png" && one["question"] == "买方是谁？");
    found.unwrap()["answer"].clone()
}

#[tokio::test]
async fn a_refusal_names_decision_and_cure_and_ends_when_the_terms_are_accepted() {
    let scene = Scene::set().await;
    // Evaluation is what a request without a purpose is for.
    let body = with(
        asked(MODEL, "What is the total?"),
        "max_completion_tokens",
        json!(2),
    );
    let error = complete(&scene.submitter, &body)
        .await
        .refused_as_openai(403, "license_not_accepted");
    assert_eq!(error["type"], "permission_error");
    let (decision, cure) = (
        error["decision_id"].as_str().unwrap(),
        error["cure"].as_str().unwrap(),
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(cure) && message.contains(decision), "{message}");
    let auditor = scene.hub.client("acme", &["auditor"]);
    let record = auditor
        .get(&format!("/v1/decisions/{decision}"))
        .await
        .expect(200)
        .json();
    assert_eq!(record["purpose"], "evaluation", "{record}");
    let log = auditor
        .get(&format!(
            "/v1/audit/entries?kind=decision.refused&subject={decision}"
        ))
        .await
        .expect(200)
        .json();
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
    scene.accepted(&["evaluation"]).await;
    let answer = complete(&scene.submitter, &body).await.expect(200);
    assert_eq!(answer.header("x-attribution"), Some("Built with glm-4"));
    assert_eq!(answer.json()["notices"], json!(["Built with glm-4"]));
    let open = with(body, "purpose", json!("research"));
    complete(&scene.submitter, &open).await.expect(200);
}

#[tokio::test]
async fn what_the_model_cannot_do_is_refused_with_a_code_and_the_field() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    let good = || asked(READER, "买方是谁？");
    let parts = |parts: Value| with(good(), "messages", json!([{ "role": "user", "content": parts }]));
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let turns = |roles: &[&str]| {
        let turn = |role: &&str| json!({ "role": role, "content": "Say it." });
        let turns: Vec<Value> = roles.iter().map(turn).collect();
        with(good(), "messages", turns.into())
    };
    let (text, small) = (
        json!({ "type": "text", "text": "x" }),
        image("data:image/png;base64,AQID"),
    );
    for (code, param, body) in [
        ("choices_out_of_range", json!("n"), with(good(), "n", json!(9))),
        ("choices_out_of_range", json!("n"), with(good(), "n", json!(0))),
        (
            "logprobs_missing",
            json!("top_logprobs"),
            with(good(), "top_logprobs", json!(2)),
        ),
        (
            "question_invalid",
            json!("stop"),
            with(good(), "stop", json!(["a", "b", "c", "d", "e"])),
        ),
        (
            "tools_unsupported",
            json!("tools"),
            with(good(), "tools", json!([{ "type": "function" }])),
        ),
        (
            "tools_unsupported",
            json!("messages[1].role"),
            turns(&["user", "tool"]),
        ),
        (
            "system_unsupported",
            json!("messages[0].role"),
            turns(&["system", "user"]),
        ),
        (
            "system_unsupported",
            json!("messages[0].role"),
            turns(&["developer"]),
        ),
        ("role_unknown", json!("messages[0].role"), turns(&["critic"])),
        (
            "turns_unsupported",
            json!("messages"),
            turns(&["user", "assistant", "user"]),
        ),
        ("message_missing", json!("messages"), turns(&[])),
        ("message_missing", json!("messages"), turns(&["assistant"])),
        ("image_missing", json!("messages[0].content"), turns(&["user"])),
        (
            "image_missing",
            json!("messages[0].content"),
            parts(json!([text])),
        ),
        (
            "images_too_many",
            json!("messages[0].content[2]"),
            parts(json!([small, text, small])),
        ),
        (
            "image_url_malformed",
            json!("messages[0].content[0].image_url.url"),
            parts(json!([image("AQID"), text])),
        ),
        (
            "content_unsupported",
            json!("messages[0].content[0]"),
            parts(json!([{ "type": "input_audio" }])),
        ),
        ("question_invalid", json!("messages"), parts(json!([small]))),
        (
            "question_invalid",
            json!("temperature"),
            with(good(), "temperature", json!(9)),
        ),
        (
            "question_invalid",
            json!("max_tokens"),
            with(good(), "max_completion_tokens", json!(0)),
        ),
        (
            "response_format_unknown",
            json!("response_format"),
            with(good(), "response_format", json!({ "type": "json_schema" })),
        ),
        (
            "schema_unusable",
            json!("response_format"),
            with(
                good(),
                "response_format",
                json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": { "type": "nothing" } } }),
            ),
        ),
        (
            "purpose_unknown",
            json!("purpose"),
            with(good(), "purpose", json!("fun")),
        ),
        ("body_malformed", Value::Null, json!({ "model": READER })),
    ] {
        let error = complete(&client, &body).await.refused_as_openai(400, code);
        assert_eq!(error["param"], param, "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    assert_eq!(client.get("/v1/batches").await.json()["data"], json!([]));
}

#[tokio::test]
async fn other_refusals_have_openais_form_too_and_say_whether_to_come_again() {
    let hub = Hub::start_with(&[("GLMHUB_OPENAI__MOST_BODY_BYTES", "100000")]);
    let (client, stranger) = (hub.client("acme", &["submitter"]), hub.stranger());
    let body = asked(READER, "买方是谁？");
    complete(&stranger, &body)
        .await
        .refused_as_openai(401, "token_missing");
    complete(&hub.client("acme", &["auditor"]), &body)
        .await
        .refused_as_openai(403, "missing_role");
    for name in ["gpt-4o", "nobody/nothing"] {
        let body = asked(name, "买方是谁？");
        complete(&client, &body)
            .await
            .refused_as_openai(404, "model_unknown");
    }
    let absent = complete(&client, &body).await;
    assert_eq!(absent.header("x-should-retry"), Some("false"));
    absent.refused_as_openai(409, "model_not_imported");
    let large = with(body, "metadata", json!({ "long": "x".repeat(100_000) }));
    complete(&client, &large)
        .await
        .refused_as_openai(413, "body_too_large");
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body("x");
    let answer = client.send("POST", CHAT, fill).await;
    answer.refused_as_openai(415, "content_type_wrong");
    for (method, path, status, code) in [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("POST", "/openai/v1/embeddings", 404, "not_found"),
        ("GET", "/openai/v1/models/none", 404, "not_found"),
    ] {
        let answer = client.send_unjudged(method, path, |request| request).await;
        answer.refused_as_openai(status, code);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_read_or_an_answer_that_takes_long_is_told() {
    let hub = Hub::start_with(&[("GLMHUB_WORK__LONGEST_WAIT_SECONDS", "0")]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let body = with(asked(READER, "买方是谁？"), "purpose", json!("commercial"));
    let delayed = complete(&client, &body).await;
    assert_eq!(delayed.header("x-should-retry"), Some("false"));
    let error = delayed.refused_as_openai(504, "answer_delayed");
    let job = error["job"].as_str().unwrap();
    assert!(error["message"].as_str().unwrap().contains(job), "{error}");
    client.get(&format!("/v1/jobs/{job}")).await.expect(200);
    for (url, status, code) in [
        ("data:image/png;base64,AQID", 422, "unsupported_format"),
        ("data:text/html;base64,AQID", 415, "content_type_wrong"),
        ("data:image/png;base64,", 400, "empty_document"),
    ] {
        let mut body = body.clone();
        body["messages"][0]["content"][1]["image_url"]["url"] = url.into();
        complete(&client, &body).await.refused_as_openai(status, code);
    }
}

#[tokio::test]
async fn the_models_that_can_be_asked_are_listed_and_found_by_their_encoded_names() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let listed = client.get("/openai/v1/models").await.expect(200).json();
    let listed = listed["data"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["id"], &listed[0]["owned_by"]),
        (&json!(READER), &json!("glmhub"))
    );
    for name in [READER, "glmhub%2Fdemo-doc-reader"] {
        let one = client
            .get(&format!("/openai/v1/models/{name}"))
            .await
            .expect(200)
            .json();
        assert_eq!(one, listed[0]);
    }
    let absent = client.get("/openai/v1/models/THUDM%2Fglm-4v-9b").await;
    absent.refused_as_openai(409, "model_not_imported");
    let unknown = client.get("/openai/v1/models/nobody%2Fnothing").await;
    unknown.refused_as_openai(404, "model_unknown");
}
