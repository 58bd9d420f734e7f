//! What belongs to one tenant is to another as if it did not exist, at every route that `openapi.yaml` names.

use crate::{
    client::{Answer, Client},
    contract::CONTRACT,
    jobs::{completed, page, submit, upload},
    licence::scene::{Scene, path},
    openai_batches::{begin, line, lines, send_file, until},
    receiver::Receiver,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is the same for all tenants, or for none but those with a role for all.
const COMMON: [&str; 9] = [
    "/v1/models/",
    "/v1/model-uploads/",
    "/v1/card-changes/",
    "/v1/licenses/",
    "/openai/v1/models/",
    "/v1/audit/",
    "/v1/compare",
    "/v1/policies",
    "/v1/workers",
];

/// A batch of requests: its parameter has the name of another kind of batch.
pub const OF_REQUESTS: &str = "batch of requests";

/// Ids by the names of parameters.
pub type Ids = BTreeMap<&'static str, String>;

/// Everything that a tenant can have: a batch with an answer, an acceptance with a file and a comment, an endpoint with a
/// delivery, a key.
pub async fn belongings(scene: &Scene, receiver: &Receiver) -> Ids {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let whe = endpoint(&scene.submitter, &receiver.url()).await;
    let acceptance = scene.accepted(&["evaluation", "commercial"]).await;
    let fill =
        |request: reqwest::RequestBuilder| request.header("content-type", "application/pdf").body("%PDF-1.4");
    let file = scene
        .signatory
        .send("POST", &path(&acceptance, "/evidence?name=a.pdf"), fill)
        .await;
    let comments = path(&acceptance, "/comments");
    scene
        .signatory
        .post(&comments, &json!({ "text": "please" }))
        .await
        .expect(201);
    let opened = scene.open("research").await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    let uploaded = upload(&scene.submitter, &batch, page(1), "image/png")
        .await
        .expect(201)
        .json();
    submit(&scene.submitter, &batch).await.expect(200);
    let seen = completed(&scene.submitter, &batch).await;
    let jobs = scene
        .submitter
        .get(&format!("{batch}/jobs"))
        .await
        .expect(200)
        .json();
    receiver.first(1).await;
    let deliveries = scene.submitter.get("/v1/deliveries").await.expect(200).json();
    let requests = send_file(&scene.submitter, lines(&[line("one", 2)])).await;
    let of_requests = begin(&scene.submitter, &requests).await;
    until(&scene.submitter, &of_requests, "completed").await;
    let wish = json!({ "name": "scan station", "roles": ["submitter"] });
    let key = scene
        .submitter
        .post("/v1/api-keys", &wish)
        .await
        .expect(201)
        .json();
    Ids::from([
        ("endpoint", text(&whe["id"])),
        ("acceptance", text(&acceptance["id"])),
        ("sha256", text(&file.expect(201).json()["sha256"])),
        ("batch", text(&seen["id"])),
        ("decision", text(&seen["decision_id"])),
        ("document", text(&uploaded["data"][0]["id"])),
        ("document_name", "%E9%A1%B5.png".into()),
        ("number", "1".into()),
        ("job", text(&jobs["data"][0]["id"])),
        ("delivery", text(&deliveries["data"][0]["id"])),
        ("key", text(&key["id"])),
        ("file", text(&requests["id"])),
        (OF_REQUESTS, text(&of_requests["id"])),
    ])
}

/// Ids of the same kinds that name nothing.
fn ghosts(ids: &Ids) -> Ids {
    let ghost = |id: &String| match id.split_once('_') {
        Some((kind, _)) => format!("{kind}_{}", "0".repeat(26)),
        None => id.clone(),
    };
    ids.iter().map(|(name, id)| (*name, ghost(id))).collect()
}

/// The path that a template is with these ids.
fn filled(template: &str, ids: &Ids) -> String {
    let is_of_requests = template.starts_with("/openai/v1/batches/");
    let segment = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => ids
            .get(if is_of_requests { OF_REQUESTS } else { name })
            .unwrap_or_else(|| panic!("{template}: {name}"))
            .clone(),
        None => part.to_owned(),
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A request that would do something if the thing were the caller's.
async fn ask(client: &Client, method: &str, template: &str, ids: &Ids) -> Answer {
    let act = template.rsplit('/').next().unwrap_or_default();
    let body = match (method, act) {
        ("post", "documents" | "evidence") | ("put", "{document_name}") => None,
        ("post", "review") => Some(json!({ "verdict": "approve" })),
        ("post", "suspend" | "resume" | "revoke") => Some(json!({ "reason": "because" })),
        ("post", "comments") => Some(json!({ "text": "mine now" })),
        ("post", "upload-links") => {
            Some(json!({ "sha256": "0".repeat(64), "bytes": 1, "media_type": "image/png" }))
        }
        ("post", "redeliver") => {
            Some(json!({ "from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" }))
        }
        ("patch", _) => Some(json!({ "state": "disabled" })),
        _ => Some(json!({})),
    };
    let fill = |request: reqwest::RequestBuilder| match (method, body) {
        ("get" | "delete", _) => request,
        (_, Some(body)) => request.json(&body),
        (_, None) => request.header("content-type", "image/png").body(page(9)),
    };
    client
        .send(&method.to_uppercase(), &filled(template, ids), fill)
        .await
}

/// Everything that its owner can read of it.
async fn read(scene: &Scene, ids: &Ids) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (template, method, _) in belonging() {
        let is_whole = method == "get"
            && ["/stream", "/proof", "/deletion"]
                .iter()
                .all(|end| !template.ends_with(end));
        if is_whole && template != "/v1/api-keys/{key}" {
            let of_signatory = template.starts_with("/v1/acceptances/");
            let owner = if of_signatory {
                &scene.signatory
            } else {
                &scene.submitter
            };
            let answer = ask(owner, method, template, ids).await.expect(200);
            all.insert(template.to_owned(), answer.body);
        }
    }
    all
}

/// The operations on what belongs to a tenant.
fn belonging() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let is_common = |template: &str| COMMON.iter().any(|start| template.starts_with(start));
    let all = CONTRACT.operations().into_iter();
    all.filter(move |(template, ..)| template.contains('{') && !is_common(template))
}

