//! A chat request as a question about an image.
//!
//! What the model cannot do is refused and never left out in silence: an answer that ignores half of what was asked
//! looks like any other. Fields that change nothing about the answer, such as `metadata`, are let pass.

use super::data_url::{self, Picture};
use crate::{json_object::Object, problem::Problem};
use actix_web::http::StatusCode;
use domain::{names::ModelName, order::Parameters, purpose::Purpose};
use serde::Deserialize;
use serde_json::Value;
use shapes::Shape;

/// What a chat request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) model: ModelName,
    /// For what, if the request says it.
    pub(super) purpose: Option<Purpose>,
    /// Until when it may be answered, if the request says it.
    pub(super) expires_at: Option<String>,
    pub(super) text: String,
    pub(super) parameters: Parameters,
    /// How many answers are wanted.
    pub(super) choices: u32,
    pub(super) image: Picture,
    pub(super) streamed: Streamed,
}

/// How the answer is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streamed {
    /// Whole.
    Not,
    /// While it is being written; with the tokens that it took at its end, if they are wanted.
    Tokens { usage: bool },
}

/// The fields of a request that are read. Those without a place here are let pass.
#[derive(Deserialize)]
struct Body {
    model: String,
    messages: Vec<Message>,
    purpose: Option<String>,
    expires_at: Option<String>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    repetition_penalty: Option<f64>,
    seed: Option<u64>,
    n: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    tools: Option<Value>,
    functions: Option<Value>,
    response_format: Option<ResponseFormat>,
    stop: Option<Stop>,
    logprobs: Option<bool>,
    top_logprobs: Option<u32>,
    logit_bias: Option<Value>,
    presence_penalty: Option<Value>,
    frequency_penalty: Option<Value>,
    modalities: Option<Value>,
    audio: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

impl Stop {
    fn texts(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Several(texts) => texts,
        }
    }
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<NamedSchema>,
}

#[derive(Deserialize)]
struct NamedSchema {
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl Asked {
    /// The question once for each answer that is wanted, no two drawn alike: the seeds count up.
    pub(super) fn choices(&self) -> Vec<(String, Parameters)> {
        let drawn = |number: u32| {
            let first = self.parameters.seed.unwrap_or_default();
            let seed = match number {
                0 => self.parameters.seed,
                number => Some((first + u64::from(number)) % (1 << 53)),
            };
            let parameters = Parameters {
                seed,
                ..self.parameters.clone()
            };
            (self.text.clone(), parameters)
        };
        (0..self.choices).map(drawn).collect()
    }
}

impl Body {
    fn streamed(&self) -> Streamed {
        let usage = self
            .stream_options
            .as_ref()
            .and_then(|options| options.include_usage);
        match self.stream {
            Some(true) => Streamed::Tokens {
                usage: usage == Some(true),
            },
            _ => Streamed::Not,
        }
    }
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Object<Part>>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    image_url: Option<ImageUrl>,
}

impl Part {
    fn text(text: String) -> Self {
        Self {
            kind: "text".into(),
            text: Some(text),
            image_url: None,
        }
    }
}

#[derive(Deserialize)]
struct ImageUrl {
    url: String,
}

/// Reads a request's body.
///
/// Problems: 404 `model_unknown`; 400 `body_malformed`, `field_unsupported`, `purpose_unknown`, `choices_out_of_range`,
/// `tools_unsupported`, and those of [`only_turn`] and [`question_and_image`].
pub(super) fn read(bytes: &[u8], most_choices: u32) -> Result<Asked, Problem> {
    let Object(body): Object<Body> = serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request("body_malformed", error.to_string()))?;
    supported(&body)?;
    let choices = choices(body.n, most_choices)?;
    let top_logprobs = top_logprobs(&body)?;
    let model = body.model.parse().map_err(|_| no_model(&body.model))?;
    let purpose = body.purpose.as_deref().map(str::parse).transpose();
    let purpose = purpose
        .map_err(|bad: domain::purpose::BadPurpose| refused("purpose_unknown", "purpose", bad.to_string()))?;
    let parameters = Parameters {
        max_new_tokens: body.max_completion_tokens.or(body.max_tokens),
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        repetition_penalty: body.repetition_penalty,
        seed: body.seed,
        top_logprobs,
        stop: None,
        schema: None,
    };
    let streamed = body.streamed();
    let parameters = Parameters {
        stop: body.stop.map(Stop::texts).filter(|texts| !texts.is_empty()),
        schema: body.response_format.map(schema).transpose()?.flatten(),
        ..parameters
    };
    let (text, image) = question_and_image(only_turn(body.messages)?)?;
    Ok(Asked {
        model,
        purpose,
        expires_at: body.expires_at,
        text,
        parameters,
        choices,
        image,
        streamed,
    })
}

fn refused(code: &'static str, field: &str, detail: impl Into<String>) -> Problem {
    Problem::bad_request(code, detail).with("field", field)
}

fn no_model(name: &str) -> Problem {
    let detail = format!("a model is named OWNER/NAME, and no model is named {name:?}");
    Problem::new(StatusCode::NOT_FOUND, "model_unknown", detail).with("field", "model")
}

