//! `GET /dashboard`: one page, and the numbers that it shows.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::clock;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::records::now_milliseconds;

const PAGE: &str = include_str!("dashboard.html");

/// Nothing comes from anywhere else, and nothing goes there.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tasks that are told.
const TASKS: usize = 20;

/// `GET /` and `GET /dashboard`: the page. It holds no number; those are behind the clients' keys, where there are any.
pub(super) async fn page() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")];
    (headers, PAGE).into_response()
}

/// `GET /dashboard/data`
pub(super) async fn numbers(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let live = gateway.live();
    live.clients.of(&headers)?;
    let (models, tasks, minutes) = gateway.ledger.overview.tell();
    let upstreams: Vec<Value> = live
        .upstreams()
        .map(|upstream| {
            json!({
                "upstream": upstream.config.name,
                "circuit": upstream.breaker.state(clock::now()).label(),
                "under_way": upstream.gate.inside(),
                "waiting": upstream.gate.waiting(),
                "concurrency": upstream.config.concurrency,
                "attempts": gateway.ledger.overview.attempts_of(&upstream.config.name),
            })
        })
        .collect();
    let cards = live.router().tasks();
    let tasks: Vec<Value> = tasks
        .into_iter()
        .take(TASKS)
        .map(|task| {
            let card = task.task.and_then(|id| cards.get(router_core::TaskId(id)).ok());
            let keywords = card.map(|card| card.keywords.clone());
            json!({ "task": task.task, "keywords": keywords, "decisions": task.decisions, "models": task.models })
        })
        .collect();
    Ok(Json(json!({
        "router": live.fingerprint(),
        "now_minute": now_milliseconds() / 60_000,
        "under_way": gateway.gate.inside(),
        "waiting": gateway.gate.waiting(),
        "draining": gateway.is_draining(),
        "records_waiting": gateway.ledger.recorder.as_ref().map(crate::records::Recorder::waiting),
        "models": models,
        "tasks": tasks,
        "minutes": minutes,
        "upstreams": upstreams,
    })))
}
