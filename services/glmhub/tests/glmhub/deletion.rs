//! What a tenant no longer wants kept is deleted, and a signed record says so.

use crate::{
    client::Client,
    hub::eventually,
    jobs::{MODEL, completed, hub_with_model, open, page, submit, submitted, upload},
    process::{ended, glmhub, perform, perform_in},
    tally::all,
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Seals often, so that nobody waits.
const SEALED: (&str, &str) = ("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20");

/// A batch about pages that answers about its documents too.
pub async fn answered(client: &Client, pages: u8) -> String {
    let question = |scope: &str| json!({ "text": "Whose is it?", "scope": scope, "parameters": { "max_new_tokens": 4 } });
    let body = json!({
        "model": MODEL, "purpose": "research", "questions": [question("page"), question("document")],
        "metadata": { "customer": "Li" },
    });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    for number in 0..pages {
        let named = format!("{batch}/documents?name=letter-{number}.png");
        let fill = |request: reqwest::RequestBuilder| {
            request
                .header("content-type", "image/png")
                .body(page(number * 10))
        };
        client.send("POST", &named, fill).await.expect(201);
    }
    submit(client, &batch).await.expect(200);
    completed(client, &batch).await;
    batch
}

/// The deletion of a batch when it is done.
pub async fn deleted(client: &Client, batch: &str) -> Value {
    client.delete(batch).await;
    let look = || async {
        let told = client.delete(batch).await;
        let done = told.json()["done_at"].is_string();
        done.then(|| told.expect(200).json())
    };
    eventually("the deletion to be done", look).await
}

/// How many files the hub keeps.
pub fn files(folder: &Path) -> usize {
    let inside = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        false => 1,
    };
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| inside(entry.unwrap()))
        .sum()
}

/// Holds that nothing of a batch is told any more but that it was.
pub async fn check_gone(client: &Client, batch: &str, documents: &[Value]) {
    let seen = client.get(batch).await.expect(200).json();
    assert!(seen["documents_deleted_at"].is_string() && seen["answers_deleted_at"].is_string());
    assert_eq!(seen["metadata"], json!({}));
    assert_eq!(seen["questions"][0]["text"], "");
    for document in documents {
        let path = format!("{batch}/documents/{}", document["id"].as_str().unwrap());
        for content in ["content", "pages/1/content"] {
            client
                .get(&format!("{path}/{content}"))
                .await
                .refused(404, "not_found");
        }
    }
    for document in all(client, &format!("{batch}/documents")).await {
        assert_eq!(document["name"], Value::Null, "{document}");
        assert!(document["deleted_at"].is_string(), "{document}");
    }
    for row in all(client, &format!("{batch}/answers")).await {
        assert_eq!(
            (&row["verdict"], &row["answer"]),
            (&json!("answered"), &Value::Null)
        );
        let job = format!("/v1/jobs/{}", row["job"].as_str().unwrap());
        let seen = client.get(&job).await.expect(200).json();
        assert!(seen.get("answer").is_none(), "{seen}");
        client.get(&format!("{job}/proof")).await.expect(409);
    }
    let requeue = client
        .send("POST", &format!("{batch}/requeue"), |request| request)
        .await;
    requeue.refused(409, "batch_deleted");
}

#[tokio::test]
async fn a_batch_is_deleted_on_request_and_a_signed_record_says_so() {
    let hub = hub_with_model(&[SEALED]);
    let client = hub.client("acme", &["submitter"]);
    let blobs = hub.data().join("blobs");
    let before = files(&blobs);
    let batch = answered(&client, 2).await;
    let documents = all(&client, &format!("{batch}/documents")).await;
    assert!(files(&blobs) > before);
    let done = deleted(&client, &batch).await;
    let counts = &done["counts"];
    assert_eq!(
        (&counts["documents"], &counts["pages"], &counts["answers"]),
        (&json!(2), &json!(2), &json!(6)),
        "{done}"
    );
    // Two documents, their pages, and what was combined of each; a page may have its document's bytes.
    assert_eq!(files(&blobs), before, "{done}");
    assert_eq!(
        (&done["reason"], &done["member"]),
        (&json!("request"), &json!("li"))
    );
    check_gone(&client, &batch, &documents).await;
    let listed = client.get(&format!("{batch}/deletions")).await.expect(200).json();
    assert_eq!(listed["data"], json!([done]));
    // What the log says of answers holds, though they are gone.
    let verify = || async {
        let told = perform_in(&hub.data(), &["audit", "verify", "--json"], &[]).well();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["findings"], json!([]));
        (told["pending"] == 0).then_some(())
    };
    eventually("the log to be sealed", verify).await;
    let auditor = hub.client("audit", &["auditor"]);
    let id = batch.rsplit('/').next().unwrap();
    let entries = auditor
        .get(&format!("/v1/audit/entries?kind=batch.deleted&subject={id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        entries["data"][0]["entry"]["detail"]["counts"], *counts,
        "{entries}"
    );
}

