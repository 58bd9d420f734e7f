//! `GET /v1/batches/{batch}/results`: what became of every row, in the form that a client wants.

use crate::{
    client::{Answer, Client},
    jobs::{MODEL, completed, first_answer, hub_with_model, open, page, submit},
    tally::all,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded::byte_serialize;

/// The verdicts of rows, as a batch counts them.
const VERDICTS: [&str; 7] = [
    "pending",
    "held",
    "answered",
    "failed",
    "cancelled",
    "refused",
    "expired",
];

/// Uploads documents by name; those without bytes are no pictures.
async fn fill(client: &Client, batch: &str, documents: &[(&str, Option<u8>)]) -> Vec<Value> {
    let mut ids = Vec::new();
    for (name, grey) in documents {
        let bytes = grey.map_or_else(|| b"no picture".to_vec(), page);
        let name: String = byte_serialize(name.as_bytes()).collect();
        let place = format!("{batch}/documents?name={name}");
        let body = |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(bytes);
        let added = client.send("POST", &place, body).await.expect(201).json();
        ids.push(added["data"][0]["id"].clone());
    }
    ids
}

/// The results as a client that sends this header gets them.
async fn accepting(client: &Client, batch: &str, accept: &str) -> Answer {
    let fill = |request: reqwest::RequestBuilder| request.header("accept", accept);
    client.send("GET", &format!("{batch}/results"), fill).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn records(answer: &Answer) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(&answer.body[..]);
    reader.records().map(Result::unwrap).collect()
}

/// Holds that counts are the sum of their parts and those of the rows, in every form.
pub async fn add_up(client: &Client, batch: &str) -> Vec<Value> {
    let seen = client.get(batch).await.expect(200).json();
    let rows = all(client, &format!("{batch}/results")).await;
    let mut counted = BTreeMap::from(VERDICTS.map(|verdict| (verdict.to_owned(), 0)));
    for row in &rows {
        *counted
            .get_mut(row["verdict"].as_str().unwrap())
            .unwrap_or_else(|| panic!("{row}")) += 1;
    }
    for (verdict, count) in &counted {
        assert_eq!(seen["rows"][verdict], *count, "{verdict} of {seen}");
    }
    assert_eq!(seen["rows"]["total"], rows.len(), "{seen}");
    let streamed = client
        .get(&format!("{batch}/results?format=jsonl"))
        .await
        .expect(200);
    assert_eq!(lines(&streamed), rows);
    let table = client
        .get(&format!("{batch}/results?format=csv"))
        .await
        .expect(200);
    assert_eq!(records(&table).len(), rows.len() + 1);
    rows
}

#[tokio::test]
async fn rows_come_in_the_order_in_which_they_were_asked_for_in_every_form() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["=who?", "\"what\",\nthen?"]).await;
    let documents = [
        ("=1+1.png", Some(10)),
        ("broken.png", None),
        ("三.png", Some(20)),
        ("last.png", None),
    ];
    let ids = fill(&client, &batch, &documents).await;
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;

    let rows = add_up(&client, &batch).await;
    let order: Vec<(&Value, &Value, &Value)> = rows
        .iter()
        .map(|row| (&row["document"], &row["page"], &row["question"]))
        .collect();
    let (one, none) = (json!(1), Value::Null);
    let (first, second) = (json!(0), json!(1));
    assert_eq!(
        order,
        [
            (&ids[0], &one, &first),
            (&ids[0], &one, &second),
            (&ids[1], &none, &none),
            (&ids[2], &one, &first),
            (&ids[2], &one, &second),
            (&ids[3], &none, &none),
        ]
    );
    assert_eq!(rows[3]["document_name"], "三.png");
    assert_eq!(
        (&rows[2]["verdict"], &rows[2]["job"]),
        (&json!("failed"), &Value::Null)
    );
    assert!(rows[2]["fault"]["code"].is_string(), "{}", rows[2]);

    // Pages go on after rows of both kinds.
    let mut after = String::new();
    for row in &rows {
        let page = client
            .get(&format!("{batch}/results?limit=1{after}"))
            .await
            .expect(200)
            .json();
        assert_eq!(page["data"], json!([row]));
        assert_eq!(
            (&page["outcome"], &page["rows"]["total"]),
            (&json!("some_answered"), &json!(6))
        );
        after = format!("&after={}", page["next"].as_str().unwrap());
    }
    let end = client
        .get(&format!("{batch}/results?limit=1{after}"))
        .await
        .json();
    assert_eq!((&end["data"], &end["next"]), (&json!([]), &Value::Null));
    let rest = client
        .get(&format!(
            "{batch}/results?format=jsonl&after={}",
            ids[1].as_str().unwrap()
        ))
        .await;
    assert_eq!(lines(&rest.expect(200)), rows[3..]);
}

