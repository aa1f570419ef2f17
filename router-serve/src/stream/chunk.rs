//! What the gateway reads of an answer: how it ends, and the tokens it was billed.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::upstream::Failure;

/// The tokens of a call, as the upstream bills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

impl Usage {
    /// Reads OpenAI's `usage`; `None` if it is none.
    fn read(usage: &Value) -> Option<Self> {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let input_tokens = count("prompt_tokens").or_else(|| count("input_tokens"))?;
        let output_tokens = count("completion_tokens").or_else(|| count("output_tokens")).unwrap_or(0);
        Some(Self { input_tokens, output_tokens })
    }
}

/// What kind of event of a stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    /// No data: a comment that keeps the connection alive.
    Comment,
    /// A part of the answer.
    Part,
    /// A part of the answer that says why it ends here, or the mark that nothing follows.
    End,
    /// Nothing but the tokens that were billed.
    Usage,
    /// The upstream says that it failed.
    Error,
}

/// What an event of a stream says, or a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            return Ok(Self { kind: ChunkKind::End, usage: None });
        }
        Self::of_json(data.as_bytes()).ok_or_else(|| malformed("an event whose data are not a JSON object"))
    }

    /// Reads a JSON document: the data of an event, or a whole answer. `None` if it is none.
    pub(crate) fn of_json(text: &[u8]) -> Option<Self> {
        let Form { choices, usage, error } = serde_json::from_slice(text).ok()?;
        let choices = choices.unwrap_or_default();
        let kind = if error.is_some() {
            ChunkKind::Error
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
        assert_eq!(usage.usage, Some(Usage { input_tokens: 3, output_tokens: 4 }));
        assert_eq!(usage.kind, ChunkKind::Usage);
        assert_eq!(kind("data: [DONE]\n\n"), ChunkKind::End);
        assert_eq!(kind(": waiting\n\n"), ChunkKind::Comment);
        assert_eq!(kind("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"), ChunkKind::Error);
        for wrong in ["data: {\"choices\":\n\n", "<html>\n\n", "data: 3\n\n", "data: {\"choices\":3}\n\n"] {
            assert!(matches!(read(wrong), Err(Failure::Malformed(_))), "{wrong}");
        }
        assert!(Chunk::of_event(b"data: \xff\n\n").is_err());
    }
}
