//! A request on its way to an upstream that answers it: the chosen model first, then the fallback in its order.
//!
//! The next one is tried on everything that may go better elsewhere, as long as the client has seen nothing of an answer: no
//! connection, a timeout, 429, 5xx, a refusal of the gateway's key, an answer that is cut or malformed before its first event.
//! What the client itself did wrong (400, 413, 415, 422) is told to it.

mod ask;

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::account::{ANSWERED, Account};
use crate::clock;
use crate::config::Api;
use crate::error::Refusal;
use crate::live::Served;
use crate::stream::{Unfinished, Usage};
use crate::trace;
use crate::upstream::{Failure, Upstream};
use ask::{Asked, ask};

/// What is asked.
pub(crate) struct Call {
    pub(crate) api: Api,
    /// Headers of the client that belong to the interface.
    pub(crate) headers: HeaderMap,
    /// The client's fields; the model's name is put in.
    pub(crate) body: Map<String, Value>,
    pub(crate) is_streamed: bool,
}

impl Call {
    /// The body for an upstream that calls the model `name`: the client's, and where streams are asked to tell what they were billed, that.
    pub(crate) fn body_for(&mut self, name: &str, ask_usage: bool) -> Bytes {
        self.body.insert("model".to_owned(), name.into());
        let ask_usage = ask_usage && self.is_streamed && self.api == Api::Chat;
        let text = if ask_usage
            && self
                .body
                .get("stream_options")
                .is_none_or(|options| options.get("include_usage") != Some(&Value::Bool(true)))
        {
            let mut body = self.body.clone();
            let options = body.entry("stream_options").or_insert_with(|| json!({}));
            if !options.is_object() {
                *options = json!({});
            }
            if let Some(options) = options.as_object_mut() {
                options.insert("include_usage".to_owned(), true.into());
            }
            serde_json::to_vec(&body)
        } else {
            serde_json::to_vec(&self.body)
        };
        // A JSON value is always JSON.
        text.unwrap_or_default().into()
    }
}

/// What an upstream answered.
pub(crate) enum Answer {
    /// A whole document.
    Whole { status: StatusCode, media_type: Option<HeaderValue>, body: Bytes, usage: Option<Usage> },
    /// A stream that has begun.
    Stream(Box<Unfinished>),
}

impl Answer {
    /// Whether it is an answer, and not a refusal that the client has to see.
    pub(crate) fn is_success(&self) -> bool {
        match self {
            Self::Whole { status, .. } => status.is_success(),
            Self::Stream(_) => true,
        }
    }
}

/// Who answered, and what.
pub(crate) struct Dispatched {
    pub(crate) served: Arc<Served>,
    pub(crate) upstream: Arc<Upstream>,
    /// Calls that failed before this one.
    pub(crate) failed: usize,
    pub(crate) answer: Answer,
}

/// Asks for an answer of one of `models`, in their order, at each of the places of each.
///
/// # Errors
/// What the client is told if none answers: 429 with the shortest `Retry-After` if one asks to wait, 503 if none could be asked, 504
/// if the last one took too long, otherwise 502.
pub(crate) async fn dispatch(
    call: &mut Call,
    models: &[Arc<Served>],
    account: &mut Account,
) -> Result<Dispatched, Refusal> {
    let mut failures: Vec<(String, Failure)> = Vec::new();
    for served in models {
        for (upstream, name) in served.places(call.api) {
            let start = clock::now();
            let span = trace::attempt(account.span(), &upstream.config.name, &served.model.name);
            let attempt = attempt(call, upstream, name).instrument(span.clone()).await;
            let outcome = attempt.as_ref().err().map_or(ANSWERED, Failure::label);
            span.record("router.outcome", outcome);
            if attempt.is_err() {
                span.record("otel.status_code", "ERROR");
            }
            account.attempted(served, &upstream.config.name, outcome, start.elapsed());
            let failure = match attempt {
                Ok(answer) => {
                    let (served, upstream) = (Arc::clone(served), Arc::clone(upstream));
                    return Ok(Dispatched { served, upstream, failed: failures.len(), answer });
                }
                Err(failure) => failure,
            };
            let (model, upstream) = (&served.model.name, &upstream.config.name);
            if failure.was_asked() {
                tracing::warn!(decision = %account.id(), model, upstream, %failure, "an upstream failed");
            }
            failures.push((model.clone(), failure));
        }
    }
    Err(refusal(&failures))
}

async fn attempt(call: &mut Call, upstream: &Arc<Upstream>, name: &str) -> Result<Answer, Failure> {
    let pass = upstream.breaker.pass(clock::now()).ok_or(Failure::Open)?;
    let permit = upstream.gate.enter().await.ok_or(Failure::Busy)?;
    let body = call.body_for(name, upstream.config.ask_usage);
    let asked = match ask(call, body, upstream).await {
        Ok(asked) => asked,
        Err(failure) => {
            if failure.is_unwell() {
                pass.failed(clock::now());
            } else if failure.was_asked() {
                pass.succeeded();
            }
            return Err(failure);
        }
    };
    Ok(match asked {
        Asked::Whole { status, media_type, body, usage } => {
            pass.succeeded();
            Answer::Whole { status, media_type, body, usage }
        }
        Asked::Stream { events, first, chunk } => {
            Answer::Stream(Box::new(Unfinished { events, first, chunk, pass, permit }))
        }
    })
}

/// What the client is told when none answered.
fn refusal(failures: &[(String, Failure)]) -> Refusal {
    let told: Vec<String> = failures.iter().map(|(model, failure)| format!("`{model}` {failure}")).collect();
    let message = format!("no model answered: {}", told.join("; "));
    let mut limited = failures.iter().filter_map(|(_, failure)| match failure {
        Failure::Status { status: StatusCode::TOO_MANY_REQUESTS, retry_after } => Some(retry_after.clone()),
        _ => None,
    });
    if let Some(first) = limited.next() {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
        let seconds = |value: &HeaderValue| value.to_str().ok().and_then(|text| text.parse::<f64>().ok());
        let asked = first.into_iter().chain(limited.flatten());
        let shortest = asked.min_by(|a, b| {
            // A date, which few send, comes after every number of seconds.
            seconds(a).unwrap_or(f64::MAX).total_cmp(&seconds(b).unwrap_or(f64::MAX))
        });
        return match shortest {
            Some(value) => refusal.retry_after(value),
            None => refusal,
        };
    }
    if failures.iter().all(|(_, failure)| !failure.was_asked()) {
        return Refusal::busy(&message);
    }
    if failures.iter().all(|(_, failure)| matches!(failure, Failure::TooLong)) {
        return Refusal::new(StatusCode::BAD_REQUEST, "context_length_exceeded", message);
    }
    let asked = failures.iter().rev().find(|(_, failure)| failure.was_asked());
    let status = match asked {
        Some((_, Failure::Timeout(_))) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    Refusal::new(status, "upstream_failed", message)
}
