//! `Idempotency-Key`: what is sent again makes nothing again, whichever hub is asked and whatever dies in between.

use crate::{
    client::{Answer, Client},
    hub::{Hub, eventually},
    jobs::{MODEL, call, hub_with_model, new_batch, page},
    licence::scene::Scene,
    openai::{CHAT, READER, asked},
    tree,
    webhooks::{LOOPBACK, endpoint},
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    let fill = |request: reqwest::RequestBuilder| request.header("idempotency-key", key).json(body);
    client.send("POST", path, fill).await
}

async fn send_parts(client: &Client, path: &str, key: &str, form: Form) -> Answer {
    let fill = |request: reqwest::RequestBuilder| request.header("idempotency-key", key).multipart(form);
    client.send("POST", path, fill).await
}

async fn count(client: &Client, path: &str) -> usize {
    let listed = client.get(path).await.expect(200).json();
    listed["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_batch_opened_again_with_its_key_is_the_same_one() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let body = new_batch(&["What is the total?"]);
    let first = post(&client, "/v1/batches", "one", &body).await.expect(201);
    let again = post(&client, "/v1/batches", "one", &body).await.expect(201);
    assert_eq!(first.json(), again.json());
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(
        (
            first.header("idempotent-replayed"),
            again.header("idempotent-replayed")
        ),
        (None, Some("true"))
    );
    let other = new_batch(&["Who is the buyer?"]);
    post(&client, "/v1/batches", "one", &other)
        .await
        .refused(422, "idempotency_key_reused");
    // Another member's request is another one, and another tenant has keys of its own.
    post(
        &hub.client("acme", &["submitter", "auditor"]),
        "/v1/batches",
        "one",
        &body,
    )
    .await
    .refused(422, "idempotency_key_reused");
    post(&hub.client("other", &["submitter"]), "/v1/batches", "one", &body)
        .await
        .expect(201);
    assert_eq!(count(&client, "/v1/batches").await, 1);
    post(&client, "/v1/batches", "two", &body).await.expect(201);
    assert_eq!(count(&client, "/v1/batches").await, 2);
}

#[tokio::test]
async fn keys_are_bounded_and_a_refused_request_gives_its_key_free() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let body = new_batch(&["What is the total?"]);
    for bad in ["", &"x".repeat(256), "a\tb"] {
        post(&client, "/v1/batches", bad, &body)
            .await
            .refused(400, "idempotency_key_malformed");
    }
    let longest = "x".repeat(255);
    let wrong = new_batch(&[]);
    post(&client, "/v1/batches", &longest, &wrong)
        .await
        .refused(400, "question_invalid");
    let free = || async {
        let answer = post(&client, "/v1/batches", &longest, &body).await;
        (answer.status == 201).then_some(())
    };
    eventually("the key to be free", free).await;
    assert_eq!(count(&client, "/v1/batches").await, 1);
}

