//! Taking a request on that came by HTTP: its body within its limits.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{Request, StatusCode};

use crate::account::Account;
use crate::admission::{enter, identify, refuse, too_large};
use crate::clock::seconds;
use crate::error::Refusal;
use crate::gateway::Gateway;

/// Opens the account of a request on `surface`, and reads its body.
///
/// # Errors
/// 401 for nobody's key, 503 if too many are under way and waiting, 413 for a body that is too long, 408 for one that takes too long, 400 for one that breaks
/// off.
pub(super) async fn admit(
    gateway: &Gateway,
    surface: &'static str,
    request: Request<Body>,
) -> Result<(Account, Bytes), Refusal> {
    let client = identify(gateway, &gateway.live(), surface, request.headers())?;
    let mut account = enter(gateway, surface, request.headers(), client).await?;
    match body(gateway, request).await {
        Ok(body) => Ok((account, body)),
        Err(refusal) => Err(refuse(&mut account, refusal)),
    }
}

async fn body(gateway: &Gateway, request: Request<Body>) -> Result<Bytes, Refusal> {
    let limits = &gateway.server;
    let body = Limited::new(request.into_body(), limits.request_bytes);
    match tokio::time::timeout(seconds(limits.request_seconds), body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large(gateway)),
        Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", "the body broke off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body took too long")),
    }
}
