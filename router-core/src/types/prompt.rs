//! Prompts and chat messages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Who speaks in a chat message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// Instructions that hold for the conversation.
    #[serde(alias = "developer")]
    System,
    /// The person who asks.
    User,
    /// The model that answers.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One message of a conversation.
///
/// It is read from `{"role", "content"}`, where the content is a text, null (an answer that only calls tools), or a list of parts as
/// chat APIs take it: the texts of the parts are joined by line breaks, and what is no text (images, audio, files) is counted.
///
/// ```
/// use router_core::Message;
/// let json = r#"{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}]}"#;
/// let message: Message = serde_json::from_str(json).unwrap();
/// assert_eq!((message.content.as_str(), message.parts_not_read), ("What is this?", 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "MessageForm")]
pub struct Message {
    /// Who speaks.
    pub role: MessageRole,
    /// What is said.
    pub content: String,
    /// How many parts of the content are no text. Nothing of this project reads them, and a data set that is written loses them.
    #[serde(skip)]
    pub parts_not_read: u32,
}

impl Message {
    /// A message of one text.
    pub fn new(role: MessageRole, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), parts_not_read: 0 }
    }
}

/// A message as it may be written.
#[derive(Deserialize)]
struct MessageForm {
    role: MessageRole,
    /// May be null, but not left out.
    #[serde(deserialize_with = "Option::deserialize")]
    content: Option<ContentForm>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ContentForm {
    Text(String),
    Parts(Vec<PartForm>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PartForm {
    Text(String),
    /// `{"type": "text", "text": ...}`; also `input_text` and `output_text`.
    Typed {
        text: String,
    },
    Other(serde::de::IgnoredAny),
}

impl From<MessageForm> for Message {
    fn from(MessageForm { role, content }: MessageForm) -> Self {
        let mut message = Self::new(role, "");
        match content {
            None => {}
            Some(ContentForm::Text(text)) => message.content = text,
            Some(ContentForm::Parts(parts)) => {
                let mut texts = Vec::with_capacity(parts.len());
                for part in parts {
                    match part {
                        PartForm::Text(text) | PartForm::Typed { text } => texts.push(text),
                        PartForm::Other(_) => message.parts_not_read += 1,
                    }
                }
                message.content = texts.join("\n");
            }
        }
        message
    }
}

/// What is asked: a text or a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PromptContent {
    /// One text.
    Text(String),
    /// A conversation, oldest message first.
    Messages(Vec<Message>),
}

/// A prompt with its identity and what is known about it.
///
/// ```
/// use router_core::Prompt;
/// let prompt = Prompt::new("q1", "What is the capital of France?").with_benchmark("trivia");
/// assert_eq!(prompt.text(), "What is the capital of France?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Unique within a data set.
    pub id: String,
    /// What is asked.
    pub content: PromptContent,
    /// The benchmark the prompt was taken from. Routers never see it; references and reports do.
    pub benchmark: Option<String>,
    /// What the prompt asks for in general words, if somebody wrote it down. Discovery may embed it instead of the prompt.
    pub description: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
}

impl Prompt {
    /// A prompt of one text.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            content: PromptContent::Text(text.into()),
            benchmark: None,
            description: None,
            tags: Vec::new(),
        }
    }

    /// A prompt that is a conversation.
    pub fn chat(id: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { content: PromptContent::Messages(messages), ..Self::new(id, "") }
    }

    /// The same prompt, said to be of `benchmark`.
    pub fn with_benchmark(mut self, benchmark: impl Into<String>) -> Self {
        self.benchmark = Some(benchmark.into());
        self
    }

    /// The text that is embedded: the text itself, or the contents of all messages in order, a blank line between them.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            PromptContent::Text(text) => Cow::Borrowed(text),
            PromptContent::Messages(messages) => match messages.as_slice() {
                [only] => Cow::Borrowed(&only.content),
                several => {
                    let contents: Vec<&str> = several.iter().map(|message| message.content.as_str()).collect();
                    Cow::Owned(contents.join("\n\n"))
                }
            },
        }
    }

    /// How many parts of its messages are no text, so that nobody reads them.
    pub fn parts_not_read(&self) -> u32 {
        match &self.content {
            PromptContent::Text(_) => 0,
            PromptContent::Messages(messages) => messages.iter().map(|message| message.parts_not_read).sum(),
        }
    }

    /// A rough count of tokens: one for every four bytes of text, at least one.
    pub fn approximate_tokens(&self) -> u32 {
        let bytes: usize = match &self.content {
            PromptContent::Text(text) => text.len(),
            PromptContent::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
        };
        u32::try_from(bytes.div_ceil(4).max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_joined_in_order() {
        let prompt = Prompt::chat(
            "c",
            vec![Message::new(MessageRole::System, "Be brief."), Message::new(MessageRole::User, "Hi")],
        );
        assert_eq!(prompt.text(), "Be brief.\n\nHi");
        assert_eq!(prompt.approximate_tokens(), 3);
    }

    #[test]
    fn content_may_be_a_text_null_or_a_list_of_parts() {
        let read = |content: &str| {
            let message: Message = serde_json::from_str(&format!(r#"{{"role":"user","content":{content}}}"#)).unwrap();
            (message.content, message.parts_not_read)
        };
        assert_eq!(read("\"hello\""), ("hello".into(), 0));
        assert_eq!(read("null"), (String::new(), 0));
        assert_eq!(read("[]"), (String::new(), 0));
        let parts = r#"[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}},"b",{"type":"input_audio"},
                        {"type":"input_text","text":"c"}]"#;
        assert_eq!(read(parts), ("a\nb\nc".into(), 2));
        assert!(serde_json::from_str::<Message>(r#"{"role":"user"}"#).is_err());
        for wrong in ["3", "{}", "true"] {
            let json = format!(r#"{{"role":"user","content":{wrong}}}"#);
            assert!(serde_json::from_str::<Message>(&json).is_err(), "{wrong}");
        }
        let chat: PromptContent = serde_json::from_str(&format!(r#"[{{"role":"user","content":{parts}}}]"#)).unwrap();
        let prompt = Prompt { content: chat, ..Prompt::new("p", "") };
        assert_eq!(prompt.parts_not_read(), 2);
    }

    #[test]
    fn content_reads_both_shapes() {
        let text: PromptContent = serde_json::from_str("\"hello\"").unwrap();
        assert_eq!(text, PromptContent::Text("hello".into()));
        let chat: PromptContent = serde_json::from_str(r#"[{"role":"developer","content":"x"}]"#).unwrap();
        assert!(matches!(chat, PromptContent::Messages(messages) if messages[0].role == MessageRole::System));
    }
}