#[tokio::test]
async fn the_record_is_verified_offline_and_a_changed_one_is_found_out() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = submitted(&client, &["What is it?"], 1).await;
    completed(&client, &batch).await;
    let id = batch.rsplit('/').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (record, keys) = (folder.path().join("record.json"), folder.path().join("keys.json"));
    let (record_name, keys_name) = (record.to_str().unwrap(), keys.to_str().unwrap());
    let jwks = hub
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .text();
    fs::write(&keys, jwks).unwrap();
    let mut command = glmhub();
    command.args(["batch", "delete", id, "--wait", "--record", record_name]);
    command.env("GLMHUB_URL", hub.url());
    command.env("GLMHUB_TOKEN", hub.token("acme", &["submitter"]));
    let said = ended(command.output().unwrap()).well();
    assert!(said.starts_with(&format!("{id} is deleted (del_")), "{said}");
    let verify = ["audit", "verify", "--deletion", record_name, "--keys", keys_name];
    let told = perform(&verify).well();
    for part in [
        "is signed",
        id,
        "asked for by li of acme",
        "documents  1,",
        "answers    1\n",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let mut changed: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    let payload = changed["payload"].as_str().unwrap().to_owned();
    changed["payload"] = json!(format!("{}A{}", &payload[..40], &payload[41..]));
    fs::write(&record, changed.to_string()).unwrap();
    let complaint = perform(&verify).badly(1);
    assert!(complaint.contains("not to be believed"), "{complaint}");
    // The proof of something else is none of a deletion.
    let other = submitted(&client, &["What is it?"], 1).await;
    completed(&client, &other).await;
    let rows = all(&client, &format!("{other}/answers")).await;
    let provenance = format!("/v1/jobs/{}/provenance", rows[0]["job"].as_str().unwrap());
    fs::write(&record, client.get(&provenance).await.expect(200).text()).unwrap();
    perform(&verify).badly(1);
}

#[tokio::test]
async fn what_something_else_has_the_bytes_of_stays_until_that_is_deleted_too() {
    let hub = hub_with_model(&[]);
    let (ours, theirs) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter"]),
    );
    let blobs = hub.data().join("blobs");
    let before = files(&blobs);
    let mut batches = Vec::new();
    for client in [&ours, &ours, &theirs] {
        let batch = submitted(client, &["What is it?"], 1).await;
        completed(client, &batch).await;
        let documents = all(client, &format!("{batch}/documents")).await;
        let document = format!("{batch}/documents/{}", documents[0]["id"].as_str().unwrap());
        batches.push((client, batch, document));
    }
    for (place, (client, batch, _)) in batches.iter().enumerate() {
        let counts = deleted(client, batch).await["counts"].clone();
        let left = &batches[place + 1..];
        for (client, _, document) in left {
            for content in ["content", "pages/1/content"] {
                client.get(&format!("{document}/{content}")).await.expect(200);
            }
        }
        assert_eq!(counts["files"] == 0, !left.is_empty(), "{counts}");
        assert_eq!(counts["shared"] == 0, left.is_empty(), "{counts}");
    }
    assert_eq!(files(&blobs), before);
    // The same bytes are taken again, and read.
    let again = submitted(&ours, &["What is it?"], 1).await;
    assert_eq!(completed(&ours, &again).await["jobs"]["answered"], 1);
    let call = |request: reqwest::RequestBuilder| {
        request
            .header("prefer", "wait=60")
            .multipart(crate::jobs::call(page(0)))
    };
    deleted(&ours, &again).await;
    ours.send("POST", "/v1/jobs", call).await.expect(200);
    let documents = ours.get("/v1/batches").await.expect(200).json();
    let one_call = format!("/v1/batches/{}", documents["data"][0]["id"].as_str().unwrap());
    deleted(&ours, &one_call).await;
    let image = Part::bytes(page(0))
        .file_name("page.png")
        .mime_str("image/png")
        .unwrap();
    let form = Form::new().text("purpose", "vision").part("file", image);
    let file = |request: reqwest::RequestBuilder| request.multipart(form);
    ours.send("POST", "/openai/v1/files", file).await.expect(200);
}

#[tokio::test]
async fn only_what_is_over_is_deleted_and_only_by_who_may() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    upload(&client, &batch, page(1), "image/png").await.expect(201);
    client.delete(&batch).await.refused(409, "batch_state");
    hub.client("acme", &["auditor"])
        .delete(&batch)
        .await
        .refused(403, "missing_role");
    hub.client("other", &["submitter"])
        .delete(&batch)
        .await
        .refused(404, "not_found");
    client
        .send("POST", &format!("{batch}/cancel"), |request| request)
        .await
        .expect(200);
    assert_eq!(deleted(&client, &batch).await["counts"]["documents"], 1);
}
