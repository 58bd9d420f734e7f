//! Archives that were made to do harm, through the hub: each fails alone with its code, the rest of the batch goes on, and
//! nothing is written but what the hub keeps.

use crate::{
    jobs::{completed, hub_with_model, open, page, submit, upload},
    tree,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// Limits under which the corpus was made.
const SMALL: [(&str, &str); 3] = [
    ("GLMHUB_WORK__MOST_DOCUMENT_BYTES", "1048576"),
    ("GLMHUB_WORK__MOST_UNPACKED_BYTES", "1048576"),
    ("GLMHUB_WORK__MOST_PAGES", "20"),
];
/// What stands in the names of members that would be written elsewhere.
const ESCAPED: &str = "escaped";

/// Archives with what they are told for, by their names: `CODE--WHAT.zip`, or `pages-N--WHAT.zip` where they are taken.
fn archives() -> BTreeMap<String, Vec<u8>> {
    let folder = tree::root().join("workers/pages/fuzz/corpus/archive");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// The paths below `folder` that have a word in their name.
fn named(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_name().to_string_lossy().contains(word) {
            found.push(path.display().to_string());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(named(&path, word));
        }
    }
    found
}

#[tokio::test]
async fn hostile_archives_fail_alone_and_write_nothing_elsewhere() {
    let hub = hub_with_model(&SMALL);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let archives = archives();
    assert!(archives.len() > 20, "{:?}", archives.keys());
    for bytes in archives.values() {
        upload(&client, &batch, bytes.clone(), "application/zip")
            .await
            .expect(201);
    }
    upload(&client, &batch, page(3), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    let listed = client
        .get(&format!("{batch}/documents?limit=100"))
        .await
        .expect(200)
        .json();
    let documents = listed["data"].as_array().unwrap();
    let told = |document: &Value| match document["fault"]["code"].as_str() {
        Some(code) => code.to_owned(),
        None => format!("pages-{}", document["pages"]),
    };
    for (name, document) in archives.keys().zip(documents) {
        let (expected, _) = name.split_once("--").unwrap();
        assert_eq!(told(document), expected, "{name}: {document}");
    }
    let taken = archives
        .keys()
        .filter(|name| name.starts_with("pages-1--"))
        .count()
        + 1;
    assert_eq!(seen["jobs"]["answered"], json!(taken), "{seen}");
    let around = hub.data().parent().unwrap().to_owned();
    assert_eq!(named(&around, ESCAPED), Vec::<String>::new());
    let beside = named_above(&around, ESCAPED);
    assert_eq!(beside, Vec::<String>::new());
    assert_eq!(named(&hub.data().join("scratch"), "page-"), Vec::<String>::new());
    client.get("/v1/batches").await.expect(200);
}

/// What a name that leads upwards or is absolute would have come to, in the folders above `folder`.
fn named_above(folder: &Path, word: &str) -> Vec<String> {
    let above = folder
        .ancestors()
        .skip(1)
        .flat_map(|folder| fs::read_dir(folder).ok())
        .flatten();
    above
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().contains(word))
        .map(|entry| entry.path().display().to_string())
        .collect()
}
