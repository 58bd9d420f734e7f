//! `openapi.yaml` as the judge of responses.

use crate::tree;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The contract as it stands in the tree.
pub static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::read(&tree::text("openapi.yaml")));

/// See the module's text.
pub struct Contract {
    document: Value,
}

/// What of a response is judged.
pub struct Seen<'a> {
    pub method: &'a str,
    /// The path as it was sent, with or without a query.
    pub path: &'a str,
    pub status: u16,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

impl Contract {
    /// Panics if the text is not YAML.
    pub fn read(yaml: &str) -> Self {
        let document = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("openapi.yaml: {error}"));
        Self { document }
    }

    /// The whole document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Every operation: path template, method, what is said about it.
    pub fn operations(&self) -> Vec<(&str, &str, &Value)> {
        const METHODS: [&str; 6] = ["get", "put", "post", "patch", "delete", "head"];
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().into_iter().flatten();
                methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
            })
            .filter(|(_, method, _)| METHODS.contains(method))
            .collect()
    }

    /// Follows a `$ref`, if there is one.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            None => value,
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap_or(reference);
                let target = self.document.pointer(pointer);
                self.resolve(target.unwrap_or_else(|| panic!("openapi.yaml has no {reference}")))
            }
        }
    }

    /// What is wrong with a response, if anything is.
    pub fn judge(&self, seen: &Seen<'_>) -> Result<(), String> {
        let path = seen.path.split('?').next().unwrap_or_default();
        let operation = self
            .operation(seen.method, path)
            .ok_or("no such operation is documented")?;
        let responses = &operation["responses"];
        let response = responses
            .get(seen.status.to_string())
            .or_else(|| responses.get("default"));
        let response = self.resolve(response.ok_or("the operation documents no such status")?);
        self.judge_headers(response, seen)?;
        self.judge_body(response, seen)
    }

    /// The operation whose template fits the path; fixed segments go before parameters.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (mut wanted, mut given) = (template.split('/'), path.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    (Some(parameter), Some(value)) if parameter.starts_with('{') && !value.is_empty() => {}
                    (Some(fixed), Some(value)) if fixed == value => {}
                    _ => return false,
                }
            }
        };
        let operations = self.operations().into_iter();
        operations
            .filter(|(template, known, _)| known.eq_ignore_ascii_case(method) && fits(template))
            .min_by_key(|(template, _, _)| template.matches('{').count())
            .map(|(_, _, operation)| operation)
    }

    fn judge_headers(&self, response: &Value, seen: &Seen<'_>) -> Result<(), String> {
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let required = self.resolve(header)["required"] == json!(true);
            if required && seen.header(name).is_none() {
                return Err(format!("the header {name} is missing"));
            }
        }
        Ok(())
    }

    fn judge_body(&self, response: &Value, seen: &Seen<'_>) -> Result<(), String> {
        let none = Map::new();
        let contents = response["content"].as_object().unwrap_or(&none);
        let media_type = seen
            .header("content-type")
            .map(|value| value.split(';').next().unwrap_or(value).trim());
        let Some(media_type) = media_type else {
            return match (contents.is_empty(), seen.body.is_empty()) {
                (true, true) => Ok(()),
                (_, false) => Err("there is a body without a content type".into()),
                (false, true) => Err("a body is documented and there is none".into()),
            };
        };
        let whole_family = media_type
            .split('/')
            .next()
            .map(|family| format!("{family}/*"))
            .unwrap_or_default();
        let candidates = [media_type, &whole_family, "*/*"];
        let content = candidates.iter().find_map(|name| contents.get(*name));
        let content = content.ok_or_else(|| format!("the content type {media_type} is not documented"))?;
        if media_type != "application/json" && !media_type.ends_with("+json") {
            return Ok(());
        }
        let schema = content.get("schema").ok_or("the body has no schema")?;
        let body =
            serde_json::from_slice(seen.body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let faults: Vec<String> = self.validator(schema).iter_errors(&body).map(describe).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        }
    }

    /// A validator for a schema of the document, with the document's components in reach.
    pub fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.document["components"],
        });
        let built = jsonschema::options().should_validate_formats(true).build(&whole);
        built.unwrap_or_else(|error| panic!("a schema of openapi.yaml is wrong: {error}"))
    }
}

