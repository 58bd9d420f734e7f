//! One line of a file, as a request.

use super::lines::Line;
use crate::json_object::Object;
use domain::openai_batch::LineFault;
use records::openai_batches::{RowVerdict, StoredRow};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most characters of what a request is called.
pub const MOST_ID: usize = 512;

/// The most characters of what is told of a line that is no JSON.
const MOST_TOLD: usize = 200;

/// A line that is a request.
pub struct RequestLine<'a> {
    /// What its client calls it.
    pub custom_id: String,
    /// The model that it asks.
    pub model: String,
    /// The request, in JSON.
    pub body: &'a RawValue,
    /// Its line, from 1.
    pub number: u64,
}

impl RequestLine<'_> {
    /// The row of what became of it.
    pub(super) fn stored(&self, verdict: RowVerdict) -> StoredRow {
        StoredRow {
            place: self.number,
            custom_id: self.custom_id.clone(),
            verdict,
        }
    }
}

#[derive(Deserialize)]
struct Written<'a> {
    custom_id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
}

/// The request that stands in a line, or what is wrong with it.
pub fn read<'a>(line: &'a Line, endpoint: &str) -> Result<RequestLine<'a>, LineFault> {
    let fault = |code: &str, param: Option<&str>, message: &str| LineFault {
        code: code.to_owned(),
        line: Some(line.number),
        message: message.to_owned(),
        param: param.map(str::to_owned),
    };
    let text = line.text.as_deref();
    let text =
        text.ok_or_else(|| fault("line_too_long", None, "the line is longer than a request may be"))?;
    let Object(written): Object<Written<'a>> = serde_json::from_slice(text).map_err(|error| {
        // What is wrong with a text may tell the whole of it.
        let told: String = error.to_string().chars().take(MOST_TOLD).collect();
        let message = format!("the line is no request in JSON: {told}");
        fault("invalid_json_line", None, &message)
    })?;
    let custom_id = written.custom_id.filter(|id| is_name(id)).ok_or_else(|| {
        let message = format!("every request has a custom_id of 1 to {MOST_ID} characters");
        fault("missing_custom_id", Some("custom_id"), &message)
    })?;
    if written.method.as_deref() != Some("POST") {
        let message = "every request has the method POST";
        return Err(fault("invalid_method", Some("method"), message));
    }
    if written.url.as_deref() != Some(endpoint) {
        let message = format!("every request has the url of the batch's endpoint, {endpoint}");
        return Err(fault("url_mismatch", Some("url"), &message));
    }
    let body = written
        .body
        .ok_or_else(|| fault("missing_body", Some("body"), "every request has a body"))?;
    let model: Result<Object<Model>, _> = serde_json::from_str(body.get());
    let Object(model) = model.map_err(|_| {
        let message = "every request's body names its model";
        fault("missing_model", Some("body.model"), message)
    })?;
    Ok(RequestLine {
        custom_id,
        model: model.model,
        body,
        number: line.number,
    })
}

fn is_name(id: &str) -> bool {
    (1..=MOST_ID).contains(&id.chars().count()) && !id.contains('\0')
}
