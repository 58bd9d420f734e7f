//! The small model that comes with the source gives right answers: by the hub, by `ask`, and in few bits.

use crate::{
    client::Client,
    fleet::Fleet,
    hub::Hub,
    jobs::{completed, events, submit, upload},
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

/// Asks a hub that knows the reader all of the samples.
async fn answers_what_is_printed(client: &Client) {
    let samples = samples();
    let mut batches = Vec::new();
    for (page, asked) in &samples {
        batches.push((sent(client, page, asked).await, asked));
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (batch, asked) in batches {
        completed(client, &batch).await;
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

#[tokio::test]
async fn the_hub_answers_what_is_printed_on_the_sample_pages_and_says_what_is_not() {
    let hub = Hub::start();
    hub.import(MODEL, &folder());
    answers_what_is_printed(&hub.client("acme", &["submitter"])).await;
}

#[tokio::test]
async fn many_processes_on_postgresql_redis_and_s3_answer_it_too() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    fleet.import(MODEL, &folder());
    answers_what_is_printed(&fleet.client(1, "acme")).await;
}

#[tokio::test]
async fn what_is_streamed_is_what_is_printed() {
    let hub = Hub::start();
    hub.import(MODEL, &folder());
    let client = hub.client("acme", &["submitter"]);
    let (page, samples) = samples().pop_last().unwrap();
    let batch = sent(&client, &page, &samples).await;
    completed(&client, &batch).await;
    let jobs = client
        .get(&format!("{batch}/jobs?limit=100"))
        .await
        .expect(200)
        .json();
    for (job, sample) in jobs["data"].as_array().unwrap().iter().zip(&samples) {
        let stream = format!("/v1/jobs/{}/stream", job["id"].as_str().unwrap());
        let told = events(&client.get(&stream).await.expect(200).text());
        let (name, verdict) = told.last().unwrap();
        assert_eq!(
            (name.as_str(), &verdict["answer"]["text"]),
            ("verdict", &json!(sample.answer))
        );
        // And by `ask`, token by token.
        let (model, image) = (folder(), folder().join(&page));
        let (model, image) = (model.to_str().unwrap(), image.to_str().unwrap());
        let asked = perform(&[
            "ask",
            "--model",
            model,
            "--image",
            image,
            "--question",
            &sample.question,
        ]);
        assert_eq!(asked.well().trim_end_matches('\n'), sample.answer);
    }
}

/// How many of the sample questions the model at `weights` answers right, asked with `more` arguments, and which not.
fn asked(weights: &str, more: &[&str]) -> (usize, Vec<(Sample, String)>) {
    let (mut right, mut wrong) = (0, Vec::new());
    for (page, samples) in samples() {
        let image = folder().join(page);
        let mut command = vec![
            "ask",
            "--model",
            weights,
            "--image",
            image.to_str().unwrap(),
            "--json",
        ];
        command.extend(more);
        for sample in &samples {
            command.extend(["--question", &sample.question]);
        }
        let told = perform(&command).well();
        let texts: Vec<String> = told
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["text"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(texts.len(), samples.len());
        for (sample, text) in samples.into_iter().zip(texts) {
            if text == sample.answer {
                right += 1;
            } else {
                wrong.push((sample, text));
            }
        }
    }
    (right, wrong)
}

#[test]
fn the_reader_reads_as_well_in_few_bits() {
    let (source, into) = (folder(), tempfile::tempdir().unwrap());
    let from = source.to_str().unwrap();
    let (whole, wrong) = asked(from, &[]);
    // Two of a hundred may be lost; two are wrong in the checkpoint itself.
    let may_be_lost = (whole + wrong.len()) * 2 / 100;
    assert!(wrong.len() <= 2, "{wrong:#?}");
    for kind in ["q8_0", "q4_k_m"] {
        let file = into.path().join(format!("{kind}.gguf"));
        let to = file.to_str().unwrap();
        perform(&["model", "quantize", "--from", from, "--to", to, "--type", kind]).well();
        let (right, wrong) = asked(to, &[]);
        assert!(right + may_be_lost >= whole, "{kind}: {wrong:#?}");
    }
}

#[test]
fn the_reader_reads_the_same_with_keys_and_values_in_few_bits() {
    let source = folder();
    let from = source.to_str().unwrap();
    let exact = asked(from, &[]);
    for kept in ["f16", "q8_0"] {
        assert_eq!(asked(from, &["--kv-cache-type", kept]), exact, "{kept}");
    }
}
