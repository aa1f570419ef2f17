//! The gateway's surface, a file each.

mod admit;
mod chat;
mod health;
mod models;
mod route;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use hyper::StatusCode;

use crate::error::Refusal;
use crate::gateway::Gateway;

/// The routes.
pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/models", get(models::list))
        .route("/v1/route", post(route::route))
        .route("/healthz", get(health::is_alive))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address takes another method")
        })
        .with_state(gateway)
}