/// Whether nothing is asked for that would be left out.
fn supported(body: &Body) -> Result<(), Problem> {
    for (name, value) in [("tools", &body.tools), ("functions", &body.functions)] {
        if !says_nothing(value.as_ref()) {
            let detail = format!("the model calls no tools: leave `{name}` out");
            return Err(refused("tools_unsupported", name, detail));
        }
    }
    for (name, value) in [
        ("logit_bias", &body.logit_bias),
        ("presence_penalty", &body.presence_penalty),
        ("frequency_penalty", &body.frequency_penalty),
        ("modalities", &body.modalities),
        ("audio", &body.audio),
    ] {
        if !says_nothing(value.as_ref()) {
            let detail = format!("`{name}` would change the answer and is not supported: leave it out");
            return Err(refused("field_unsupported", name, detail));
        }
    }
    Ok(())
}

/// How many answers are wanted. Problem: 400 `choices_out_of_range`.
fn choices(n: Option<u32>, most: u32) -> Result<u32, Problem> {
    let choices = n.unwrap_or(1);
    match (1..=most).contains(&choices) {
        true => Ok(choices),
        false => {
            let detail = format!("`n` is from 1 to {most}: ask again, with another `seed`, for more answers");
            Err(refused("choices_out_of_range", "n", detail))
        }
    }
}

/// How many alternatives are told with each token, if tokens are. Problem: 400 `logprobs_missing`.
fn top_logprobs(body: &Body) -> Result<Option<u32>, Problem> {
    match (body.logprobs, body.top_logprobs) {
        (Some(true), alternatives) => Ok(Some(alternatives.unwrap_or_default())),
        (_, None | Some(0)) => Ok(None),
        _ => {
            let detail = "`top_logprobs` are told with `logprobs`: send `\"logprobs\": true` too";
            Err(refused("logprobs_missing", "top_logprobs", detail))
        }
    }
}

/// The schema that the answer is to keep to, if it is not to be any text. Problem: 400 `response_format_unknown`.
fn schema(format: ResponseFormat) -> Result<Option<Value>, Problem> {
    let schema = format.json_schema.and_then(|named| named.schema);
    match (format.kind.as_str(), schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(Shape::object())),
        ("json_schema", Some(schema)) => Ok(Some(schema)),
        _ => {
            let detail = "`response_format` has the type `text`, `json_object`, or `json_schema` with `json_schema.schema`";
            Err(refused("response_format_unknown", "response_format", detail))
        }
    }
}

/// Whether a field is as if it were not there.
fn says_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::Array(values)) => values.iter().all(|value| value == "text"),
        Some(Value::Object(members)) => {
            members.is_empty()
                || (members.len() == 1 && members.get("type").is_some_and(|kind| kind == "text"))
        }
        Some(_) => false,
    }
}

/// The content of the one message there may be.
///
/// Problems: 400 `system_unsupported`, `tools_unsupported`, `role_unknown`, `turns_unsupported`, `message_missing`.
fn only_turn(messages: Vec<Message>) -> Result<Content, Problem> {
    for (place, message) in messages.iter().enumerate() {
        let field = format!("messages[{place}].role");
        let (code, detail) = match message.role.as_str() {
            "user" | "assistant" => continue,
            "system" | "developer" => (
                "system_unsupported",
                "the model takes no instructions beside the question: put them into the user's message",
            ),
            "tool" | "function" => (
                "tools_unsupported",
                "the model calls no tools: leave the message out",
            ),
            _ => ("role_unknown", "send one message with the role `user`"),
        };
        return Err(refused(code, &field, detail));
    }
    if messages.len() > 1 {
        let detail = "a conversation has one turn here: send the last question with its image alone";
        return Err(refused("turns_unsupported", "messages", detail));
    }
    let only = messages
        .into_iter()
        .next()
        .filter(|message| message.role == "user");
    only.and_then(|message| message.content).ok_or_else(|| {
        refused(
            "message_missing",
            "messages",
            "send one message with the role `user`",
        )
    })
}

/// Text and image of a message. Several texts are lines of one.
///
/// Problems: 400 `image_missing`, `images_too_many`, `image_url_malformed`, `content_unsupported`.
fn question_and_image(content: Content) -> Result<(String, Picture), Problem> {
    let parts = match content {
        Content::Text(text) => vec![Part::text(text)],
        Content::Parts(parts) => parts.into_iter().map(|Object(part)| part).collect(),
    };
    let (mut texts, mut image) = (Vec::new(), None);
    for (place, part) in parts.into_iter().enumerate() {
        let field = format!("messages[0].content[{place}]");
        match (part.kind.as_str(), part.text, part.image_url) {
            ("text", Some(text), _) => texts.push(text),
            ("image_url", _, Some(_)) if image.is_some() => {
                let detail = "the model looks at one image: send one request for each";
                return Err(refused("images_too_many", &field, detail));
            }
            ("image_url", _, Some(given)) => {
                image = Some(data_url::read(&given.url).map_err(|_| bad_url(&field))?);
            }
            _ => {
                let detail = "a part of a message has the type `text` with `text`, or `image_url` with `image_url.url`";
                return Err(refused("content_unsupported", &field, detail));
            }
        }
    }
    Ok((texts.join("\n"), image.ok_or_else(no_image)?))
}

fn no_image() -> Problem {
    let detail = "the question is about an image: send a part of the type `image_url`";
    refused("image_missing", "messages[0].content", detail)
}

fn bad_url(field: &str) -> Problem {
    let detail = "this is no URL of an image: send https://… or data:image/png;base64,…";
    refused("image_url_malformed", &format!("{field}.image_url.url"), detail)
}
