//! The whole path of a job: documents and questions in, answers out.

use crate::{
    client::{Answer, Client},
    hub::{Hub, eventually},
    tree,
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::path::Path;

/// A model of the catalogue whose license lets everybody use it for research.
pub const MODEL: &str = "THUDM/glm-4v-9b";

/// The folder of a tiny checkpoint with GLM-4V's architecture.
pub fn tiny() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workers/engine/tests/golden/tiny-a")
}

/// A hub that can answer.
pub fn hub_with_model(settings: &[(&str, &str)]) -> Hub {
    let hub = Hub::start_with(settings);
    hub.import(MODEL, &tiny());
    hub
}

/// A page in one grey.
pub fn page(grey: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(40, 30, image::Rgb([grey; 3]));
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A batch for research with these questions.
pub fn new_batch(texts: &[&str]) -> Value {
    let question = |text: &&str| json!({ "text": text, "parameters": { "max_new_tokens": 4 } });
    let questions: Vec<Value> = texts.iter().map(question).collect();
    json!({ "model": MODEL, "purpose": "research", "questions": questions })
}

/// Opens a batch and gives its path.
pub async fn open(client: &Client, texts: &[&str]) -> String {
    let opened = client.post("/v1/batches", &new_batch(texts)).await.expect(201);
    opened.header("location").unwrap().to_owned()
}

/// Uploads a document as the body of a request.
pub async fn upload(client: &Client, batch: &str, bytes: Vec<u8>, media_type: &str) -> Answer {
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(bytes);
    client.send("POST", &format!("{batch}/documents"), fill).await
}

pub async fn submit(client: &Client, batch: &str) -> Answer {
    client
        .send("POST", &format!("{batch}/submit"), |request| request)
        .await
}

/// A submitted batch with these questions about so many pages, no two of one grey.
pub async fn submitted(client: &Client, texts: &[&str], pages: u8) -> String {
    let batch = open(client, texts).await;
    for number in 0..pages {
        upload(client, &batch, page(number * 10), "image/png")
            .await
            .expect(201);
    }
    submit(client, &batch).await.expect(200);
    batch
}

/// Waits until a batch has an answer.
pub async fn first_answer(client: &Client, batch: &str) {
    let begun = || async {
        let seen = client.get(batch).await.expect(200).json();
        (seen["jobs"]["answered"].as_u64() > Some(0)).then_some(())
    };
    eventually("the first answer", begun).await;
}

/// The batch, when it is completed.
pub async fn completed(client: &Client, batch: &str) -> Value {
    let look = || async {
        let seen = client.get(batch).await.expect(200).json();
        Some(seen).filter(|seen| seen["state"] == "completed")
    };
    eventually("the batch to complete", look).await
}

/// The events of a stream: their names and data.
pub fn events(text: &str) -> Vec<(String, Value)> {
    let event = |block: &str| {
        let mut lines = block.lines();
        let name = lines.next()?.strip_prefix("event: ")?.to_owned();
        let data = lines.next()?.strip_prefix("data: ")?;
        Some((name, serde_json::from_str(data).unwrap()))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// The parts of a one-call job.
pub fn call(image: Vec<u8>) -> Form {
    Form::new()
        .text("model", MODEL)
        .text("purpose", "research")
        .text("question", "What is the total?")
        .text("parameters", r#"{"max_new_tokens": 4}"#)
        .part(
            "image",
            Part::bytes(image)
                .file_name("page.png")
                .mime_str("image/png")
                .unwrap(),
        )
}

#[tokio::test]
async fn documents_become_answers_in_order_of_document_page_and_question() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?", "What is the total?"]).await;
    let first = upload(&client, &batch, page(10), "image/png")
        .await
        .expect(201)
        .json();
    let parts = [20, 30].map(|grey| {
        Part::bytes(page(grey))
            .file_name("more.png")
            .mime_str("image/png")
            .unwrap()
    });
    let form = parts
        .into_iter()
        .fold(Form::new(), |form, part| form.part("document", part));
    let fill = |request: reqwest::RequestBuilder| request.multipart(form);
    let more = client
        .send("POST", &format!("{batch}/documents"), fill)
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&first["data"][0]["place"], &more["data"][1]["place"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(more["data"][1]["name"], "more.png");
    submit(&client, &batch).await.expect(200);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (
            &seen["documents"]["split"],
            &seen["pages"],
            &seen["jobs"]["answered"]
        ),
        (&json!(3), &json!(3), &json!(6))
    );
    let rows = client
        .get(&format!("{batch}/answers?limit=4"))
        .await
        .expect(200)
        .json();
    let rest = client
        .get(&format!(
            "{batch}/answers?after={}",
            rows["next"].as_str().unwrap()
        ))
        .await
        .json();
    let all: Vec<&Value> = [&rows, &rest]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .collect();
    let documents = [&first["data"][0], &more["data"][0], &more["data"][1]].map(|document| &document["id"]);
    let expected: Vec<(&Value, u64)> = documents.into_iter().flat_map(|id| [(id, 0), (id, 1)]).collect();
    let order: Vec<(&Value, u64)> = all
        .iter()
        .map(|row| (&row["document"], row["question"].as_u64().unwrap()))
        .collect();
    assert_eq!(order, expected);
    for row in all {
        assert_eq!(
            (&row["verdict"], &row["answer"]["notices"]),
            (&json!("answered"), &json!(["Built with glm-4"]))
        );
    }
    let job = client
        .get(&format!("/v1/jobs/{}", rows["data"][0]["job"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(job.header("x-attribution"), Some("Built with glm-4"));
}

#[tokio::test]
async fn one_call_answers_within_the_wait_it_asked_for_or_tells_where_to_look() {
    let hub = hub_with_model(&[("GLMHUB_WORK__LONGEST_WAIT_SECONDS", "120")]);
    let client = hub.client("acme", &["submitter"]);
    let waiting =
        |request: reqwest::RequestBuilder| request.header("prefer", "wait=9999").multipart(call(page(7)));
    let ready = client.send("POST", "/v1/jobs", waiting).await.expect(200);
    assert_eq!(ready.header("preference-applied"), Some("wait=120"));
    assert_eq!(
        (&ready.json()["state"], &ready.json()["question_text"]),
        (&json!("answered"), &json!("What is the total?"))
    );
    let later = client
        .send("POST", "/v1/jobs", |request| request.multipart(call(page(8))))
        .await
        .expect(202);
    let place = later.header("location").unwrap().to_owned();
    let look = || async { Some(client.get(&place).await.json()).filter(|job| job["state"] == "answered") };
    let job = eventually("the job to be answered", look).await;
    assert_eq!(job["answer"]["attempt"], 1);
}

#[tokio::test]
async fn questions_and_answers_stay_out_of_the_log() {
    let hub = hub_with_model(&[("GLMHUB_LOG__FILTER", "trace")]);
    let client = hub.client("acme", &["submitter"]);
    let questions = [
        "Whose confidential signature is this?",
        "这张发票的合计金额是多少？",
        "What is the date of this invoice?",
    ];
    let mut body = new_batch(&questions);
    for question in body["questions"].as_array_mut().unwrap() {
        question["parameters"] = json!({ "max_new_tokens": 24 });
    }
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    let page = std::fs::read(tree::root().join("models/demo/reader/pages/invoice-1.png")).unwrap();
    upload(&client, &batch, page, "image/png").await.expect(201);
    submit(&client, &batch).await;
    completed(&client, &batch).await;
    let answers = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let rows = answers["data"].as_array().unwrap();
    let texts = rows.iter().map(|row| row["answer"]["text"].as_str().unwrap());
    // Shorter ones may stand in a log by chance.
    let told: Vec<&str> = texts.filter(|text| text.chars().count() > 6).collect();
    assert!(!told.is_empty(), "no answer is long enough to be looked for");
    hub.tells("the work", |line| line.contains("report collected"))
        .await;
    let log = hub.log();
    for text in questions.into_iter().chain(told) {
        assert!(!log.contains(text), "{text:?} is in the log");
    }
}

#[tokio::test]
async fn one_tenant_cannot_find_what_another_has() {
    let hub = hub_with_model(&[]);
    let (ours, theirs) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter", "operator"]),
    );
    let batch = open(&ours, &["What is it?"]).await;
    upload(&ours, &batch, page(1), "image/png").await.expect(201);
    submit(&ours, &batch).await.expect(200);
    completed(&ours, &batch).await;
    let rows = ours.get(&format!("{batch}/answers")).await.json();
    let job = format!("/v1/jobs/{}", rows["data"][0]["job"].as_str().unwrap());
    for path in ["", "/documents", "/jobs", "/answers"] {
        theirs
            .get(&format!("{batch}{path}"))
            .await
            .refused(404, "not_found");
    }
    theirs.get(&job).await.refused(404, "not_found");
    for path in [
        format!("{batch}/submit"),
        format!("{batch}/cancel"),
        format!("{batch}/requeue"),
        format!("{job}/cancel"),
        format!("{job}/requeue"),
    ] {
        theirs
            .send("POST", &path, |request| request)
            .await
            .refused(404, "not_found");
    }
    upload(&theirs, &batch, page(2), "image/png")
        .await
        .refused(404, "not_found");
    assert_eq!(theirs.get("/v1/batches").await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_cancelled_batch_takes_nothing_more_and_says_so() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    submit(&client, &batch)
        .await
        .refused(409, "batch_without_documents");
    let requeue = format!("{batch}/requeue");
    let asked = client.send("POST", &requeue, |request| request).await;
    asked.refused(409, "batch_state");
    let auditor = hub.client("acme", &["auditor"]);
    let asked = auditor.send("POST", &requeue, |request| request).await;
    asked.refused(403, "missing_role");
    upload(&client, &batch, page(1), "image/png").await.expect(201);
    for _ in 0..2 {
        let cancelled = client
            .send("POST", &format!("{batch}/cancel"), |request| request)
            .await
            .expect(200);
        let body = cancelled.json();
        assert_eq!(
            (&body["state"], &body["documents"]["cancelled"]),
            (&json!("cancelled"), &json!(1))
        );
    }
    upload(&client, &batch, page(2), "image/png")
        .await
        .refused(409, "batch_state");
    submit(&client, &batch).await.refused(409, "batch_state");
}

#[tokio::test]
async fn every_page_of_a_pdf_is_asked_and_a_locked_one_fails_alone() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is the total?"]).await;
    let sheet = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] >>";
    let whole = format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n\
         2 0 obj << /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >> endobj\n\
         3 0 obj {sheet} endobj\n4 0 obj {sheet} endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
    );
    let locked = whole.replace("/Root 1 0 R", "/Root 1 0 R /Encrypt << /Filter /Standard >>");
    for document in [whole, locked] {
        upload(&client, &batch, document.into_bytes(), "application/pdf")
            .await
            .expect(201);
    }
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(seen["documents"]["split"], 1, "{seen}");
    assert_eq!(seen["documents"]["failed"], 1, "{seen}");
    assert_eq!(seen["jobs"]["answered"], 2, "{seen}");
    let rows = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let pages: Vec<&Value> = rows["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["page"])
        .collect();
    assert_eq!(pages, [1, 2]);
}

#[tokio::test]
async fn a_document_and_its_pages_are_handed_out_again_and_the_log_says_to_whom() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let uploaded = upload(&client, &batch, page(10), "image/png")
        .await
        .expect(201)
        .json();
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let document = uploaded["data"][0]["id"].as_str().unwrap();
    let path = format!("{batch}/documents/{document}");
    let whole = client.get(&format!("{path}/content")).await.expect(200);
    assert_eq!(whole.body, page(10));
    let first = client.get(&format!("{path}/pages/1/content")).await.expect(200);
    assert_eq!(first.header("content-type"), Some("image/png"));
    let seen = image::load_from_memory(&first.body).unwrap();
    assert_eq!((seen.width(), seen.height()), (40, 30));
    let other = hub.client("umbrella", &["submitter"]);
    for path in [format!("{path}/content"), format!("{path}/pages/1/content")] {
        other.get(&path).await.refused(404, "not_found");
    }
    client
        .get(&format!("{path}/pages/2/content"))
        .await
        .refused(404, "not_found");
    let auditor = hub.client("audit", &["auditor"]);
    let reads = auditor
        .get(&format!(
            "/v1/audit/entries?kind=document.read&subject={document}"
        ))
        .await
        .expect(200)
        .json();
    let reads = reads["data"].as_array().unwrap();
    assert_eq!(reads.len(), 2, "{reads:?}");
    assert_eq!(reads[0]["entry"]["tenant"], "acme");
    assert!(reads[0]["entry"]["member"].is_string(), "{reads:?}");
    assert_eq!(reads[1]["entry"]["detail"]["page"], 1);
}
