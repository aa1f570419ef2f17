//! OpenAI's chat completions.

use router_core::{Error, ErrorKind, Message, MessageRole, Prompt, Result};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{Needs, data, flag, is_given, tags_of_parts, tokens_in};

pub(super) fn read(body: &Map<String, Value>) -> Result<Needs> {
    let messages = match body.get("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(Value::Array(_)) => return Err(data("holds no message").at_field("messages")),
        Some(_) => return Err(data("is not a list").at_field("messages")),
        None => return Err(data("is missing").at_field("messages")),
    };
    let parts = messages.iter().filter_map(|message| message.get("content").and_then(Value::as_array)).flatten();
    let mut tags = tags_of_parts(parts);
    if is_given(body, "tools") || is_given(body, "functions") {
        tags.insert(0, "tools");
    }
    let format = body.get("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    if matches!(format, Some("json_object" | "json_schema")) {
        tags.push("json");
    }
    let fields = ["tools", "functions", "response_format"].iter().filter_map(|field| body.get(*field));
    let calls = messages.iter().filter_map(|message| message.get("tool_calls"));
    Ok(Needs {
        prompt: Prompt::chat("chat", read_messages(messages)?),
        tags,
        output_tokens: body.get("max_completion_tokens").or_else(|| body.get("max_tokens")).and_then(Value::as_u64),
        tokens_beside: tokens_in(fields.chain(calls)),
        wants_usage: flag(
            body.get("stream_options").and_then(|options| options.get("include_usage")),
            "stream_options.include_usage",
        )?,
        goes_on_with: None,
    })
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

#[cfg(test)]
mod tests {
    use router_core::types::request::content_of;
    use router_core::{PromptContent, Request};
    use serde_json::json;

    use super::super::ModelRequest;
    use super::*;
    use crate::config::Api;

    fn read(value: &Value) -> Result<ModelRequest> {
        ModelRequest::read(Api::Chat, value.to_string().as_bytes())
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
        assert!(ModelRequest::read(Api::Chat, b"{").is_err());
    }
}
