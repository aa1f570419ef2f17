//! Taking a request on: whose it is, and a place among those under way.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::account::{Account, Outcome};
use crate::clients::Client;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::live::Live;

/// Whose request on `surface` it is.
///
/// # Errors
/// 401 for nobody's key.
pub(crate) fn identify(
    gateway: &Gateway,
    live: &Live,
    surface: &'static str,
    headers: &HeaderMap,
) -> Result<Option<Arc<Client>>, Refusal> {
    live.clients.of(headers).inspect_err(|_| gateway.ledger.metrics.turned_away(surface, 401))
}

/// Opens the account of a request on `surface` with `headers`, which has a place from then on.
///
/// # Errors
/// 503 if too many are under way and waiting.
pub(crate) async fn enter(
    gateway: &Gateway,
    surface: &'static str,
    headers: &HeaderMap,
    client: Option<Arc<Client>>,
) -> Result<Account, Refusal> {
    let Some(place) = gateway.gate.enter().await else {
        gateway.ledger.metrics.turned_away(surface, 503);
        return Err(Refusal::busy("too many requests are under way"));
    };
    Ok(Account::open(&gateway.ledger, surface, headers, client, place))
}

/// Closes `account` with `refusal`.
pub(crate) fn refuse(account: &mut Account, refusal: Refusal) -> Refusal {
    account.finish(Outcome::Refused, refusal.status, None);
    refusal
}

/// What is said of a body that is longer than it may be.
pub(crate) fn too_large(gateway: &Gateway) -> Refusal {
    let most = gateway.server.request_bytes;
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", format!("the body is longer than {most} bytes"))
}
