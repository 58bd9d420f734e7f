//! `openapi.yaml` is complete: it names every route there is, and there is every route that it names.

use crate::{contract::CONTRACT, hub::Hub, tree};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Whether callers need a token.
fn is_open(operation: &Value) -> bool {
    operation["security"] == json!([])
}

/// A template as a path that some thing might have.
fn sample(template: &str) -> String {
    let segment = |part: &str| {
        if part.starts_with('{') {
            "none".to_owned()
        } else {
            part.to_owned()
        }
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A template with its parameters' names left out.
fn shape(template: &str) -> String {
    let segment = |part: &str| {
        if part.starts_with('{') {
            "{}".to_owned()
        } else {
            part.to_owned()
        }
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_documented_operation_exists_and_asks_for_a_token() {
    let hub = Hub::start();
    let stranger = hub.stranger();
    for (template, method, operation) in CONTRACT.operations() {
        let path = sample(template);
        let answer = stranger
            .send(&method.to_uppercase(), &path, |request| request)
            .await;
        if is_open(operation) {
            assert!(
                answer.status < 400 || answer.status == 503,
                "{method} {template}: {}",
                answer.text()
            );
        } else if template.starts_with("/openai/") {
            answer.refused_as_openai(401, "token_missing");
        } else {
            answer.refused(401, "token_missing");
        }
    }
}

#[tokio::test]
async fn what_is_not_documented_is_not_found() {
    let hub = Hub::start();
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/batches/none/nothing/more",
        "/v2/batches",
        "//v1/batches",
    ] {
        let answer = hub.stranger().send_unjudged("GET", path, |request| request).await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        answer.refused(404, "not_found");
    }
}

#[test]
fn every_route_of_the_hub_is_documented() {
    let documented: BTreeSet<(String, String)> = CONTRACT
        .operations()
        .into_iter()
        .map(|(template, method, _)| (shape(template), method.to_owned()))
        .collect();
    let mut routes = 0;
    // Pages are for people and no part of the contract. That of `/hf` is Hugging Face's, to which its own package holds it.
    let apart = |file: &String| {
        let folders = [
            "services/hub/src/site/",
            "services/hub/src/admin/",
            "services/hub/src/hf/",
        ];
        folders.iter().any(|folder| file.starts_with(folder))
    };
    for file in tree::files("services/hub/src")
        .into_iter()
        .filter(|file| !apart(file))
    {
        for (path, methods) in routes_in(&tree::text(&file)) {
            for method in methods {
                let route = (shape(&path), method);
                assert!(
                    documented.contains(&route),
                    "{file}: {route:?} is not in openapi.yaml"
                );
                routes += 1;
            }
        }
    }
    assert!(routes >= 5, "the scan finds no routes any more; mend it");
}

/// Paths with the methods that stand beside them, up to the next path or the end of the statement.
fn routes_in(source: &str) -> Vec<(String, Vec<String>)> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut routes = Vec::new();
    for start in ["route(\"/", "resource(\"/"] {
        for piece in source.split(start).skip(1) {
            let (path, rest) = piece.split_once('"').unwrap_or((piece, ""));
            let rest = rest.split(';').next().unwrap_or_default();
            let end = ["route(\"/", "resource(\"/"]
                .iter()
                .filter_map(|next| rest.find(next))
                .min();
            let methods = rest[..end.unwrap_or(rest.len())]
                .split("web::")
                .skip(1)
                .filter_map(|call| call.split_once("()").map(|(method, _)| method.to_owned()))
                .collect();
            routes.push((format!("/{path}"), methods));
        }
    }
    routes
}

#[test]
fn the_scan_for_routes_sees_both_ways_of_writing_them() {
    let source = r#"config.route("/a", web::get().to(x)).service(web::resource("/b/{id}")
        .route(web::get().to(y)).route(web::post().to(z)));"#;
    let found = routes_in(source);
    assert_eq!(found[0], ("/a".into(), vec!["get".into()]));
    assert_eq!(found[1], ("/b/{id}".into(), vec!["get".into(), "post".into()]));
}

#[test]
fn the_document_holds_together() {
    let document = CONTRACT.document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let tags: Vec<&Value> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    for (template, method, operation) in CONTRACT.operations() {
        let place = format!("{method} {template}");
        assert!(operation["summary"].is_string(), "{place} has no summary");
        assert!(
            tags.contains(&&operation["tags"][0]),
            "{place} has no tag of the list"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            is_open(operation) || responses.contains_key("401"),
            "{place} does not tell of 401"
        );
        for (status, response) in responses {
            let response = CONTRACT.resolve(response);
            assert!(
                response["description"].is_string(),
                "{place} {status} has no description"
            );
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                assert!(
                    content["schema"].is_object(),
                    "{place} {status} {media_type} has no schema"
                );
            }
        }
    }
    every_reference_resolves(document);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _compiles = CONTRACT.validator(schema);
        let closed =
            schema["additionalProperties"].is_boolean() || schema["unevaluatedProperties"].is_boolean();
        assert!(
            schema["type"] != "object" || closed || schema["additionalProperties"].is_object(),
            "{name} is open"
        );
    }
}

fn every_reference_resolves(value: &Value) {
    match value {
        Value::Object(members) => {
            if members.get("$ref").is_some_and(Value::is_string) {
                CONTRACT.resolve(value);
            }
            members.values().for_each(every_reference_resolves);
        }
        Value::Array(values) => values.iter().for_each(every_reference_resolves),
        _ => {}
    }
}

#[test]
fn whoever_is_told_to_come_again_is_told_when() {
    let mut told = 0;
    for (path, method, operation) in CONTRACT.operations() {
        let later = ["429", "503"].map(|status| &operation["responses"][status]);
        for response in later.into_iter().filter(|response| !response.is_null()) {
            let response = CONTRACT.resolve(response);
            let header = &response["headers"]["retry-after"];
            assert_eq!(header["required"], true, "{method} {path}");
            let body = response["content"].as_object();
            assert!(body.is_some_and(|body| !body.is_empty()), "{method} {path}");
            told += 1;
        }
    }
    assert!(told > 80, "{told}");
}

#[test]
fn every_operation_that_may_fail_inside_may_also_find_the_records_away() {
    for (template, method, operation) in CONTRACT.operations() {
        let responses = &operation["responses"];
        assert!(
            responses.get("500").is_none() || responses.get("503").is_some(),
            "{method} {template} documents 500 and no 503: `RecordsUnavailable` of components/responses"
        );
    }
}
