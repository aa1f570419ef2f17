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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: MessageRole,
    /// What is said.
    pub content: String,
}

/// What is asked: a text or a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        let say = |role, content: &str| Message { role, content: content.into() };
        let prompt = Prompt::chat("c", vec![say(MessageRole::System, "Be brief."), say(MessageRole::User, "Hi")]);
        assert_eq!(prompt.text(), "Be brief.\n\nHi");
        assert_eq!(prompt.approximate_tokens(), 3);
    }

    #[test]
    fn content_reads_both_shapes() {
        let text: PromptContent = serde_json::from_str("\"hello\"").unwrap();
        assert_eq!(text, PromptContent::Text("hello".into()));
        let chat: PromptContent = serde_json::from_str(r#"[{"role":"developer","content":"x"}]"#).unwrap();
        assert!(matches!(chat, PromptContent::Messages(messages) if messages[0].role == MessageRole::System));
    }
}
