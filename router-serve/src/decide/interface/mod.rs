//! A request for a model's answer, by any interface, as the router's request: its prompt, and the constraints that it implies.

mod chat;
mod embeddings;
mod messages;
mod responses;

use router_core::{Constraints, Error, ErrorKind, Prompt, Request, Result};
use serde_json::{Map, Value};

use crate::config::Api;

/// The field of a request that speaks to the gateway alone: constraints. It is never sent on.
pub(crate) const EXTENSION: &str = "router";

/// A request for a model's answer.
#[derive(Debug)]
pub(crate) struct ModelRequest {
    /// What is sent on, but for the model's name: the client's own fields as they came.
    pub(crate) body: Map<String, Value>,
    /// The model, pool or `auto` asked for.
    pub(crate) model: String,
    /// The prompt and the request's own constraints.
    pub(crate) request: Request,
    /// What the client calls the conversation.
    pub(crate) conversation: Option<String>,
    /// Whether the answer is streamed.
    pub(crate) is_streamed: bool,
    /// Whether a streamed answer ends with the tokens it was billed.
    pub(crate) wants_usage: bool,
    /// The field by which it goes on with what one service keeps, so that only that service can answer.
    pub(crate) goes_on_with: Option<&'static str>,
}

/// What an interface's own fields say.
struct Needs {
    prompt: Prompt,
    /// What a model must be able to do to answer.
    tags: Vec<&'static str>,
    /// Tokens to keep free for the answer.
    output_tokens: Option<u64>,
    /// A rough count of the tokens that a model reads beside the prompt's texts.
    tokens_beside: u32,
    wants_usage: bool,
    goes_on_with: Option<&'static str>,
}

impl ModelRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field.
    pub(crate) fn read(api: Api, body: &[u8]) -> Result<Self> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| data(&format!("the body is not JSON: {error}")))?;
        let Value::Object(mut body) = value else { return Err(data("the body is not a JSON object")) };
        let model = match body.get("model") {
            Some(Value::String(model)) => model.clone(),
            Some(_) => return Err(data("is not a string").at_field("model")),
            None => return Err(data("is missing").at_field("model").help("a model's name, a pool's, or `auto`")),
        };
        let needs = match api {
            Api::Chat => chat::read(&body)?,
            Api::Messages => messages::read(&body)?,
            Api::Responses => responses::read(&body)?,
            Api::Embeddings => embeddings::read(&body)?,
        };
        let is_streamed = api != Api::Embeddings && flag(body.get("stream"), "stream")?;
        let (mut constraints, conversation) = own_fields(body.remove(EXTENSION))?;
        for tag in needs.tags {
            if !constraints.required_tags.iter().any(|known| known == tag) {
                constraints.required_tags.push(tag.to_owned());
            }
        }
        if constraints.maximum_output_tokens.is_none() {
            constraints.maximum_output_tokens =
                needs.output_tokens.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        }
        if constraints.prompt_tokens.is_none() && needs.tokens_beside > 0 {
            constraints.prompt_tokens = Some(needs.prompt.approximate_tokens().saturating_add(needs.tokens_beside));
        }
        Ok(Self {
            body,
            model,
            request: Request { prompt: needs.prompt, constraints },
            conversation,
            is_streamed,
            wants_usage: needs.wants_usage,
            goes_on_with: needs.goes_on_with,
        })
    }
}

/// The constraints and the conversation that the gateway's own field holds.
fn own_fields(mut extension: Option<Value>) -> Result<(Constraints, Option<String>)> {
    let conversation =
        match extension.as_mut().and_then(Value::as_object_mut).and_then(|own| own.remove("conversation")) {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(data("is not a string").at_field("router.conversation")),
        };
    let constraints = match extension {
        None | Some(Value::Null) => Constraints::default(),
        Some(Value::Object(fields)) => Constraints::from_fields(fields).map_err(|error| {
            let field = error.field().map_or_else(|| EXTENSION.to_owned(), |field| format!("{EXTENSION}.{field}"));
            error.at_field(field)
        })?,
        Some(_) => return Err(data("is not a JSON object").at_field(EXTENSION)),
    };
    Ok((constraints, conversation))
}

fn data(what: &str) -> Error {
    Error::new(ErrorKind::Data, what)
}

fn flag(value: Option<&Value>, field: &str) -> Result<bool> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(data("is neither true nor false").at_field(field)),
    }
}

/// Whether `field` is a list with something in it.
fn is_given(body: &Map<String, Value>, field: &str) -> bool {
    body.get(field).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The tags of parts that are no text, by the parts' kinds.
fn tags_of_parts<'a>(parts: impl Iterator<Item = &'a Value>) -> Vec<&'static str> {
    let kinds: Vec<&str> = parts.filter_map(|part| part.get("type").and_then(Value::as_str)).collect();
    let tags = [
        ("images", ["image", "image_url", "input_image"].as_slice()),
        ("audio", ["input_audio"].as_slice()),
        ("files", ["file", "input_file", "document"].as_slice()),
    ];
    let is_there = |of_tag: &[&str]| kinds.iter().any(|kind| of_tag.contains(kind));
    tags.into_iter().filter(|(_, of_tag)| is_there(of_tag)).map(|(tag, _)| tag).collect()
}

/// A rough count of the tokens in `values`: one for every four bytes.
fn tokens_in<'a>(values: impl Iterator<Item = &'a Value>) -> u32 {
    let bytes = |value: &Value| serde_json::to_vec(value).map_or(0, |text| text.len());
    let total: usize = values.filter(|value| !value.is_null()).map(bytes).sum();
    u32::try_from(total.div_ceil(4)).unwrap_or(u32::MAX)
}
