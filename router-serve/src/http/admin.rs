//! `POST /admin/...`: router and configuration loaded anew, or taken back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hyper::{HeaderMap, StatusCode};
use router_core::{Error, ErrorKind};

use crate::error::Refusal;
use crate::gateway::{Gateway, Reloaded};

/// `POST /admin/reload`
pub(super) async fn reload(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Result<Json<Reloaded>, Refusal> {
    check(&gateway, &headers)?;
    gateway.reload().await.map(Json).map_err(|error| match error.kind() {
        ErrorKind::Unsupported => conflict(&error),
        _ => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "not_reloaded", error.to_string()),
    })
}

/// `POST /admin/rollback`
pub(super) async fn roll_back(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Json<Reloaded>, Refusal> {
    check(&gateway, &headers)?;
    gateway.roll_back().await.map(Json).map_err(|error| conflict(&error))
}

/// # Errors
/// 401 without a client's key, 403 with that of one who does not administer the gateway.
fn check(gateway: &Gateway, headers: &HeaderMap) -> Result<(), Refusal> {
    match gateway.live().clients.of(headers)? {
        Some(client) if client.is_admin => Ok(()),
        _ => {
            let message = "only the key of a client with `admin = true` opens this";
            Err(Refusal::new(StatusCode::FORBIDDEN, "not_an_admin", message))
        }
    }
}

fn conflict(error: &Error) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "cannot_reload", error.to_string())
}
