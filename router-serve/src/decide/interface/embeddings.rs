//! OpenAI's embeddings. Nothing is routed: embeddings of two models are not comparable.

use router_core::{Prompt, Result};
use serde_json::{Map, Value};

use super::{Needs, data};

pub(super) fn read(body: &Map<String, Value>) -> Result<Needs> {
    let text = match body.get("input") {
        Some(Value::String(text)) => text.as_str(),
        // Each of several texts, or of tokens, is for itself: what does not fit is the model's service's to say.
        Some(Value::Array(inputs)) if !inputs.is_empty() => "",
        Some(_) => return Err(data("is neither a text nor a list").at_field("input")),
        None => return Err(data("is missing").at_field("input")),
    };
    Ok(Needs {
        prompt: Prompt::new("embeddings", text),
        tags: Vec::new(),
        output_tokens: None,
        tokens_beside: 0,
        wants_usage: true,
        goes_on_with: None,
    })
}
