//! OpenAI's responses.

use router_core::{Message, MessageRole, Prompt, Result};
use serde_json::{Map, Value};

use super::{Needs, data, is_given, tags_of_parts, tokens_in};

pub(super) fn read(body: &Map<String, Value>) -> Result<Needs> {
    let mut read = Vec::new();
    if let Some(instructions) = body.get("instructions").and_then(Value::as_str) {
        read.push(Message::new(MessageRole::System, instructions));
    }
    let items: &[Value] = match body.get("input") {
        Some(Value::String(text)) => {
            read.push(Message::new(MessageRole::User, text.as_str()));
            &[]
        }
        Some(Value::Array(items)) if !items.is_empty() => items,
        Some(_) => return Err(data("is neither a text nor a list of items").at_field("input")),
        None => return Err(data("is missing").at_field("input")),
    };
    for (at, item) in items.iter().enumerate() {
        if let Some(output) = item.get("output") {
            read.push(Message::new(MessageRole::Tool, text_of(output).unwrap_or_default()));
        } else if let Some(content) = item.get("content") {
            let role = match item.get("role").and_then(Value::as_str) {
                Some("user") => MessageRole::User,
                Some("assistant") => MessageRole::Assistant,
                Some("system" | "developer") => MessageRole::System,
                // Reasoning that is handed back has a content and no role.
                None => continue,
                Some(_) => return Err(data("is no role").at_field(format!("input[{at}].role"))),
            };
            let wrong = || data("is neither a text nor a list of parts").at_field(format!("input[{at}].content"));
            read.push(Message::new(role, text_of(content).ok_or_else(wrong)?));
        }
    }
    if read.is_empty() {
        return Err(data("holds no text").at_field("input"));
    }
    let parts = items.iter().filter_map(|item| item.get("content").and_then(Value::as_array)).flatten();
    let mut tags = tags_of_parts(parts);
    if is_given(body, "tools") {
        tags.insert(0, "tools");
    }
    let format = body.get("text").and_then(|text| text.pointer("/format/type")).and_then(Value::as_str);
    if matches!(format, Some("json_object" | "json_schema")) {
        tags.push("json");
    }
    let calls = items.iter().filter_map(|item| item.get("arguments"));
    let is_there = |field: &&&str| body.get(**field).is_some_and(|value| !value.is_null());
    Ok(Needs {
        prompt: Prompt::chat("responses", read),
        tags,
        output_tokens: body.get("max_output_tokens").and_then(Value::as_u64),
        tokens_beside: tokens_in(body.get("tools").into_iter().chain(calls)),
        wants_usage: true,
        goes_on_with: ["previous_response_id", "conversation"].iter().find(is_there).copied(),
    })
}

/// The text of a content: itself, or that of its parts.
fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            Some(texts.join("\n"))
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
    fn items_are_read() {
        let body = json!({
            "model": "auto", "instructions": "Be brief.", "max_output_tokens": 9,
            "input": [
                { "role": "user", "content": [{ "type": "input_text", "text": "What?" }, { "type": "input_image" }] },
                { "type": "function_call", "call_id": "1", "name": "f", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "1", "output": "12" },
            ],
            "text": { "format": { "type": "json_schema" } },
        });
        let read = ModelRequest::read(Api::Responses, body.to_string().as_bytes()).unwrap();
        assert_eq!(read.request.prompt.text(), "Be brief.\n\nWhat?\n\n12");
        assert_eq!(read.request.constraints.required_tags, ["images", "json"]);
        assert_eq!((read.request.constraints.maximum_output_tokens, read.goes_on_with), (Some(9), None));
        let more = json!({ "model": "auto", "input": "And?", "previous_response_id": "r1" });
        let more = ModelRequest::read(Api::Responses, more.to_string().as_bytes()).unwrap();
        assert_eq!((more.goes_on_with, more.request.prompt.text().as_ref()), (Some("previous_response_id"), "And?"));
        for (wrong, field) in [
            (json!({ "model": "auto" }), "input"),
            (json!({ "model": "auto", "input": [] }), "input"),
            (json!({ "model": "auto", "input": [{ "role": "king", "content": "x" }] }), "input[0].role"),
        ] {
            let error = ModelRequest::read(Api::Responses, wrong.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.field(), Some(field));
        }
    }
}
