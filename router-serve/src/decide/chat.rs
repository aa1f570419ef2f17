//! A chat completion request as the router's request: its prompt, and the constraints that it implies.

use router_core::{Constraints, Error, ErrorKind, Message, MessageRole, Prompt, Request, Result};
use serde::Deserialize as _;
use serde_json::{Map, Value};

/// The field of a request that speaks to the gateway alone: constraints. It is never sent on.
pub(crate) const EXTENSION: &str = "router";

/// A chat completion request.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    /// What is sent on, but for the model's name: the client's own fields as they came.
    pub(crate) body: Map<String, Value>,
    /// The model, pool or `auto` asked for.
    pub(crate) model: String,
    /// The prompt and the request's own constraints.
    pub(crate) request: Request,
    /// Whether the answer is streamed.
    pub(crate) is_streamed: bool,
    /// Whether a streamed answer ends with the tokens it was billed.
    pub(crate) wants_usage: bool,
}

impl ChatRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let data = |what: &str| Error::new(ErrorKind::Data, what);
        let value: Value =
            serde_json::from_slice(body).map_err(|error| data(&format!("the body is not JSON: {error}")))?;
        let Value::Object(mut body) = value else { return Err(data("the body is not a JSON object")) };
        let model = match body.get("model") {
            Some(Value::String(model)) => model.clone(),
            Some(_) => return Err(data("is not a string").at_field("model")),
            None => return Err(data("is missing").at_field("model").help("a model's name, a pool's, or `auto`")),
        };
        let messages = match body.get("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            Some(Value::Array(_)) => return Err(data("holds no message").at_field("messages")),
            Some(_) => return Err(data("is not a list").at_field("messages")),
            None => return Err(data("is missing").at_field("messages")),
        };
        let prompt = Prompt::chat("chat", read_messages(messages)?);
        let flag = |value: Option<&Value>, field: &str| match value {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(data("is neither true nor false").at_field(field)),
        };
        let is_streamed = flag(body.get("stream"), "stream")?;
        let wants_usage = flag(
            body.get("stream_options").and_then(|options| options.get("include_usage")),
            "stream_options.include_usage",
        )?;
        let mut constraints = match body.remove(EXTENSION) {
            None | Some(Value::Null) => Constraints::default(),
            Some(Value::Object(fields)) => Constraints::from_fields(fields).map_err(|error| {
                let field = error.field().map_or_else(|| EXTENSION.to_owned(), |field| format!("{EXTENSION}.{field}"));
                error.at_field(field)
            })?,
            Some(_) => return Err(data("is not a JSON object").at_field(EXTENSION)),
        };
        for tag in implied_tags(&body) {
            if !constraints.required_tags.iter().any(|known| known == tag) {
                constraints.required_tags.push(tag.to_owned());
            }
        }
        if constraints.maximum_output_tokens.is_none() {
            let limit = body.get("max_completion_tokens").or_else(|| body.get("max_tokens")).and_then(Value::as_u64);
            constraints.maximum_output_tokens = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        }
        let beside = tokens_beside(&body);
        if constraints.prompt_tokens.is_none() && beside > 0 {
            constraints.prompt_tokens = Some(prompt.approximate_tokens().saturating_add(beside));
        }
        Ok(Self { body, model, request: Request { prompt, constraints }, is_streamed, wants_usage })
    }
}

/// Messages as a prompt holds them. Beside what a data set may hold, an assistant's message may lack its content (it calls tools), and
/// the results of functions, an older form of tools, are read as those of tools.
fn read_messages(messages: &[Value]) -> Result<Vec<Message>> {
    messages
        .iter()
        .enumerate()
        .map(|(at, message)| {
            let field = format!("messages[{at}]");
            let role = message.get("role").and_then(Value::as_str);
            if role == Some("assistant") && message.get("content").is_none() {
                return Ok(Message::new(MessageRole::Assistant, ""));
            }
            if role == Some("function") {
                let content = message.get("content").and_then(Value::as_str).unwrap_or_default();
                return Ok(Message::new(MessageRole::Tool, content));
            }
            Message::deserialize(message).map_err(|error| {
                Error::new(ErrorKind::Data, format!("is not a message: {error}"))
                    .at_field(field)
                    .help("{\"role\": \"user\", \"content\": \"...\"}; the roles are system, developer, user, assistant, tool")
            })
        })
        .collect()
}

