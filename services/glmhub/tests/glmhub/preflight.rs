//! `POST /v1/batches/preflight`: what a batch would be, and that nothing is left of having asked.

use crate::{
    batch::batch,
    client::{Answer, Client},
    combining::document,
    hub::{Hub, eventually},
    jobs::{MODEL, completed, hub_with_model, new_batch, open, page, submit, upload},
    licence::scene::Scene,
    tally::all,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::{fs, path::Path};

pub const PREFLIGHT: &str = "/v1/batches/preflight";
/// Workers say soon how fast they are.
const SOON: (&str, &str) = ("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1");

/// A TIFF of grey pages.
fn tiff(pages: u32) -> Vec<u8> {
    const SIDE: u32 = 8;
    let mut bytes = b"II*\0".to_vec();
    let (strip, entries) = (SIDE * SIDE, 9_u16);
    let one = strip + 2 + u32::from(entries) * 12 + 4;
    bytes.extend((8 + strip).to_le_bytes());
    for number in 0..pages {
        let start = 8 + number * one;
        bytes.extend(vec![u8::try_from(number * 40).unwrap(); strip as usize]);
        bytes.extend(entries.to_le_bytes());
        let tags = [
            (256, SIDE),
            (257, SIDE),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, start),
            (277, 1),
            (278, SIDE),
            (279, strip),
        ];
        for (tag, value) in tags {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend(4_u16.to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(u32::to_le_bytes(value));
        }
        let next = if number + 1 < pages {
            start + one + strip
        } else {
            0
        };
        bytes.extend(next.to_le_bytes());
    }
    bytes
}

/// A PDF of empty sheets.
fn pdf(pages: usize) -> Vec<u8> {
    let kids: String = (0..pages).map(|number| format!("{} 0 R ", number + 3)).collect();
    let sheet = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 200] >>";
    let sheets: String = (0..pages)
        .map(|number| format!("{} 0 obj {sheet} endobj\n", number + 3))
        .collect();
    let text = format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n\
         2 0 obj << /Type /Pages /Kids [{kids}] /Count {pages} >> endobj\n{sheets}trailer << /Root 1 0 R >>\n%%EOF\n"
    );
    text.into_bytes()
}

/// Documents of every kind, and how many pages each has; the last cannot be read.
fn documents() -> [(&'static str, Vec<u8>, Option<u64>); 5] {
    [
        ("image/png", page(10), Some(1)),
        ("image/tiff", tiff(3), Some(3)),
        ("application/pdf", pdf(4), Some(4)),
        ("application/zip", document(2), Some(2)),
        ("image/png", b"no picture".to_vec(), None),
    ]
}

async fn asked(client: &Client, batch: &Value, documents: Vec<(&str, Vec<u8>)>) -> Answer {
    let mut form = Form::new().text("batch", batch.to_string());
    for (media_type, bytes) in documents {
        let part = Part::bytes(bytes)
            .file_name("a file")
            .mime_str(media_type)
            .unwrap();
        form = form.part("document", part);
    }
    client
        .send("POST", PREFLIGHT, |request| request.multipart(form))
        .await
}

/// How many files a hub keeps.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries
        .map(|entry| match entry.path().is_dir() {
            true => files(&entry.path()),
            false => 1,
        })
        .sum()
}

/// The files of blobs, and of documents on their way.
fn kept(hub: &Hub) -> usize {
    ["blobs", "scratch"]
        .map(|folder| files(&hub.data().join(folder)))
        .iter()
        .sum()
}

