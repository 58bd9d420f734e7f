//! Files of requests and answers that are deleted, end, or are older than what their tenant keeps: their bytes are gone.

use super::{FILES, at, begin, content, ending::long, form, line, lines, names, send_file, send_form, until};
use crate::{
    client::Client,
    deletion::{deleted, files},
    hub::{Hub, eventually},
    jobs::hub_with_model,
    process::perform,
    tally::all,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Looks often whose time is over.
const OFTEN: (&str, &str) = ("GLMHUB_RETENTION__LOOK_SECONDS", "1");

fn path(file: &Value) -> String {
    format!("{FILES}/{}", file.as_str().unwrap())
}

/// How many files in `folder` have `text` in them.
fn holding(folder: &Path, text: &str) -> usize {
    let inside = |path: &Path| match path.is_dir() {
        true => holding(path, text),
        false => {
            // One that is removed at this moment has nothing in it.
            let bytes = fs::read(path).unwrap_or_default();
            usize::from(bytes.windows(text.len()).any(|part| part == text.as_bytes()))
        }
    };
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| inside(&entry.unwrap().path())).sum()
}

/// The deletion of a file when it is done.
async fn gone(client: &Client, file: &Value) -> Value {
    let look = || async {
        let told = client.get(&format!("{}/deletions", path(file))).await;
        let told = told.expect(200).json()["data"][0].clone();
        told["done_at"].is_string().then_some(told)
    };
    let told = eventually("a file to be gone", look).await;
    assert_eq!(told["file"], *file, "{told}");
    let content = format!("{}/content", path(file));
    client.get(&content).await.refused_as_openai(404, "not_found");
    told
}

fn counts(told: &Value) -> (u64, u64) {
    let count = |name: &str| told["counts"][name].as_u64().unwrap();
    (count("files"), count("shared"))
}

async fn keep(hub: &Hub, tenant: &str, documents: Option<u32>, answers: Option<u32>) {
    let body = json!({ "documents_days": documents, "answers_days": answers });
    let operator = hub.client(tenant, &["operator"]);
    let set = operator.send("PUT", "/v1/retention", |request| request.json(&body));
    set.await.expect(200);
}

#[tokio::test]
async fn a_deleted_file_is_gone_unless_somebody_has_the_same_and_a_signed_record_says_so() {
    let hub = Hub::start();
    let (ours, theirs) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter"]),
    );
    let (blobs, text) = (hub.data().join("blobs"), "wanted by two");
    let (own, same) = (send_file(&ours, text).await, send_file(&theirs, text).await);
    ours.delete(&path(&own["id"])).await.expect(200);
    let told = gone(&ours, &own["id"]).await;
    assert_eq!(counts(&told), (0, 1), "{told}");
    assert_eq!(
        (&told["deleted"], &told["reason"]),
        (&json!("documents"), &json!("request"))
    );
    assert_eq!(holding(&blobs, text), 1);
    let read = theirs.get(&format!("{}/content", path(&same["id"]))).await;
    assert_eq!(read.expect(200).text(), text);
    let of_others = format!("{}/deletions", path(&own["id"]));
    theirs.get(&of_others).await.refused_as_openai(404, "not_found");
    theirs.delete(&path(&same["id"])).await.expect(200);
    assert_eq!(counts(&gone(&theirs, &same["id"]).await), (1, 0));
    assert_eq!(holding(&blobs, text), 0);
    // The same bytes are taken again, and stay.
    let again = send_file(&ours, text).await;
    ours.get(&format!("{}/content", path(&again["id"])))
        .await
        .expect(200);
    verify_offline(&hub, &told).await;
}

