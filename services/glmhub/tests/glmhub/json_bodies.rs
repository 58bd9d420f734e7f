//! Bodies in JSON are objects, at every route: an array of what their fields would hold is none.

use crate::{
    client::Client,
    contract::CONTRACT,
    jobs::{MODEL, hub_with_model, open, page},
    streaming::asked,
};
use serde_json::{Value, json};

const ROLES: [&str; 6] = [
    "submitter",
    "signatory",
    "registrar",
    "operator",
    "reviewer",
    "auditor",
];

/// The schemas of bodies in JSON, with the method and path template that take them.
fn bodies() -> Vec<(&'static str, &'static str, &'static Value)> {
    let schema = |operation: &'static Value| {
        let body = CONTRACT.resolve(&operation["requestBody"]);
        let schema = body["content"].get("application/json")?.get("schema")?;
        Some(CONTRACT.resolve(schema))
    };
    let all = CONTRACT.operations().into_iter();
    all.filter_map(|(template, method, operation)| Some((method, template, schema(operation)?)))
        .collect()
}

/// A path of things that may be; the batch is.
fn path(template: &str, batch: &str) -> String {
    let ghost = |kind: &str| format!("{kind}_{}", "0".repeat(26));
    let segment = |part: &str| match part {
        "{batch}" => batch.rsplit('/').next().unwrap_or_default().to_owned(),
        "{acceptance}" => ghost("acc"),
        "{endpoint}" => ghost("whe"),
        "{key}" => ghost("key"),
        "{change}" => ghost("crd"),
        named => named.to_owned(),
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// What a schema's fields might hold, in their order.
fn values(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let value = |(_, field): (&String, &Value)| match CONTRACT.resolve(field)["type"].as_str() {
        Some("string") => json!("any"),
        Some("integer" | "number") => json!(1),
        Some("object") => json!({}),
        Some("array") => json!([]),
        _ => Value::Null,
    };
    properties.map(value).collect()
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let fill = |request: reqwest::RequestBuilder| request.json(body);
    let answer = client.send(&method.to_uppercase(), path, fill).await;
    assert!(
        [400, 422].contains(&answer.status),
        "{method} {path}: {}",
        answer.text()
    );
    answer.json()
}

#[tokio::test]
async fn an_array_is_refused_wherever_an_object_is_documented() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &ROLES);
    let batch = open(&client, &["What is it?"]).await;
    let bodies = bodies();
    assert!(bodies.len() >= 20, "{bodies:?}");
    for (method, template, schema) in bodies {
        let path = path(template, &batch);
        for body in [json!([]), json!([null]), values(schema)] {
            let told = send(&client, method, &path, &body).await;
            let (code, detail) = match told.get("error") {
                Some(error) => (&error["code"], &error["message"]),
                None => (&told["code"], &told["detail"]),
            };
            let (code, detail) = (code.as_str().unwrap(), detail.as_str().unwrap());
            assert!(
                ["json_malformed", "body_malformed"].contains(&code) && detail.contains("expected an object"),
                "{method} {template} {body}: {told}"
            );
        }
    }
}

#[tokio::test]
async fn what_lies_within_a_body_is_an_object_too() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &ROLES);
    let open = json!({ "model": MODEL, "purpose": "research", "questions": [["What is it?"]] });
    for path in ["/v1/batches", "/v1/batches/preflight"] {
        let told = send(&client, "POST", path, &open).await;
        assert_eq!(told["code"], "json_malformed", "{told}");
    }
    let mut listed = open.clone();
    listed["questions"] = json!([{ "text": "What is it?" }]);
    listed["documents"] = json!([["AQID", "image/png", null]]);
    let told = send(&client, "POST", "/v1/batches/preflight", &listed).await;
    assert_eq!(told["code"], "json_malformed", "{told}");
    let good = asked(MODEL, "research", "What is it?", &page(1), 2);
    let part = |place: usize| good["messages"][0]["content"][place].clone();
    let mut bad = good.clone();
    bad["messages"] = json!([["user", good["messages"][0]["content"]]]);
    let mut worse = good.clone();
    worse["messages"][0]["content"] = json!([["text", "What is it?", null], part(1)]);
    for body in [bad, worse] {
        let told = send(&client, "POST", "/openai/v1/chat/completions", &body).await;
        assert_eq!(told["error"]["code"], "body_malformed", "{told}");
    }
}
