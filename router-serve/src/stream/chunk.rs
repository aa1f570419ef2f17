//! What the gateway reads of an answer: how it ends, and the tokens it was billed.

use router_core::Model;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::upstream::Failure;

/// The tokens of a call, as the upstream bills them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// US dollars, where the upstream names them.
    pub(crate) cost_usd: Option<f64>,
}

impl Usage {
    /// Reads the `usage` of OpenAI's or Anthropic's interface; `None` if it is none.
    fn read(usage: &Value) -> Option<Self> {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let input_tokens = count("prompt_tokens").or_else(|| count("input_tokens"));
        let output_tokens = count("completion_tokens").or_else(|| count("output_tokens"));
        if input_tokens.is_none() && output_tokens.is_none() {
            return None;
        }
        // What Anthropic's interface read from or wrote to its cache is not among its input tokens.
        let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"]
            .iter()
            .filter_map(|name| count(name))
            .sum::<u64>();
        let (input_tokens, output_tokens) = (input_tokens.unwrap_or(0) + cached, output_tokens.unwrap_or(0));
        let cost_usd = usage.get("cost").and_then(Value::as_f64).filter(|cost| *cost >= 0.0);
        Some(Self { input_tokens, output_tokens, cost_usd })
    }

    /// Both of two parts of a stream, of which the later one says what the earlier one did not: Anthropic's interface tells input at the
    /// beginning and output at the end.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(later.input_tokens),
            output_tokens: self.output_tokens.max(later.output_tokens),
            cost_usd: later.cost_usd.or(self.cost_usd),
        }
    }

    /// What the call cost in US dollars: as the upstream says, otherwise the tokens at the price of `model`.
    pub(crate) fn cost_usd(&self, model: &Model) -> Option<f64> {
        self.cost_usd.or_else(|| model.price(self.input_tokens as f64, self.output_tokens as f64))
    }
}

/// What kind of event of a stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    /// No data: a comment that keeps the connection alive.
    Comment,
    /// A part of the answer.
    Part,
    /// A part of the answer that says why it ends here.
    End,
    /// The mark that nothing follows.
    Done,
    /// Nothing but the tokens that were billed.
    Usage,
    /// The upstream says that it failed.
    Error,
}

/// What an event of a stream says, or a whole answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) kind: ChunkKind,
    pub(crate) usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<IgnoredAny>,
    /// The kind of an event, where the interface names it: of Anthropic's messages, and of responses.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// What a first event of Anthropic's messages holds.
    #[serde(default)]
    message: Option<Value>,
    /// What a last event of responses holds.
    #[serde(default)]
    response: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    finish_reason: Option<IgnoredAny>,
}

impl Chunk {
    /// Reads an event of a stream.
    ///
    /// # Errors
    /// [`Failure::Malformed`] if it is not an event, or its data are not JSON.
    pub(crate) fn of_event(event: &[u8]) -> Result<Self, Failure> {
        let malformed = |what: &str| Failure::Malformed(what.to_owned());
        let text = std::str::from_utf8(event).map_err(|_| malformed("an event that is not UTF-8"))?;
        let mut data: Option<String> = None;
        for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            match field {
                "data" => {
                    let value = value.strip_prefix(' ').unwrap_or(value);
                    match &mut data {
                        None => data = Some(value.to_owned()),
                        Some(data) => {
                            data.push('\n');
                            data.push_str(value);
                        }
                    }
                }
                "" | "event" | "id" | "retry" => {}
                _ => return Err(malformed("a line that is no field of an event")),
            }
        }
        let Some(data) = data else { return Ok(Self { kind: ChunkKind::Comment, usage: None }) };
        if data.trim() == "[DONE]" {
            return Ok(Self { kind: ChunkKind::Done, usage: None });
        }
        Self::of_json(data.as_bytes()).ok_or_else(|| malformed("an event whose data are not a JSON object"))
    }

    /// Reads a JSON document: the data of an event, or a whole answer. `None` if it is none.
    pub(crate) fn of_json(text: &[u8]) -> Option<Self> {
        let Form { choices, usage, error, kind: named, message, response } = serde_json::from_slice(text).ok()?;
        let choices = choices.unwrap_or_default();
        let within = message.as_ref().or(response.as_ref()).and_then(|part| part.get("usage")).cloned();
        let usage = usage.or(within);
        let kind = if error.is_some() || matches!(named.as_deref(), Some("error" | "response.failed")) {
            ChunkKind::Error
        } else if matches!(named.as_deref(), Some("message_stop" | "response.completed" | "response.incomplete")) {
            ChunkKind::Done
        } else if named.is_some() {
            ChunkKind::Part
        } else if choices.iter().any(|choice| choice.finish_reason.is_some()) {
            ChunkKind::End
        } else if choices.is_empty() && usage.is_some() {
            ChunkKind::Usage
        } else {
            ChunkKind::Part
        };
        Some(Self { kind, usage: usage.as_ref().and_then(Usage::read) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_what_is_none_is_refused() {
        let read = |event: &str| Chunk::of_event(event.as_bytes());
        let plain =
            read("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],\"usage\":null}\n\n")
                .unwrap();
        assert_eq!(plain, Chunk { kind: ChunkKind::Part, usage: None });
        let kind = |event: &str| read(event).unwrap().kind;
        assert_eq!(kind("data:{\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"), ChunkKind::End);
        let usage =
            read("data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\r\n\r\n")
                .unwrap();
        assert_eq!(usage.usage, Some(Usage { input_tokens: 3, output_tokens: 4, cost_usd: None }));
        assert_eq!(usage.kind, ChunkKind::Usage);
        assert_eq!(kind("data: [DONE]\n\n"), ChunkKind::Done);
        let usage = |event: &str| read(event).unwrap().usage;
        let begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1,\"cache_read_input_tokens\":2}}}\n\n";
        let end = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n";
        let both = usage(begin).unwrap().and(usage(end).unwrap());
        assert_eq!(both, Usage { input_tokens: 5, output_tokens: 9, cost_usd: None });
        assert_eq!((kind(begin), kind(end)), (ChunkKind::Part, ChunkKind::Part));
        assert_eq!(kind("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), ChunkKind::Done);
        assert_eq!(kind("data: {\"type\":\"response.failed\",\"response\":{}}\n\n"), ChunkKind::Error);
        let completed = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n";
        assert_eq!((kind(completed), usage(completed).unwrap().output_tokens), (ChunkKind::Done, 4));
        assert_eq!(kind(": waiting\n\n"), ChunkKind::Comment);
        assert_eq!(kind("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"), ChunkKind::Error);
        for wrong in ["data: {\"choices\":\n\n", "<html>\n\n", "data: 3\n\n", "data: {\"choices\":3}\n\n"] {
            assert!(matches!(read(wrong), Err(Failure::Malformed(_))), "{wrong}");
        }
        assert!(Chunk::of_event(b"data: \xff\n\n").is_err());
    }
}