#[tokio::test]
async fn csv_is_what_a_spreadsheet_takes_and_holds_no_formula() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["=who?", "\"what\",\nthen?"]).await;
    fill(&client, &batch, &[("@sum.png", Some(10)), ("-2.png", None)]).await;
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let table = accepting(&client, &batch, "text/csv, application/json;q=0.5")
        .await
        .expect(200);
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let id = batch.rsplit('/').next().unwrap();
    assert_eq!(
        table.header("content-disposition"),
        Some(&*format!("attachment; filename=\"{id}.csv\""))
    );
    assert_eq!(table.header("x-attribution"), Some("Built with glm-4"));
    let text = table.text();
    assert!(
        text.starts_with("document,page,question,verdict,answer,fault,job,decision,")
            && text.ends_with("\r\n"),
        "{text}"
    );
    let rows = client.get(&format!("{batch}/results")).await.json();
    let told = records(&table);
    assert_eq!(
        (&told[1][0], &told[1][2], &told[1][3]),
        ("'@sum.png", "'=who?", "answered")
    );
    assert_eq!(&told[2][2], "\"what\",\nthen?");
    assert_eq!((&told[3][0], &told[3][3], &told[3][1]), ("'-2.png", "failed", ""));
    let answer = rows["data"][0]["answer"]["text"].as_str().unwrap();
    assert_eq!(
        told[1][4].trim_start_matches('\''),
        answer.trim_start_matches('\'')
    );
    assert_eq!(told[1][6], *rows["data"][0]["job"].as_str().unwrap());
    assert_eq!(told[3][10], *rows["data"][2]["fault"]["code"].as_str().unwrap());
    let marked = client
        .get(&format!("{batch}/results?format=csv&bom=true"))
        .await
        .expect(200);
    assert_eq!(marked.text(), format!("\u{feff}{text}"));
}

#[tokio::test]
async fn a_form_that_is_not_there_and_a_row_that_is_not_there_are_refused() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["who?"]).await;
    let other = open(&client, &["who?"]).await;
    let ids = fill(&client, &other, &[("a.png", Some(1))]).await;
    accepting(&client, &batch, "text/html, image/*")
        .await
        .refused(406, "not_acceptable");
    for (query, code) in [
        ("format=xml", "query_malformed"),
        ("format=csv&limit=5", "query_malformed"),
        ("format=jsonl&limit=5", "query_malformed"),
        ("format=json&bom=true", "query_malformed"),
        ("limit=101", "limit_out_of_range"),
        ("limit=0", "limit_out_of_range"),
        ("after=bat_01jd9z5m2k7q8r3s4t5v6w7x8y", "query_malformed"),
        ("after=job_01jd9z5m2k7q8r3s4t5v6w7x8y", "row_unknown"),
        (&*format!("after={}", ids[0].as_str().unwrap()), "row_unknown"),
    ] {
        client
            .get(&format!("{batch}/results?{query}"))
            .await
            .refused(400, code);
    }
    // An empty batch has an empty table.
    assert!(add_up(&client, &batch).await.is_empty());
    let table = client
        .get(&format!("{batch}/results?format=csv"))
        .await
        .expect(200);
    assert_eq!(records(&table).len(), 1);
    let lines = accepting(&client, &batch, "application/x-ndjson")
        .await
        .expect(200);
    assert_eq!(
        (lines.header("content-type"), lines.body.is_empty()),
        (Some("application/x-ndjson"), true)
    );
    let seen = client.get(&batch).await.json();
    assert_eq!(
        (&seen["outcome"], &seen["rows"]["total"]),
        (&Value::Null, &json!(0))
    );
    let foreign = hub.client("other", &["submitter", "operator"]);
    for form in ["json", "jsonl", "csv"] {
        let foreign = foreign.get(&format!("{batch}/results?format={form}")).await;
        let absent = "/v1/batches/bat_01jd9z5m2k7q8r3s4t5v6w7x8y/results";
        let absent = client.get(&format!("{absent}?format={form}")).await;
        assert_eq!(
            foreign.refused(404, "not_found"),
            absent.refused(404, "not_found")
        );
    }
}

#[tokio::test]
async fn what_is_there_is_readable_while_the_rest_is_worked_on() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let question = |number: usize| json!({ "text": format!("Question {number}?"), "parameters": { "max_new_tokens": 300 } });
    // More than are read at once.
    let questions: Vec<Value> = (0..60).map(question).collect();
    let body = json!({ "model": MODEL, "purpose": "research", "questions": questions });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    fill(
        &client,
        &batch,
        &[("a.png", Some(1)), ("b.png", None), ("c.png", Some(3))],
    )
    .await;
    let before = client.get(&format!("{batch}/results")).await.json();
    assert_eq!(
        (&before["rows"]["pending"], &before["outcome"]),
        (&json!(3), &Value::Null)
    );
    submit(&client, &batch).await.expect(200);
    first_answer(&client, &batch).await;
    let running = client.get(&format!("{batch}/results?limit=100")).await.json();
    let count = |verdict: &&str| running["rows"][*verdict].as_u64().unwrap();
    assert_eq!(
        VERDICTS.iter().map(count).sum::<u64>(),
        running["rows"]["total"].as_u64().unwrap()
    );
    assert!(count(&"answered") > 0 && count(&"pending") > 0, "{running}");
    let streamed = client
        .get(&format!("{batch}/results?format=jsonl"))
        .await
        .expect(200);
    let answered = lines(&streamed)
        .into_iter()
        .filter(|row| row["answer"]["text"].is_string());
    assert!(answered.count() > 0);
    client
        .send("POST", &format!("{batch}/cancel"), |request| request)
        .await
        .expect(200);
    let rows = add_up(&client, &batch).await;
    let jobs: BTreeSet<&str> = rows.iter().filter_map(|row| row["job"].as_str()).collect();
    let documents = rows.iter().filter(|row| row["job"].is_null()).count();
    assert_eq!(jobs.len() + documents, rows.len());
    let seen = client.get(&batch).await.json();
    assert_eq!(seen["outcome"], "some_answered", "{seen}");
    assert!(seen["rows"]["cancelled"].as_u64() > Some(0), "{seen}");
}