async fn verify_offline(hub: &Hub, told: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let (record, keys) = (folder.path().join("record.json"), folder.path().join("keys.json"));
    let jwks = hub.stranger().get("/.well-known/jwks.json").await;
    fs::write(&keys, jwks.expect(200).text()).unwrap();
    fs::write(&record, told["record"].to_string()).unwrap();
    let (record, keys) = (record.to_str().unwrap(), keys.to_str().unwrap());
    let said = perform(&["audit", "verify", "--deletion", record, "--keys", keys]).well();
    for part in [
        "is signed",
        told["file"].as_str().unwrap(),
        "0 removed, 1 shared",
        "asked for by li",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[tokio::test]
async fn what_was_to_end_is_gone_then_and_what_a_batch_reads_when_that_is_over() {
    let hub = hub_with_model(&[OFTEN]);
    let (client, blobs) = (hub.client("acme", &["submitter"]), hub.data().join("blobs"));
    let form = form("ends.jsonl", "ends soon").text("expires_after[seconds]", "3600");
    let ends = send_form(&client, form).await.expect(200).json();
    let read = send_file(&client, lines(&[long("read-on", 1), long("and-on", 2)])).await;
    let batch = begin(&client, &read).await;
    until(&client, &batch, "in_progress").await;
    client.delete(&path(&read["id"])).await.expect(200);
    let aged = format!(
        "UPDATE openai_files SET expires_at = '2000-01-01T00:00:00.000000000' WHERE id = {}",
        ends["id"]
    );
    hub.write(&aged.replace('"', "'"));
    let told = gone(&client, &ends["id"]).await;
    assert_eq!(
        (&told["reason"], &told["member"]),
        (&json!("retention"), &Value::Null)
    );
    assert_eq!(holding(&blobs, "ends soon"), 0);
    let done = until(&client, &batch, "completed").await;
    assert_eq!(done["request_counts"]["completed"], 2);
    gone(&client, &read["id"]).await;
    // What is left that names its lines is the file of their answers.
    assert_eq!(holding(&blobs, "read-on"), 1);
}

#[tokio::test]
async fn files_go_when_they_are_older_than_what_their_tenant_keeps() {
    let hub = hub_with_model(&[OFTEN]);
    let (client, blobs) = (hub.client("acme", &["submitter"]), hub.data().join("blobs"));
    let fresh = send_file(&client, "fresh").await;
    let file = send_file(&client, lines(&[line("aging", 1)])).await;
    let done = until(&client, &begin(&client, &file).await, "completed").await;
    assert_eq!(holding(&blobs, "aging"), 2);
    hub.write(&format!(
        "UPDATE openai_files SET created_at = '2020-01-01T00:00:00.000000000' WHERE id <> '{}'",
        fresh["id"].as_str().unwrap()
    ));
    keep(&hub, "acme", Some(40), None).await;
    assert_eq!(gone(&client, &file["id"]).await["deleted"], "documents");
    assert_eq!(holding(&blobs, "aging"), 1);
    assert_eq!(content(&client, &done["output_file_id"]).await.len(), 1);
    keep(&hub, "acme", None, Some(40)).await;
    let told = gone(&client, &done["output_file_id"]).await;
    assert_eq!((&told["deleted"], counts(&told)), (&json!("answers"), (1, 0)));
    assert_eq!(holding(&blobs, "aging"), 0);
    client.get(&path(&fresh["id"])).await.expect(200);
}

#[tokio::test]
async fn answers_that_are_deleted_with_their_batch_leave_no_file_that_tells_them() {
    let hub = hub_with_model(&[]);
    let (client, blobs) = (hub.client("acme", &["submitter"]), hub.data().join("blobs"));
    let before = files(&blobs);
    let mut wrong = line("wrong", 3);
    wrong["body"]["temperature"] = json!(99);
    let file = send_file(&client, lines(&[line("first", 1), line("second", 2), wrong])).await;
    let done = until(&client, &begin(&client, &file).await, "completed").await;
    let output = content(&client, &done["output_file_id"]).await;
    assert_eq!(names(&output), ["first", "second"]);
    let job = |row: &Value| format!("/v1/jobs/{}", row["response"]["body"]["job"].as_str().unwrap());
    let first = client.get(&job(&output[0])).await.expect(200).json();
    let batch = format!("/v1/batches/{}", first["batch"].as_str().unwrap());
    assert_eq!(deleted(&client, &batch).await["counts"]["answers"], 1);
    let told = gone(&client, &done["output_file_id"]).await;
    assert_eq!((&told["member"], counts(&told)), (&json!("li"), (1, 0)));
    // The request, and why another was refused, are told still; the other answer by its job.
    assert_eq!(holding(&blobs, "\"first\""), 1);
    assert_eq!(names(&content(&client, &done["error_file_id"]).await), ["wrong"]);
    let second = client.get(&job(&output[1])).await.expect(200).json();
    assert!(second["answer"]["text"].is_string(), "{second}");
    client.get(&at(&done)).await.expect(200);
    for batch in all(&client, "/v1/batches").await {
        deleted(&client, &format!("/v1/batches/{}", batch["id"].as_str().unwrap())).await;
    }
    for file in [&file["id"], &done["error_file_id"]] {
        client.delete(&path(file)).await.expect(200);
        gone(&client, file).await;
    }
    assert_eq!(files(&blobs), before);
}
