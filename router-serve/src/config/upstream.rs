//! The services that models are asked at.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An interface that models are asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// OpenAI's `/chat/completions`.
    Chat,
    /// OpenAI's `/responses`.
    Responses,
    /// Anthropic's `/messages`.
    Messages,
    /// OpenAI's `/embeddings`.
    Embeddings,
}

impl Api {
    /// Every interface.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Messages, Self::Embeddings];

    /// Where it is below a base address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Embeddings => "embeddings",
        }
    }

    /// A word for metrics and records.
    pub fn label(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Embeddings => "embeddings",
        }
    }
}

/// How an upstream wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// `x-api-key: KEY`, as Anthropic's interface has it.
    XApiKey,
}

/// A service with an OpenAI-compatible interface, or Anthropic's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Unique among the upstreams.
    pub name: String,
    /// Where its interface begins, `https://api.example.com/v1`: `/chat/completions` is appended.
    pub base_url: String,
    /// The environment variable that holds its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_environment: Option<String>,
    /// The file that holds its key and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// How it wants its key.
    #[serde(default)]
    pub key_header: KeyHeader,
    /// The interfaces that it speaks. A request is only sent where its own interface is spoken; nothing is translated.
    #[serde(default = "api")]
    #[schemars(length(min = 1))]
    pub api: Vec<Api>,
    /// A file of certificates (PEM) to trust instead of the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_certificates: Option<PathBuf>,
    /// How long connecting may take.
    #[serde(default = "connect_seconds")]
    #[schemars(range(min = 0.001, max = 3600.0))]
    pub connect_seconds: f64,
    /// How long the first part of an answer may take: the first event of a stream, or the head of a whole answer.
    #[serde(default = "first_byte_seconds")]
    #[schemars(range(min = 0.001, max = 86_400.0))]
    pub first_byte_seconds: f64,
    /// How long nothing may come in the middle of an answer.
    #[serde(default = "idle_seconds")]
    #[schemars(range(min = 0.001, max = 86_400.0))]
    pub idle_seconds: f64,
    /// How long an answer may take from beginning to end.
    #[serde(default = "total_seconds")]
    #[schemars(range(min = 0.001, max = 86_400.0))]
    pub total_seconds: f64,
    /// Most bytes of an answer, streamed or not.
    #[serde(default = "answer_bytes")]
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub answer_bytes: usize,
    /// Most bytes of one event of a stream.
    #[serde(default = "event_bytes")]
    #[schemars(range(min = 256, max = 67_108_864))]
    pub event_bytes: usize,
    /// Most bytes of an answer's head.
    #[serde(default = "head_bytes")]
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub head_bytes: usize,
    /// Most requests at once.
    #[serde(default = "concurrency")]
    #[schemars(range(min = 1, max = 100_000))]
    pub concurrency: usize,
    /// Most requests that wait for one of those to end; beyond them the next model is tried.
    #[serde(default = "queue")]
    #[schemars(range(min = 0, max = 100_000))]
    pub queue: usize,
    /// How long a request waits there before the next model is tried.
    #[serde(default = "queue_seconds")]
    #[schemars(range(min = 0.0, max = 3600.0))]
    pub queue_seconds: f64,
    /// When it is left alone because it keeps failing.
    #[serde(default)]
    pub breaker: BreakerConfig,
    /// Whether streams are asked to end with the tokens they were billed (`stream_options.include_usage`). A client that did not ask
    /// for that does not see it.
    #[serde(default = "yes")]
    pub ask_usage: bool,
}

/// When an upstream is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// So many failures in a row open the circuit: no connection, a timeout, a 5xx status, an answer that is cut or malformed.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failures: u32,
    /// How long it stays open. Then one request tries: if it succeeds the circuit is closed, otherwise it is open as long again.
    #[schemars(range(min = 0.001, max = 86_400.0))]
    pub open_seconds: f64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_seconds: 10.0 }
    }
}

fn api() -> Vec<Api> {
    vec![Api::Chat, Api::Embeddings]
}

fn connect_seconds() -> f64 {
    5.0
}

fn first_byte_seconds() -> f64 {
    60.0
}

fn idle_seconds() -> f64 {
    30.0
}

fn total_seconds() -> f64 {
    600.0
}

fn answer_bytes() -> usize {
    32 << 20
}

fn event_bytes() -> usize {
    1 << 20
}

fn head_bytes() -> usize {
    64 << 10
}

fn concurrency() -> usize {
    64
}

fn queue() -> usize {
    64
}

fn queue_seconds() -> f64 {
    2.0
}

fn yes() -> bool {
    true
}