/// What a model must be able to do to answer, as tags.
fn implied_tags(body: &Map<String, Value>) -> Vec<&'static str> {
    let mut tags = Vec::new();
    let is_given = |field: &str| body.get(field).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if is_given("tools") || is_given("functions") {
        tags.push("tools");
    }
    let parts = body
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("content").and_then(Value::as_array))
        .flatten();
    let kinds: Vec<&str> = parts.filter_map(|part| part.get("type").and_then(Value::as_str)).collect();
    for (tag, of_tag) in [
        ("images", ["image_url", "input_image"].as_slice()),
        ("audio", ["input_audio"].as_slice()),
        ("files", ["file", "input_file"].as_slice()),
    ] {
        if kinds.iter().any(|kind| of_tag.contains(kind)) {
            tags.push(tag);
        }
    }
    let format = body.get("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    if matches!(format, Some("json_object" | "json_schema")) {
        tags.push("json");
    }
    tags
}

/// A rough count of the tokens beside the messages' texts that a model reads: descriptions of tools and of the answer's form, calls of
/// tools; one for every four bytes.
fn tokens_beside(body: &Map<String, Value>) -> u32 {
    let bytes = |value: &Value| serde_json::to_vec(value).map_or(0, |text| text.len());
    let fields = ["tools", "functions", "response_format"].iter().filter_map(|field| body.get(*field));
    let calls = body
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("tool_calls"));
    let total: usize = fields.chain(calls).filter(|value| !value.is_null()).map(bytes).sum();
    u32::try_from(total.div_ceil(4)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use router_core::PromptContent;
    use router_core::types::request::content_of;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<ChatRequest> {
        ChatRequest::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_chat_is_the_prompt_that_a_line_of_the_command_line_is() {
        let messages = json!([{ "role": "developer", "content": "Be brief." },
                              { "role": "user", "content": [{ "type": "text", "text": "Hi" }] }]);
        let chat = read(&json!({ "model": "auto", "messages": messages, "temperature": 0.5 })).unwrap();
        let line = json!({ "prompt": messages, "prompt_id": "chat" }).to_string();
        assert_eq!(chat.request, Request::from_json(line.as_bytes(), "").unwrap());
        assert_eq!(content_of(&messages).unwrap(), chat.request.prompt.content);
        assert!(matches!(&chat.request.prompt.content, PromptContent::Messages(messages) if messages.len() == 2));
        assert_eq!(chat.body.get("temperature"), Some(&json!(0.5)));
        assert!(!chat.is_streamed && !chat.wants_usage);
    }

    #[test]
    fn what_a_request_needs_becomes_constraints() {
        let chat = read(&json!({
            "model": "auto",
            "messages": [
                { "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] },
                { "role": "assistant", "tool_calls": [{ "id": "1" }] },
                { "role": "tool", "content": "12" },
            ],
            "tools": [{ "type": "function", "function": { "name": "f" } }],
            "response_format": { "type": "json_object" },
            "max_tokens": 50,
            "router": { "maximum_cost_usd": 0.01, "required_tags": ["tools", "eu"] },
        }))
        .unwrap();
        let constraints = chat.request.constraints;
        assert_eq!(constraints.required_tags, ["tools", "eu", "images", "json"]);
        assert_eq!((constraints.maximum_output_tokens, constraints.maximum_cost_usd), (Some(50), Some(0.01)));
        assert!(constraints.prompt_tokens.unwrap() > 20);
        assert!(!chat.body.contains_key("router"));
    }

    #[test]
    fn mistakes_name_the_field() {
        let user = json!([{ "role": "user", "content": "x" }]);
        let cases = [
            (json!([]), None),
            (json!({ "messages": user }), Some("model")),
            (json!({ "model": 3, "messages": user }), Some("model")),
            (json!({ "model": "auto" }), Some("messages")),
            (json!({ "model": "auto", "messages": [] }), Some("messages")),
            (
                json!({ "model": "auto", "messages": [{ "role": "user", "content": "x" }, { "role": "king", "content": "x" }] }),
                Some("messages[1]"),
            ),
            (json!({ "model": "auto", "messages": user, "stream": "yes" }), Some("stream")),
            (
                json!({ "model": "auto", "messages": user, "router": { "maximum_cost": 1 } }),
                Some("router.maximum_cost"),
            ),
        ];
        for (body, field) in cases {
            assert_eq!(read(&body).unwrap_err().field(), field, "{body}");
        }
        assert!(ChatRequest::read(b"{").is_err());
    }
}