#[tokio::test]
async fn another_tenant_finds_nothing_at_any_route_and_changes_nothing() {
    let (scene, receiver) = (Scene::set_with(&[LOOPBACK]).await, Receiver::answering(200).await);
    let ids = belongings(&scene, &receiver).await;
    let (ghosts, before) = (ghosts(&ids), read(&scene, &ids).await);
    assert!(before.len() >= 15, "{:?}", before.keys());
    let other = scene.hub.client("other", &["submitter", "signatory", "operator"]);
    let mut asked = 0;
    for (template, method, _) in belonging() {
        let real = ask(&other, method, template, &ids).await;
        let ghost = ask(&other, method, template, &ghosts).await;
        let of_reviewers = ["review", "suspend", "resume", "revoke"];
        let is_of_reviewers = of_reviewers
            .iter()
            .any(|act| template.ends_with(&format!("/{act}")));
        let expected = if is_of_reviewers { 403 } else { 404 };
        assert_eq!(real.status, expected, "{method} {template}: {}", real.text());
        // Not a word differs from what is said of something that nobody has.
        assert_eq!(
            (real.status, real.text()),
            (ghost.status, ghost.text()),
            "{method} {template}"
        );
        asked += 1;
    }
    assert!(asked >= 30, "{asked}");
    for list in [
        "acceptances",
        "batches",
        "jobs?state=failed",
        "api-keys",
        "webhook-endpoints",
        "deliveries",
    ] {
        let listed = other.get(&format!("/v1/{list}")).await.expect(200).json();
        assert_eq!(listed["data"], json!([]), "{list}");
    }
    assert_eq!(read(&scene, &ids).await, before);
}
