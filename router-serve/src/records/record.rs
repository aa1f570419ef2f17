//! What is kept of a decision.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A call of an upstream, and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The model that was asked.
    pub model: String,
    /// Where it was asked.
    pub upstream: String,
    /// A word for how that went: `answered`, `connect`, `timeout`, `rate-limited`, `server-error`, `refused`, `too-long`, `cut`,
    /// `malformed`; `open` and `busy` where it was not asked at all.
    pub outcome: String,
    /// How long it took, in milliseconds; of a stream until its first event.
    pub milliseconds: f64,
}

/// What is kept of a decision, and of the call that followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The decision's id. It holds the time of the decision (UUID version 7).
    pub id: Uuid,
    /// Where the request came in: `chat`, `route`...
    pub surface: String,
    /// What the request gave as its `model`: `auto`, a pool's name, or a model's.
    pub asked_for: String,
    /// The fingerprint of the router that decided; `None` where the client named a model that the router does not know.
    pub router: Option<String>,
    /// The model to ask first.
    pub model: String,
    /// The router's own choice, where exploration asked another model first.
    pub instead_of: Option<String>,
    /// The probability with which `model` was to be asked first, above 0 and at most 1.
    pub propensity: f64,
    /// The models that could take the request, in the order in which they were to be asked; `model` is the first.
    pub eligible: Vec<String>,
    /// The prompt's task.
    pub task: Option<u32>,
    /// The policy's score of its choice.
    pub score: Option<f64>,
    /// What the call of `model` was expected to cost, in US dollars.
    pub expected_cost_usd: Option<f64>,
    /// The calls of upstreams, in order.
    pub attempts: Vec<Attempt>,
    /// The model whose answer the client got, whole or in part.
    pub answered_by: Option<String>,
    /// The upstream that it came from.
    pub upstream: Option<String>,
    /// The HTTP status that the client got; 499 if it went away.
    pub status: u16,
    /// How the request ended: `answered`, `refused`, `broken`, `cancelled`.
    pub outcome: String,
    /// Input tokens as the upstream bills them.
    pub input_tokens: Option<u64>,
    /// Output tokens as the upstream bills them.
    pub output_tokens: Option<u64>,
    /// What the call cost in US dollars: as the upstream says, otherwise the billed tokens at the model's price.
    pub cost_usd: Option<f64>,
    /// How long the decision took, in microseconds.
    pub decision_microseconds: Option<u64>,
    /// From the request's admission to the first byte of its answer, in milliseconds.
    pub first_byte_milliseconds: Option<f64>,
    /// From the request's admission to its end, in milliseconds.
    pub milliseconds: f64,
    /// The client, by its name in the configuration.
    pub client: Option<String>,
    /// What was taken off the client's budget, in US dollars: the cost, or what was expected where the upstream did not say what it bills.
    pub charged_usd: Option<f64>,
    /// The prompt as JSON, a text or a list of messages, where the configuration asks for it.
    pub prompt: Option<String>,
}

impl Record {
    /// The record, to be gone on with, of a request that named a model which the router does not know.
    pub(crate) fn of_named(id: Uuid, surface: &str, model: &str) -> Self {
        Self {
            id,
            surface: surface.to_owned(),
            asked_for: model.to_owned(),
            router: None,
            model: model.to_owned(),
            instead_of: None,
            propensity: 1.0,
            eligible: vec![model.to_owned()],
            task: None,
            score: None,
            expected_cost_usd: None,
            attempts: Vec::new(),
            answered_by: None,
            upstream: None,
            status: 0,
            outcome: String::new(),
            input_tokens: None,
            output_tokens: None,
            cost_usd: None,
            decision_microseconds: None,
            first_byte_milliseconds: None,
            milliseconds: 0.0,
            client: None,
            charged_usd: None,
            prompt: None,
        }
    }

    /// When it was decided, in milliseconds since 1970; 0 for an id that holds no time.
    pub fn time_milliseconds(&self) -> i64 {
        milliseconds_of(self.id)
    }

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.prompt.as_ref().map_or(0, String::len)
            + 64 * (self.eligible.len() + self.attempts.len())
    }
}

/// Now, in milliseconds since 1970, by the clock that makes ids.
pub fn now_milliseconds() -> i64 {
    milliseconds_of(Uuid::now_v7())
}

/// The time in an id, in milliseconds since 1970; 0 for one that holds none.
pub(super) fn milliseconds_of(id: Uuid) -> i64 {
    id.get_timestamp().map_or(0, |time| {
        let (seconds, nanoseconds) = time.to_unix();
        (seconds * 1000) as i64 + i64::from(nanoseconds / 1_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_its_time() {
        // RFC 9562, appendix A.6.
        let id = Uuid::parse_str("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").unwrap();
        assert_eq!(milliseconds_of(id), 1_645_557_742_000);
        assert_eq!(milliseconds_of(Uuid::nil()), 0);
    }
}
