//! The gateway's surface, a file each.

mod admin;
mod admit;
mod ask;
mod dashboard;
mod feedback;
mod health;
mod models;
mod openapi;
mod route;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use hyper::StatusCode;

use crate::error::Refusal;
use crate::gateway::Gateway;

/// An address that is answered at, and what its document says of it.
struct Endpoint {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    /// The schema of a request's body.
    body: Option<&'static str>,
    /// The media type of an answer, and its schema where it is JSON.
    answer: (&'static str, Option<&'static str>),
    /// Whether a client's key is asked for, where there are clients.
    needs_key: bool,
    handler: MethodRouter<Arc<Gateway>>,
}

const JSON: &str = "application/json";

/// All addresses. Routes and document are made of this one list.
fn endpoints() -> Vec<Endpoint> {
    let asks = |path, summary, body, handler| Endpoint {
        path,
        method: "post",
        summary,
        body: Some(body),
        answer: (JSON, Some("Answer")),
        needs_key: true,
        handler,
    };
    let tells = |path, summary, schema, needs_key, handler| Endpoint {
        path,
        method: "get",
        summary,
        body: None,
        answer: (JSON, schema),
        needs_key,
        handler,
    };
    let plain = |path, summary, media_type, handler| Endpoint {
        answer: (media_type, None),
        ..tells(path, summary, None, false, handler)
    };
    let administers = |path, summary, handler| Endpoint {
        path,
        method: "post",
        summary,
        body: None,
        answer: (JSON, Some("Reloaded")),
        needs_key: true,
        handler,
    };
    vec![
        asks(
            "/v1/chat/completions",
            "Decides, asks, and passes the answer on (OpenAI)",
            "ChatRequest",
            post(ask::chat),
        ),
        asks("/v1/responses", "The same by OpenAI's responses", "ResponsesRequest", post(ask::responses)),
        asks("/v1/messages", "The same by Anthropic's messages", "MessagesRequest", post(ask::messages)),
        asks("/v1/embeddings", "Passed on to the model that is named", "EmbeddingsRequest", post(ask::embeddings)),
        Endpoint {
            answer: (JSON, Some("Decision")),
            ..asks("/v1/route", "Decides, and tells all that is behind it", "RouteRequest", post(route::route))
        },
        Endpoint {
            answer: (JSON, Some("Feedback")),
            ..asks("/v1/feedback", "Keeps how good an answer was", "Feedback", post(feedback::feed_back))
        },
        tells("/v1/models", "What a request may give as its model", Some("Models"), true, get(models::list)),
        administers("/admin/reload", "Loads router and configuration anew", post(admin::reload)),
        administers("/admin/rollback", "Takes the last reload back", post(admin::roll_back)),
        plain("/healthz", "The process lives", "text/plain", get(health::is_alive)),
        tells(
            "/readyz",
            "Requests are taken on and an upstream can be asked",
            Some("Readiness"),
            false,
            get(health::is_ready),
        ),
        plain("/metrics", "Numbers for Prometheus", "application/openmetrics-text", get(health::metrics)),
        plain("/", "The dashboard", "text/html", get(dashboard::page)),
        plain("/dashboard", "The dashboard: one page", "text/html", get(dashboard::page)),
        tells("/dashboard/data", "The numbers that it shows", None, true, get(dashboard::numbers)),
        tells("/openapi.json", "This document", None, false, get(openapi::document)),
    ]
}

/// The routes.
pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    endpoints()
        .into_iter()
        .fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.handler))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address takes another method")
        })
        .with_state(gateway)
}
