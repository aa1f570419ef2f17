//! One call of one upstream.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::clock::{self, Instant, seconds};
use crate::dispatch::Call;
use crate::stream::{Chunk, ChunkKind, Events, Usage, read_whole};
use crate::trace;
use crate::upstream::{Failure, Upstream, is_of_client};

/// Bytes of a refusal's body that are read.
const REFUSAL_BYTES: usize = 256 << 10;

/// What an upstream answered.
pub(super) enum Asked {
    /// A whole document: an answer, or a refusal that the client has to see.
    Whole { status: StatusCode, media_type: Option<HeaderValue>, body: Bytes, usage: Option<Usage> },
    /// The beginning of a stream: its first event with data, and what follows.
    Stream { events: Events, first: Bytes, chunk: Chunk },
}

/// Calls `upstream` once, with `body`.
///
/// # Errors
/// A [`Failure`]: nothing that the client should see came back.
pub(super) async fn ask(call: &Call, body: Bytes, upstream: &Upstream) -> Result<Asked, Failure> {
    let config = &upstream.config;
    let start = clock::now();
    let (first_byte, deadline) = (start + seconds(config.first_byte_seconds), start + seconds(config.total_seconds));
    let first_byte = first_byte.min(deadline);
    let mut headers = call.headers.clone();
    if call.is_streamed {
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    }
    trace::pass_on(&mut headers);
    let response = tokio::time::timeout_at(first_byte, upstream.client.post(call.api.path(), body, &headers))
        .await
        .map_err(|_| Failure::Timeout("to begin its answer"))??;
    if !response.status().is_success() {
        return refused(response, upstream, deadline).await;
    }
    let media_type = response.headers().get(CONTENT_TYPE).cloned();
    if !call.is_streamed {
        let status = response.status();
        let body = read_whole(response.into_body(), config.answer_bytes, config, deadline).await?;
        let chunk = Chunk::of_json(&body)
            .ok_or_else(|| Failure::Malformed("an answer that is not a JSON object".to_owned()))?;
        if chunk.kind == ChunkKind::Error {
            return Err(Failure::Malformed("an error with a status of success".to_owned()));
        }
        return Ok(Asked::Whole { status, media_type, body, usage: chunk.usage });
    }
    let is_stream = media_type
        .as_ref()
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
    if !is_stream {
        return Err(Failure::Malformed("an answer that is no stream of events".to_owned()));
    }
    begin(Events::new(response.into_body(), config, deadline), first_byte).await
}

/// Waits for the first event with data, which is when an answer has begun.
async fn begin(mut events: Events, first_byte: Instant) -> Result<Asked, Failure> {
    loop {
        let event = match events.next(Some(first_byte)).await {
            Err(Failure::Timeout(_)) => return Err(Failure::Timeout("to begin its answer")),
            other => other?,
        };
        let Some(event) = event else { return Err(Failure::Cut("before its first event".to_owned())) };
        let chunk = Chunk::of_event(&event)?;
        if chunk.kind == ChunkKind::Error {
            return Err(Failure::Malformed("an error in place of an answer".to_owned()));
        }
        if chunk.kind == ChunkKind::Comment {
            // Comments keep a connection alive. They are not worth keeping.
            continue;
        }
        return Ok(Asked::Stream { events, first: event, chunk });
    }
}

/// A status other than 2xx.
async fn refused(response: Response<Incoming>, upstream: &Upstream, deadline: Instant) -> Result<Asked, Failure> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).cloned();
    if !is_of_client(status) {
        return Err(Failure::Status { status, retry_after });
    }
    let said = read_whole(response.into_body(), REFUSAL_BYTES, &upstream.config, deadline).await?;
    let said = upstream.client.hide_key(&String::from_utf8_lossy(&said));
    let document: Option<Value> = serde_json::from_str(&said).ok();
    let code = document.as_ref().and_then(|document| document.pointer("/error/code")).and_then(Value::as_str);
    let message = document.as_ref().and_then(|document| document.pointer("/error/message")).and_then(Value::as_str);
    // Anthropic's interface has no code for it.
    let is_too_long = message.is_some_and(|message| message.starts_with("prompt is too long"));
    if code == Some("context_length_exceeded") || is_too_long {
        return Err(Failure::TooLong);
    }
    let document = document.filter(|document| document.get("error").is_some()).unwrap_or_else(|| {
        json!({ "error": {
            "message": format!("the model's service answered {status}"),
            "type": "invalid_request_error", "param": null, "code": "upstream_refused",
        } })
    });
    let media_type = Some(HeaderValue::from_static("application/json"));
    Ok(Asked::Whole { status, media_type, body: document.to_string().into(), usage: None })
}
