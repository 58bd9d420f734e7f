//! Documents and answers are kept for as long as their tenant says, and no longer.

use crate::{
    client::{Answer, Client},
    deletion::{answered, check_gone, deleted},
    fleet::{Fleet, database::psql},
    hub::{Hub, eventually},
    jobs::{hub_with_model, open, page, upload},
    openai_batches::send_file,
    process::{ended, glmhub},
    tally::all,
};
use serde_json::{Value, json};

/// Looks often whose time is over.
const OFTEN: (&str, &str) = ("GLMHUB_RETENTION__LOOK_SECONDS", "1");

async fn set(client: &Client, body: &Value) -> Answer {
    client
        .send("PUT", "/v1/retention", |request| request.json(body))
        .await
}

#[tokio::test]
async fn operators_say_how_long_documents_and_answers_are_kept_within_bounds() {
    let hub = Hub::start_with(&[("GLMHUB_RETENTION__ANSWERS_DAYS", "400")]);
    let (operator, submitter) = (
        hub.client("acme", &["operator"]),
        hub.client("acme", &["submitter"]),
    );
    let usual = json!({ "documents_days": null, "answers_days": 400, "is_default": true });
    assert_eq!(submitter.get("/v1/retention").await.expect(200).json(), usual);
    let days =
        |documents: Value, answers: Value| json!({ "documents_days": documents, "answers_days": answers });
    set(&submitter, &days(json!(30), json!(null)))
        .await
        .refused(403, "missing_role");
    for (wrong, field) in [
        (days(json!(0), json!(null)), "documents_days"),
        (days(json!(36_501), json!(1)), "documents_days"),
        (days(json!(1), json!(36_501)), "answers_days"),
    ] {
        let problem = set(&operator, &wrong).await.refused(400, "days_out_of_range");
        assert_eq!(problem["field"], field);
    }
    set(&operator, &json!({ "days": 3 }))
        .await
        .refused(400, "json_malformed");
    set(&operator, &days(json!(36_500), json!(1))).await.expect(200);
    let own = json!({ "documents_days": 36_500, "answers_days": 1, "is_default": false });
    assert_eq!(submitter.get("/v1/retention").await.expect(200).json(), own);
    let other = hub.client("other", &["submitter"]);
    assert_eq!(other.get("/v1/retention").await.expect(200).json(), usual);
    let mut command = glmhub();
    command.args([
        "retention",
        "set",
        "--documents-days",
        "30",
        "--answers-days",
        "kept",
    ]);
    command.env("GLMHUB_URL", hub.url());
    command.env("GLMHUB_TOKEN", hub.token("acme", &["operator"]));
    assert_eq!(
        ended(command.output().unwrap()).well(),
        "documents are kept 30 days after the end of their batch\nanswers are kept for ever\n"
    );
}

/// What was kept of a batch of 40 days ago goes as its tenant wishes, and nothing else does. `age` makes batches old.
async fn goes_when_its_time_is_over(submitter: &Client, operator: &Client, age: impl Fn(&str)) {
    let (old, fresh) = (answered(submitter, 1).await, answered(submitter, 2).await);
    let forgotten = open(submitter, &["What is it?"]).await;
    upload(submitter, &forgotten, page(200), "image/png")
        .await
        .expect(201);
    for batch in [&old, &forgotten] {
        age(batch.rsplit('/').next().unwrap());
    }
    let documents = all(submitter, &format!("{old}/documents")).await;
    set(operator, &json!({ "documents_days": 40, "answers_days": null }))
        .await
        .expect(200);
    let done = |batch: String, deleted: &'static str| async move {
        let look = || async {
            let listed = submitter
                .get(&format!("{batch}/deletions"))
                .await
                .expect(200)
                .json();
            let mut listed = listed["data"].as_array().unwrap().clone().into_iter();
            listed.find(|one| one["deleted"] == deleted && one["done_at"].is_string())
        };
        eventually("a deletion by time", look).await
    };
    let told = done(old.clone(), "documents").await;
    assert_eq!(
        (&told["reason"], &told["member"]),
        (&json!("retention"), &Value::Null)
    );
    assert_eq!(told["counts"]["answers"], 0, "{told}");
    let path = format!("{old}/documents/{}/content", documents[0]["id"].as_str().unwrap());
    submitter.get(&path).await.refused(404, "not_found");
    done(forgotten.clone(), "documents").await;
    assert_eq!(submitter.get(&forgotten).await.json()["state"], "cancelled");
    let kept = |rows: Vec<Value>| rows.iter().filter(|row| row["answer"].is_object()).count();
    assert_eq!(kept(all(submitter, &format!("{old}/answers")).await), 3);
    set(operator, &json!({ "documents_days": 40, "answers_days": 40 }))
        .await
        .expect(200);
    assert_eq!(done(old.clone(), "answers").await["counts"]["answers"], 3);
    assert_eq!(kept(all(submitter, &format!("{old}/answers")).await), 0);
    // What is fresh stays.
    let listed = submitter.get(&format!("{fresh}/deletions")).await.json();
    assert_eq!(listed["data"], json!([]));
    assert_eq!(kept(all(submitter, &format!("{fresh}/answers")).await), 6);
    for document in all(submitter, &format!("{fresh}/documents")).await {
        let path = format!("{fresh}/documents/{}/content", document["id"].as_str().unwrap());
        submitter.get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn documents_and_answers_go_when_their_time_is_over() {
    let hub = hub_with_model(&[OFTEN]);
    let (submitter, operator) = (
        hub.client("acme", &["submitter"]),
        hub.client("acme", &["operator"]),
    );
    let age = |id: &str| {
        let sql = format!(
            "UPDATE batches SET opened_at = '2020-01-01 00:00:00', \
             completed_at = CASE WHEN completed_at IS NULL THEN NULL ELSE '2020-01-01 00:00:00' END WHERE id = '{id}';"
        );
        hub.write(&sql);
    };
    goes_when_its_time_is_over(&submitter, &operator, age).await;
}

#[tokio::test]
async fn they_go_on_postgresql_and_s3_too_whichever_hub_is_asked() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    let (submitter, operator) = (fleet.client(0, "acme"), fleet.caller(1, "acme", &["operator"]));
    let age = |id: &str| {
        let sql = format!(
            "UPDATE batches SET opened_at = '2020-01-01T00:00:00Z', completed_at = \
             CASE WHEN completed_at IS NULL THEN NULL ELSE CAST('2020-01-01T00:00:00Z' AS TIMESTAMPTZ) END \
             WHERE id = '{id}'"
        );
        psql(fleet.database(), &sql);
    };
    goes_when_its_time_is_over(&submitter, &operator, age).await;
    let batch = answered(&submitter, 3).await;
    let documents = all(&submitter, &format!("{batch}/documents")).await;
    let one = deleted(&submitter, &batch).await;
    let other = deleted(&fleet.client(1, "acme"), &batch).await;
    assert_eq!(one, other);
    assert_eq!(one["counts"]["documents"], 3, "{one}");
    check_gone(&fleet.client(1, "acme"), &batch, &documents).await;
    let file = send_file(&submitter, "requests that nobody asked").await;
    let file = format!("/openai/v1/files/{}", file["id"].as_str().unwrap());
    fleet.client(1, "acme").delete(&file).await.expect(200);
    let gone = || async {
        let told = submitter.get(&format!("{file}/deletions")).await.expect(200);
        let told = told.json()["data"][0].clone();
        told["done_at"].is_string().then_some(told)
    };
    let told = eventually("the file to be deleted", gone).await;
    assert_eq!(told["counts"]["files"], 1, "{told}");
}