#[tokio::test]
async fn of_many_at_once_one_makes_it() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let body = new_batch(&["What is the total?"]);
    let all = (0..16).map(|_| post(&client, "/v1/batches", "race", &body));
    let answers = futures_util::future::join_all(all).await;
    let mut ids: Vec<String> = Vec::new();
    for answer in answers {
        match answer.status {
            201 => ids.push(answer.json()["id"].as_str().unwrap().to_owned()),
            _ => {
                assert_eq!(answer.header("retry-after"), Some("1"), "{}", answer.text());
                answer.refused(409, "idempotency_key_in_use");
            }
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(count(&client, "/v1/batches").await, 1);
}

#[tokio::test]
async fn what_was_made_is_known_by_a_hub_that_was_killed() {
    let mut hub = hub_with_model(&[]);
    let token = hub.token("acme", &["submitter"]);
    let body = new_batch(&["What is the total?"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    let first = post(&client, "/v1/batches", "one", &body)
        .await
        .expect(201)
        .json();
    hub.kill9();
    hub.begin();
    let client = Client::new(hub.url(), Some(token));
    let again = post(&client, "/v1/batches", "one", &body)
        .await
        .expect(201)
        .json();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(count(&client, "/v1/batches").await, 1);
}

#[tokio::test]
async fn an_upload_and_a_job_are_the_same_with_another_boundary() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = client
        .post("/v1/batches", &new_batch(&["What is the total?"]))
        .await
        .expect(201);
    let documents = format!("{}/documents", batch.header("location").unwrap());
    let form = |grey| {
        let part = Part::bytes(page(grey)).file_name("page.png");
        Form::new().part("document", part.mime_str("image/png").unwrap())
    };
    assert_ne!(form(1).boundary(), form(1).boundary());
    let first = send_parts(&client, &documents, "up", form(1))
        .await
        .expect(201)
        .json();
    let again = send_parts(&client, &documents, "up", form(1))
        .await
        .expect(201)
        .json();
    assert_eq!(first, again);
    send_parts(&client, &documents, "up", form(2))
        .await
        .refused(422, "idempotency_key_reused");
    assert_eq!(count(&client, &documents).await, 1);
    let first = send_parts(&client, "/v1/jobs", "job", call(page(3)))
        .await
        .expect(202)
        .json();
    // It waits for what was asked, and tells how it stands now.
    let fill = |request: reqwest::RequestBuilder| {
        let request = request
            .header("idempotency-key", "job")
            .header("prefer", "wait=120");
        request.multipart(call(page(3)))
    };
    let again = client.send("POST", "/v1/jobs", fill).await.expect(200).json();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["state"], "answered");
    send_parts(&client, "/v1/jobs", "job", call(page(4)))
        .await
        .refused(422, "idempotency_key_reused");
    assert_eq!(count(&client, "/v1/batches").await, 2);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_its_making_told() {
    let hub = Hub::start_with(&[LOOPBACK]);
    let client = hub.client("acme", &["submitter"]);
    let wish = json!({ "name": "ci", "roles": ["submitter"] });
    let key = post(&client, "/v1/api-keys", "one", &wish)
        .await
        .expect(201)
        .json();
    let told = post(&client, "/v1/api-keys", "one", &wish)
        .await
        .refused(409, "already_made");
    assert_eq!(told["subject"], key["id"]);
    assert_eq!(count(&client, "/v1/api-keys").await, 1);
    let receiver = crate::receiver::Receiver::answering(200).await;
    endpoint(&client, &receiver.url()).await;
    let wish = json!({ "url": receiver.url() });
    let made = post(&client, "/v1/webhook-endpoints", "two", &wish)
        .await
        .expect(201)
        .json();
    let told = post(&client, "/v1/webhook-endpoints", "two", &wish)
        .await
        .refused(409, "already_made");
    assert_eq!(told["subject"], made["id"]);
    assert_eq!(count(&client, "/v1/webhook-endpoints").await, 2);
}

#[tokio::test]
async fn acceptances_comments_and_models_are_made_once() {
    let scene = Scene::set().await;
    let body = scene.acceptance(&["evaluation"]);
    let first = post(&scene.signatory, "/v1/acceptances", "one", &body)
        .await
        .expect(201)
        .json();
    let again = post(&scene.signatory, "/v1/acceptances", "one", &body)
        .await
        .expect(201)
        .json();
    assert_eq!(first, again);
    let comments = format!("/v1/acceptances/{}/comments", first["id"].as_str().unwrap());
    let text = json!({ "text": "Filed." });
    let first = post(&scene.signatory, &comments, "two", &text)
        .await
        .expect(201)
        .json();
    let again = post(&scene.signatory, &comments, "two", &text)
        .await
        .expect(201)
        .json();
    assert_eq!(first, again);
    assert_eq!(count(&scene.signatory, &comments).await, 1);
}

/// What a client of OpenAI's sends that has sent it so many times before.
async fn attempt(client: &Client, before: &str, body: &Value) -> Value {
    let fill =
        |request: reqwest::RequestBuilder| request.header("x-stainless-retry-count", before).json(body);
    client.send("POST", CHAT, fill).await.expect(200).json()
}

#[tokio::test]
async fn a_repetition_of_openais_clients_is_answered_from_the_job_that_it_has_made() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let mut body = asked(READER, "买方是谁？");
    let first = attempt(&client, "0", &body).await;
    let again = attempt(&client, "1", &body).await;
    assert_eq!(first["job"], again["job"]);
    assert_eq!(first["choices"], again["choices"]);
    // The same question asked on purpose is another one, and the last is what a repetition repeats.
    let second = attempt(&client, "0", &body).await;
    assert_ne!(first["job"], second["job"]);
    assert_eq!(attempt(&client, "2", &body).await["job"], second["job"]);
    let keyed = post(&client, CHAT, "chat", &body).await.expect(200).json();
    assert_eq!(
        post(&client, CHAT, "chat", &body).await.expect(200).json()["job"],
        keyed["job"]
    );
    body["max_completion_tokens"] = json!(1);
    assert_ne!(attempt(&client, "1", &body).await["job"], second["job"]);
    post(&client, CHAT, "chat", &body)
        .await
        .refused_as_openai(422, "idempotency_key_reused");
    // It is followed too.
    body["max_completion_tokens"] = json!(32);
    body["stream"] = json!(true);
    let one = post(&client, CHAT, "stream", &body).await.expect(200);
    let two = post(&client, CHAT, "stream", &body).await.expect(200);
    let id = |answer: &Answer| {
        answer
            .text()
            .split("\"id\":\"")
            .nth(1)
            .map(|rest| rest[..35].to_owned())
    };
    assert_eq!(id(&one), id(&two));
    assert!(two.text().ends_with("data: [DONE]\n\n"), "{}", two.text());
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let body = json!({ "model": MODEL, "purpose": "research", "questions": [{ "text": "What?" }] });
    post(&client, "/v1/batches", "one", &body).await.expect(201);
    hub.write("UPDATE claims SET forget_at = '2000-01-01T00:00:00.000000000'");
    post(&client, "/v1/batches", "one", &body).await.expect(201);
    assert_eq!(count(&client, "/v1/batches").await, 2);
}
