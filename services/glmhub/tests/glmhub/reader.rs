//! The small model that comes with the source gives right answers: by the hub, by `ask`, and in few bits.

use crate::{
    client::Client,
    hub::Hub,
    jobs::{completed, submit, upload},
    process::perform,
    tree,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

const MODEL: &str = "glmhub/demo-doc-reader";

/// A question about a sample page and what is printed there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Sample {
    page: String,
    question: String,
    answer: String,
    field: String,
}

fn folder() -> PathBuf {
    tree::root().join("models/demo/reader")
}

fn samples() -> BTreeMap<String, Vec<Sample>> {
    let listed: Vec<Sample> =
        serde_json::from_slice(&fs::read(folder().join("questions.json")).unwrap()).unwrap();
    let mut by_page: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for sample in listed {
        by_page.entry(sample.page.clone()).or_default().push(sample);
    }
    by_page
}

/// Opens and submits a batch of one page with its questions.
async fn sent(client: &Client, page: &str, samples: &[Sample]) -> String {
    let questions: Vec<Value> = samples
        .iter()
        .map(|sample| json!({ "text": sample.question }))
        .collect();
    // Commercial use is free under the reader's own licence.
    let batch = json!({ "model": MODEL, "purpose": "commercial", "questions": questions });
    let opened = client.post("/v1/batches", &batch).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    let bytes = fs::read(folder().join(page)).unwrap();
    upload(client, &batch, bytes, "image/png").await.expect(201);
    submit(client, &batch).await.expect(200);
    batch
}

#[tokio::test]
async fn the_hub_answers_what_is_printed_on_the_sample_pages_and_says_what_is_not() {
    let hub = Hub::start();
    hub.import(MODEL, &folder());
    let client = hub.client("acme", &["submitter"]);
    let samples = samples();
    let mut batches = Vec::new();
    for (page, asked) in &samples {
        batches.push((sent(&client, page, asked).await, asked));
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (batch, asked) in batches {
        completed(&client, &batch).await;
        let answers = client.get(&format!("{batch}/answers")).await.expect(200).json();
        for (row, sample) in answers["data"].as_array().unwrap().iter().zip(asked) {
            count += 1;
            assert_eq!(row["question_text"], sample.question);
            if row["answer"]["text"] != sample.answer {
                wrong.push((row["answer"]["text"].clone(), sample.clone()));
            }
        }
    }
    assert_eq!(count, 66);
    // One digit of a number and one of an amount: the engine reads what the checkpoint reads, which is not perfect.
    assert!(wrong.len() <= 2, "{wrong:#?}");
    assert!(
        wrong.iter().all(|(_, sample)| sample.field != "absent"),
        "{wrong:#?}"
    );
}

/// What the model at `weights` answers to one sample of each kind of field.
fn asked(weights: &str) -> Vec<(Sample, String)> {
    let mut fields = BTreeMap::new();
    for sample in samples().into_values().flatten() {
        // The last page's, which the reader makes no mistake on.
        fields.insert(sample.field.clone(), sample);
    }
    let ask = |sample: Sample| {
        let image = folder().join(&sample.page);
        let question = sample.question.as_str();
        let told = perform(&[
            "ask",
            "--model",
            weights,
            "--image",
            image.to_str().unwrap(),
            "--question",
            question,
            "--json",
        ]);
        let told: Value = serde_json::from_str(&told.well()).unwrap();
        (sample, told["text"].as_str().unwrap().to_owned())
    };
    fields.into_values().map(ask).collect()
}

#[test]
fn the_reader_reads_every_kind_of_field_also_in_few_bits() {
    let (source, into) = (folder(), tempfile::tempdir().unwrap());
    for kind in ["q8_0", "q4_k_m"] {
        let file = into.path().join(format!("{kind}.gguf"));
        let (from, to) = (source.to_str().unwrap(), file.to_str().unwrap());
        perform(&["model", "quantize", "--from", from, "--to", to, "--type", kind]).well();
        for (sample, text) in asked(to) {
            assert_eq!(text, sample.answer, "{kind}: {sample:?}");
        }
    }
}
