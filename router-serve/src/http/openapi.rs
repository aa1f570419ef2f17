//! `GET /openapi.json`: the surface as an OpenAPI document, made of the list that the routes are made of.

use axum::Json;
use serde_json::{Map, Value, json};

use super::{Endpoint, endpoints};

/// `GET /openapi.json`
pub(super) async fn document() -> Json<Value> {
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let operations = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(endpoint.method.to_owned(), operation(&endpoint));
        }
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Router gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An OpenAI-compatible endpoint that asks, for every request, the model that a router names.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    }))
}

fn operation(endpoint: &Endpoint) -> Value {
    let (media_type, schema) = endpoint.answer;
    let schema = schema.map_or_else(|| json!({}), reference);
    let mut content = Map::from_iter([(media_type.to_owned(), json!({ "schema": schema }))]);
    if matches!(endpoint.body, Some("ChatRequest" | "ResponsesRequest" | "MessagesRequest")) {
        // Where the request asks for a stream.
        content.insert("text/event-stream".to_owned(), json!({ "schema": { "type": "string" } }));
    }
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), endpoint.path.trim_matches('/').replace(['/', '.'], "_").into()),
        ("summary".to_owned(), endpoint.summary.into()),
        (
            "responses".to_owned(),
            json!({
                "200": { "description": "Done", "content": content },
                "default": { "description": "Refused", "content": { "application/json": { "schema": reference("Error") } } },
            }),
        ),
    ]);
    if let Some(body) = endpoint.body {
        let body = json!({ "required": true, "content": { "application/json": { "schema": reference(body) } } });
        operation.insert("requestBody".to_owned(), body);
    }
    if endpoint.needs_key {
        operation.insert("security".to_owned(), json!([{ "key": [] }, {}]));
    }
    Value::Object(operation)
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// Bodies of other interfaces are theirs to describe: what the gateway reads of them stands here.
fn schemas() -> Value {
    let model = json!({ "type": "string", "description": "`auto`, a pool's name, or a model's" });
    let own = reference("Constraints");
    json!({
        "Constraints": {
            "type": "object",
            "description": "What the answer must keep to. It is not sent on.",
            "additionalProperties": false,
            "properties": {
                "allowed_models": { "type": "array", "items": { "type": "string" } },
                "unavailable_models": { "type": "array", "items": { "type": "string" } },
                "required_tags": { "type": "array", "items": { "type": "string" } },
                "prompt_tokens": { "type": "integer", "minimum": 0 },
                "maximum_output_tokens": { "type": "integer", "minimum": 0 },
                "maximum_cost_usd": { "type": "number", "minimum": 0 },
                "minimum_quality": { "type": "number", "minimum": 0, "maximum": 1 },
                "conversation": { "type": "string", "maxLength": 512, "description": "stays with the model that answered before" },
            },
        },
        "ChatRequest": {
            "type": "object",
            "required": ["model", "messages"],
            "properties": { "model": model, "messages": { "type": "array", "minItems": 1 }, "stream": { "type": "boolean" }, "router": own },
        },
        "ResponsesRequest": {
            "type": "object",
            "required": ["model", "input"],
            "properties": { "model": model, "input": { "type": ["string", "array"] }, "stream": { "type": "boolean" }, "router": own },
        },
        "MessagesRequest": {
            "type": "object",
            "required": ["model", "messages"],
            "properties": { "model": model, "messages": { "type": "array", "minItems": 1 }, "stream": { "type": "boolean" }, "router": own },
        },
        "EmbeddingsRequest": {
            "type": "object",
            "required": ["model", "input"],
            "properties": { "model": { "type": "string", "description": "a model's name" }, "input": { "type": ["string", "array"] } },
        },
        "RouteRequest": {
            "type": "object",
            "description": "a prompt with the fields of Constraints beside it, but for `conversation`, or up to 1,024 of such",
            "oneOf": [
                { "required": ["prompt"], "properties": { "prompt": { "type": ["string", "array"] }, "prompt_id": { "type": "string" }, "model": model } },
                { "required": ["requests"], "properties": { "requests": { "type": "array", "maxItems": 1024 } } },
            ],
        },
        "Decision": {
            "type": "object",
            "description": "the explanation of `router route --explain`, or `decisions`, a list of them",
            "properties": {
                "decision_id": { "type": "string", "format": "uuid" },
                "model": { "type": ["string", "null"] },
                "fallback": { "type": "array", "items": { "type": "string" } },
                "expected_cost_usd": { "type": ["number", "null"] },
                "microseconds": { "type": "integer" },
            },
        },
        "Feedback": {
            "type": "object",
            "required": ["decision_id", "quality"],
            "additionalProperties": false,
            "properties": {
                "decision_id": { "type": "string", "format": "uuid" },
                "quality": { "type": "number", "minimum": 0, "maximum": 1 },
                "comment": { "type": "string", "description": "refused unless the gateway keeps comments" },
            },
        },
        "Models": {
            "type": "object",
            "required": ["object", "data"],
            "properties": { "object": { "const": "list" }, "data": { "type": "array", "items": { "type": "object", "required": ["id"] } } },
        },
        "Reloaded": {
            "type": "object",
            "required": ["router", "needs_restart"],
            "properties": { "router": { "type": "string" }, "needs_restart": { "type": "array", "items": { "type": "string" } } },
        },
        "Readiness": {
            "type": "object",
            "required": ["ready"],
            "properties": { "ready": { "type": "boolean" }, "draining": { "type": "boolean" }, "upstreams": { "type": "object" } },
        },
        "Answer": { "type": "object", "description": "as the upstream answers" },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "type": { "const": "error" },
                "error": {
                    "type": "object",
                    "required": ["message", "type", "code"],
                    "properties": {
                        "message": { "type": "string" },
                        "type": { "type": "string" },
                        "param": { "type": ["string", "null"] },
                        "code": { "type": "string" },
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
                    Some(to) if name == "$ref" => found.push(to),
                    _ => references(value, found),
                }),
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let Json(document) = document().await;
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for to in found {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
    }
}
