//! Anthropic's messages.

use router_core::{Message, MessageRole, Prompt, Result};
use serde_json::{Map, Value};

use super::{Needs, data, is_given, tags_of_parts, tokens_in};

pub(super) fn read(body: &Map<String, Value>) -> Result<Needs> {
    let messages = match body.get("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(_) => return Err(data("is not a list of messages").at_field("messages")),
        None => return Err(data("is missing").at_field("messages")),
    };
    let mut read = Vec::with_capacity(messages.len() + 1);
    if let Some(system) = body.get("system").filter(|system| !system.is_null()) {
        read.push(Message::new(MessageRole::System, text_of(system).ok_or_else(|| wrong_content("system"))?));
    }
    for (at, message) in messages.iter().enumerate() {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("user") => MessageRole::User,
            Some("assistant") => MessageRole::Assistant,
            _ => {
                return Err(data("is neither user nor assistant").at_field(format!("messages[{at}].role")));
            }
        };
        let text = message.get("content").and_then(text_of);
        read.push(Message::new(role, text.ok_or_else(|| wrong_content(&format!("messages[{at}].content")))?));
    }
    let parts = || messages.iter().filter_map(|message| message.get("content").and_then(Value::as_array)).flatten();
    let mut tags = tags_of_parts(parts());
    if is_given(body, "tools") {
        tags.insert(0, "tools");
    }
    let calls = parts().filter_map(|part| part.get("input"));
    Ok(Needs {
        prompt: Prompt::chat("messages", read),
        tags,
        output_tokens: body.get("max_tokens").and_then(Value::as_u64),
        tokens_beside: tokens_in(body.get("tools").into_iter().chain(calls)),
        wants_usage: true,
        goes_on_with: None,
    })
}

fn wrong_content(field: &str) -> router_core::Error {
    data("is neither a text nor a list of blocks").at_field(field)
}

/// The text of a content: itself, or that of its blocks, what tools gave included.
fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| match block.get("type").and_then(Value::as_str) {
                Some("text") => block.get("text").and_then(Value::as_str).map(str::to_owned),
                Some("tool_result") => block.get("content").and_then(text_of),
                _ => None,
            });
            Some(texts.collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ModelRequest;
    use crate::config::Api;

    #[test]
    fn blocks_are_read() {
        let body = json!({
            "model": "auto", "max_tokens": 99,
            "system": [{ "type": "text", "text": "Be brief." }],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "What?" }, { "type": "image", "source": {} }] },
                { "role": "assistant", "content": [{ "type": "tool_use", "id": "1", "name": "f", "input": { "a": 1 } }] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text", "text": "12" }] }] },
            ],
            "tools": [{ "name": "f" }],
        });
        let read = ModelRequest::read(Api::Messages, body.to_string().as_bytes()).unwrap();
        assert_eq!(read.request.prompt.text(), "Be brief.\n\nWhat?\n\n\n\n12");
        assert_eq!(read.request.constraints.required_tags, ["tools", "images"]);
        assert_eq!(read.request.constraints.maximum_output_tokens, Some(99));
        for (wrong, field) in [
            (json!({ "model": "auto", "messages": [{ "role": "system", "content": "x" }] }), "messages[0].role"),
            (json!({ "model": "auto", "messages": [{ "role": "user", "content": 3 }] }), "messages[0].content"),
            (json!({ "model": "auto", "messages": [{ "role": "user", "content": "x" }], "system": 3 }), "system"),
        ] {
            let error = ModelRequest::read(Api::Messages, wrong.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.field(), Some(field));
        }
    }
}