#[tokio::test]
async fn pages_and_tokens_are_those_that_the_batch_then_has_and_nothing_is_left_of_having_asked() {
    let hub = hub_with_model(&[SOON]);
    let client = hub.client("acme", &["submitter"]);
    let batch = new_batch(&["What is it?", "买方是谁？ <|user|> \n合计？"]);
    let before = kept(&hub);
    let given = documents().map(|(media_type, bytes, _)| (media_type, bytes));
    let seen = asked(&client, &batch, given.clone().into())
        .await
        .expect(200)
        .json();
    assert_eq!(
        (seen["pages"].as_u64(), seen["jobs"].as_u64()),
        (Some(10), Some(20))
    );
    for (told, (_, _, pages)) in seen["documents"].as_array().unwrap().iter().zip(documents()) {
        assert_eq!(told["pages"].as_u64(), pages, "{told}");
        assert_eq!(told["fault"].is_null(), pages.is_some(), "{told}");
    }
    assert_eq!(seen["tokens"]["is_exact"], true);
    assert_eq!(seen["seconds"], Value::Null, "{seen}");
    assert_eq!(kept(&hub), before);
    assert!(all(&client, "/v1/batches").await.is_empty());

    let opened = client.post("/v1/batches", &batch).await.expect(201);
    let place = opened.header("location").unwrap().to_owned();
    for (media_type, bytes) in given {
        upload(&client, &place, bytes, media_type).await.expect(201);
    }
    submit(&client, &place).await.expect(200);
    let done = completed(&client, &place).await;
    assert_eq!(
        (&done["pages"], &done["jobs"]["total"]),
        (&seen["pages"], &seen["jobs"])
    );
    assert_eq!(done["jobs"]["answered"], seen["jobs"], "{done}");
    let rows = all(&client, &format!("{place}/answers")).await;
    let read: u64 = rows
        .iter()
        .map(|row| row["answer"]["input_tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(seen["tokens"]["input"], read);
    assert_eq!(seen["tokens"]["most_output"], 20 * 4);
    // By now the worker knows how fast it is.
    let time = || async {
        let seen = asked(&client, &batch, vec![("image/png", page(1))])
            .await
            .expect(200)
            .json();
        Some(seen).filter(|seen| seen["seconds"].is_number())
    };
    let seen = eventually("a measured speed", time).await;
    assert!(
        seen["seconds"].as_f64() > Some(0.0) && seen["workers"] == 1,
        "{seen}"
    );
    assert_eq!(seen["seconds_unknown"], Value::Null);
}

#[tokio::test]
async fn documents_are_named_by_id_or_url_or_sent_as_text() {
    let hub = hub_with_model(&[("GLMHUB_WORK__MOST_PREFLIGHT_DOCUMENTS", "2")]);
    let client = hub.client("acme", &["submitter"]);
    let place = open(&client, &["What is it?"]).await;
    let uploaded = upload(&client, &place, tiff(5), "image/tiff")
        .await
        .expect(201)
        .json();
    let uploaded = json!({ "document": uploaded["data"][0]["id"] });
    let inline = json!({ "content": BASE64_STANDARD.encode(pdf(2)), "media_type": "application/pdf", "name": "二.pdf" });
    let with = |documents: Value| {
        let mut batch = new_batch(&["What is it?"]);
        batch["documents"] = documents;
        batch
    };
    let seen = client
        .post(PREFLIGHT, &with(json!([uploaded, inline])))
        .await
        .expect(200)
        .json();
    assert_eq!((&seen["pages"], &seen["jobs"]), (&json!(7), &json!(7)));
    assert_eq!(
        (&seen["documents"][0]["document"], &seen["documents"][1]["name"]),
        (&uploaded["document"], &json!("二.pdf"))
    );
    let state = client.get(&place).await.json();
    assert_eq!(
        (&state["state"], &state["documents"]["received"]),
        (&json!("open"), &json!(1))
    );
    let empty = client.post(PREFLIGHT, &with(json!([]))).await.expect(200).json();
    assert_eq!(
        (&empty["pages"], &empty["tokens"]["input"]),
        (&json!(0), &json!(0))
    );

    let three = client
        .post(PREFLIGHT, &with(json!([uploaded, inline, inline])))
        .await;
    assert_eq!(three.refused(409, "too_many_documents")["limit"], 2);
    let parts = vec![
        ("image/png", page(1)),
        ("image/png", page(2)),
        ("image/png", page(3)),
    ];
    asked(&client, &new_batch(&["What is it?"]), parts)
        .await
        .refused(409, "too_many_documents");
    let there = json!({ "url": "http://127.0.0.1:1/a.png" });
    for (documents, status, code) in [
        (json!([there]), 400, "url_refused"),
        (
            json!([{ "content": "?", "media_type": "image/png" }]),
            400,
            "json_malformed",
        ),
        (
            json!([{ "content": "", "media_type": "image/png" }]),
            400,
            "empty_document",
        ),
        (
            json!([{ "content": "YQ==", "media_type": "text/html" }]),
            415,
            "content_type_wrong",
        ),
        (json!([{ "path": "/etc/passwd" }]), 400, "json_malformed"),
        (json!("all"), 400, "json_malformed"),
    ] {
        client
            .post(PREFLIGHT, &with(documents))
            .await
            .refused(status, code);
    }
    let other = hub.client("other", &["submitter"]);
    other
        .post(PREFLIGHT, &with(json!([uploaded])))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn what_would_be_refused_is_refused_with_the_same_words() {
    let scene = Scene::set().await;
    let client = &scene.submitter;
    let commercial = json!({ "model": MODEL, "purpose": "commercial", "questions": [{ "text": "a?" }] });
    let refused = asked(client, &commercial, vec![("image/png", page(1))]).await;
    let opened = client.post("/v1/batches", &commercial).await.expect(403).json();
    let refused = refused.refused(403, opened["code"].as_str().unwrap());
    assert_eq!(
        (&refused["cure"], &refused["reasons"]),
        (&opened["cure"], &opened["reasons"])
    );
    let decision = format!("/v1/decisions/{}", refused["decision_id"].as_str().unwrap());
    scene
        .hub
        .client("acme", &["auditor"])
        .get(&decision)
        .await
        .expect(200);

    let mut bad = new_batch(&["a?", " "]);
    let told = client
        .post(PREFLIGHT, &bad)
        .await
        .refused(400, "question_invalid");
    assert_eq!(told["field"], "questions[1].text");
    bad["questions"] =
        json!([{ "text": "a?", "parameters": { "schema": { "$ref": "https://example.com" } } }]);
    let told = client.post(PREFLIGHT, &bad).await.refused(400, "schema_unusable");
    assert_eq!(told["field"], "questions[0].parameters.schema");
    bad = new_batch(&["a?"]);
    bad["colour"] = json!("red");
    client.post(PREFLIGHT, &bad).await.refused(400, "json_malformed");
    let image_first = Form::new().part("document", Part::bytes(page(1)).mime_str("image/png").unwrap());
    client
        .send("POST", PREFLIGHT, |request| request.multipart(image_first))
        .await
        .refused(400, "part_missing");
    let text = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body("a");
    client
        .send("POST", PREFLIGHT, text)
        .await
        .refused(415, "content_type_wrong");
    let auditor = scene.hub.client("acme", &["auditor"]);
    auditor
        .post(PREFLIGHT, &new_batch(&["a?"]))
        .await
        .refused(403, "missing_role");
    assert!(all(client, "/v1/batches").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_what_it_would_be_and_submits_nothing() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.tiff"), tiff(3)).unwrap();
    fs::write(folder.path().join("2.pdf"), "no document").unwrap();
    let path = folder.path().to_str().unwrap();
    let asking = [
        "submit",
        "--model",
        MODEL,
        "--purpose",
        "research",
        "--question",
        "a?",
        "--question",
        "b?",
        path,
    ];
    let told = batch(&scene, &[&asking[..], &["--dry-run"]].concat()).well();
    for line in [
        "nothing was stored or submitted\n",
        "  documents  2, 1 cannot be read\n    2.pdf: ",
        "  pages      3\n",
        "2, 6 answers in all",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let seen = batch(&scene, &[&asking[..], &["--preflight", "--json"]].concat()).well();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        (&seen["pages"], &seen["tokens"]["is_exact"]),
        (&json!(3), &json!(true))
    );
    assert!(all(&scene.submitter, "/v1/batches").await.is_empty());
    let commercial = [
        "submit",
        "--model",
        MODEL,
        "--purpose",
        "commercial",
        "--question",
        "a?",
        "--dry-run",
        path,
    ];
    let refused = batch(&scene, &commercial).badly(1);
    assert!(
        refused.contains("cure: ") && refused.contains("decision: dec_"),
        "{refused}"
    );
}