fn describe(error: jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    format!("{}: {error}", if place.is_empty() { "/" } else { &place })
}

impl Seen<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

mod tests {
    use super::*;

    const YAML: &str = r##"
paths:
  /v1/things/{thing}:
    get:
      responses:
        "200":
          description: The thing.
          headers: { x-kept: { required: true, schema: { type: string } } }
          content:
            application/json:
              schema: { $ref: "#/components/schemas/Thing" }
        "404": { $ref: "#/components/responses/Gone" }
  /v1/things/latest:
    get:
      responses:
        "204": { description: Nothing. }
components:
  responses:
    Gone:
      description: Gone.
      content:
        application/problem+json:
          schema: { type: object, required: [code] }
  schemas:
    Thing:
      type: object
      required: [id, made_at]
      additionalProperties: false
      properties:
        id: { type: string }
        made_at: { type: string, format: date-time }
"##;

    fn judge(path: &str, status: u16, media_type: Option<&str>, body: &str) -> Result<(), String> {
        let mut headers = vec![("x-kept".to_owned(), "yes".to_owned())];
        headers.extend(media_type.map(|value| ("content-type".to_owned(), value.to_owned())));
        let seen = Seen {
            method: "GET",
            path,
            status,
            headers: &headers,
            body: body.as_bytes(),
        };
        Contract::read(YAML).judge(&seen)
    }

    #[test]
    fn a_response_as_documented_passes() {
        let thing = r#"{"id":"a","made_at":"2026-01-02T03:04:05Z"}"#;
        assert_eq!(
            judge("/v1/things/a?x=1", 200, Some("application/json"), thing),
            Ok(())
        );
        let gone = judge(
            "/v1/things/a",
            404,
            Some("application/problem+json"),
            r#"{"code":"gone"}"#,
        );
        assert_eq!(gone, Ok(()));
        assert_eq!(judge("/v1/things/latest", 204, None, ""), Ok(()));
    }

    #[test]
    fn whatever_is_not_documented_is_found() {
        let (json, path) = (Some("application/json"), "/v1/things/a");
        let thing = r#"{"id":"a","made_at":"2026-01-02T03:04:05Z"}"#;
        for (path, status, media_type, body, reason) in [
            ("/v1/other", 200, json, thing, "no such operation"),
            ("/v1/things/a/b", 200, json, thing, "no such operation"),
            (path, 201, json, thing, "no such status"),
            (path, 200, Some("text/html"), thing, "content type text/html"),
            (path, 200, None, thing, "without a content type"),
            (path, 200, None, "", "a body is documented"),
            (path, 200, json, "{", "no JSON"),
            (path, 200, json, r#"{"id":"a"}"#, "made_at"),
            (
                path,
                200,
                json,
                r#"{"id":1,"made_at":"2026-01-02T03:04:05Z"}"#,
                "/id",
            ),
            (path, 200, json, r#"{"id":"a","made_at":"yesterday"}"#, "/made_at"),
            (
                path,
                200,
                json,
                r#"{"id":"a","made_at":"2026-01-02T03:04:05Z","more":1}"#,
                "more",
            ),
            (path, 404, Some("application/problem+json"), "{}", "code"),
        ] {
            let found = judge(path, status, media_type, body).unwrap_err();
            assert!(found.contains(reason), "{path} {status} {body}: {found}");
        }
    }

    #[test]
    fn a_required_header_that_is_missing_is_found() {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let seen = Seen {
            method: "GET",
            path: "/v1/things/a",
            status: 200,
            headers: &headers,
            body: b"{}",
        };
        assert!(Contract::read(YAML).judge(&seen).unwrap_err().contains("x-kept"));
    }
}
