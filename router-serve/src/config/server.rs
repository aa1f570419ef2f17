//! The gateway's own limits, and how decisions are made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The gateway's own limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Most connections of clients at once; further ones wait to be accepted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: usize,
    /// Most requests under way at once, answers that are still streamed included.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: usize,
    /// Most requests that wait for one of those to end; beyond them the answer is 503.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queue: usize,
    /// How long a request waits there before the answer is 503.
    #[schemars(range(min = 0.0, max = 3600.0))]
    pub queue_seconds: f64,
    /// Most bytes of a request's body; beyond them the answer is 413.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub request_bytes: usize,
    /// How long a client may take to send a request's head, and again its body.
    #[schemars(range(min = 0.1, max = 3600.0))]
    pub request_seconds: f64,
    /// How long answers that are under way may take to end when the gateway is told to stop.
    #[schemars(range(min = 0.0, max = 86_400.0))]
    pub drain_seconds: f64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections: 4096,
            concurrency: 1024,
            queue: 1024,
            queue_seconds: 5.0,
            request_bytes: 8 << 20,
            request_seconds: 30.0,
            drain_seconds: 30.0,
        }
    }
}

/// How decisions are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionsConfig {
    /// A decision that takes at most so many microseconds of computation, as measured at the start, is made where the request is
    /// handled; others go to threads of their own, so that a slow encoder holds up no stream. 0: always to threads of their own.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub direct_microseconds: u64,
    /// Prompts of more bytes always go to threads of their own.
    #[schemars(range(min = 0, max = 1_073_741_824))]
    pub direct_bytes: usize,
    /// Threads for slow decisions.
    #[schemars(range(min = 1, max = 256))]
    pub threads: usize,
    /// Most prompts that such a thread embeds together.
    #[schemars(range(min = 1, max = 256))]
    pub batch: usize,
    /// Most requests that wait for such a thread; beyond them the answer is 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub queue: usize,
    /// Embeddings of recent prompts that are kept in memory, where the encoder is slow enough to be worth it. 0: none.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub remembered: usize,
}

impl Default for DecisionsConfig {
    fn default() -> Self {
        Self {
            direct_microseconds: 500,
            direct_bytes: 32 << 10,
            threads: 1,
            batch: 32,
            queue: 1024,
            remembered: 10_000,
        }
    }
}
