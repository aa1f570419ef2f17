//! Whether the gateway lives, whether it can answer, and its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use crate::clock;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::metrics::MEDIA_TYPE;
use crate::upstream::CircuitState;

/// `GET /healthz`: the process answers.
pub(super) async fn is_alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 while requests are taken on and an upstream can be asked, otherwise 503.
pub(super) async fn is_ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let live = gateway.live();
    let circuits: Vec<_> =
        live.upstreams().map(|upstream| (&upstream.config.name, upstream.breaker.state(clock::now()))).collect();
    let is_draining = gateway.is_draining();
    let is_ready = !is_draining && circuits.iter().any(|(_, state)| *state != CircuitState::Open);
    let upstreams: serde_json::Map<_, _> =
        circuits.into_iter().map(|(name, state)| (name.clone(), state.label().into())).collect();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": is_ready, "draining": is_draining, "upstreams": upstreams }))).into_response()
}

/// `GET /metrics`: numbers for Prometheus.
pub(super) async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.ledger.metrics.text(&gateway.gate, &gateway.live(), gateway.ledger.recorder.as_ref()) {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "no metrics");
            Refusal::internal().into_response()
        }
    }
}
