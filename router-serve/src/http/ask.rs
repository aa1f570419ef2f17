//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`, `/v1/embeddings`: a decision, and the answer of the model that it names, passed
//! on as it comes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hyper::Request;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use router_core::TaskId;

use crate::account::{Account, Outcome};
use crate::admission::refuse;
use crate::config::Api;
use crate::dispatch::{Answer, Dispatched, dispatch};
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::headers as names;
use crate::http::admit::admit;
use crate::live::Live;
use crate::plan::{Plan, plan};
use crate::stream::Relay;

/// `POST /v1/chat/completions`
pub(super) async fn chat(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    ask(&gateway, Api::Chat, request).await
}

/// `POST /v1/responses`
pub(super) async fn responses(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    ask(&gateway, Api::Responses, request).await
}

/// `POST /v1/messages`
pub(super) async fn messages(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    ask(&gateway, Api::Messages, request).await
}

/// `POST /v1/embeddings`
pub(super) async fn embeddings(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    ask(&gateway, Api::Embeddings, request).await
}

async fn ask(gateway: &Gateway, api: Api, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    let (mut account, body) = match admit(gateway, api.label(), request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let live = gateway.live();
    match answer(gateway, &live, api, &mut account, &headers, &body).await {
        Ok(found) => respond(found, api, account),
        Err(refusal) => refuse(&mut account, refusal).into_response(),
    }
}

/// An answer that was found.
struct Found {
    dispatched: Dispatched,
    task: Option<TaskId>,
    wants_usage: bool,
}

async fn answer(
    gateway: &Gateway,
    live: &Arc<Live>,
    api: Api,
    account: &mut Account,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Found, Refusal> {
    let Plan { models, task, mut call, wants_usage, conversation } =
        plan(gateway, live, api, account, headers, body).await?;
    let dispatched = dispatch(&mut call, &models, account).await?;
    if let Some(conversation) = conversation
        && dispatched.answer.is_success()
    {
        gateway.conversations.answered(conversation, &dispatched.served.model.name);
    }
    Ok(Found { dispatched, task, wants_usage })
}

fn respond(found: Found, api: Api, mut account: Account) -> Response {
    let Found { dispatched: Dispatched { served, upstream, failed, answer }, task, wants_usage } = found;
    let decision = account.id();
    let mut response = match answer {
        Answer::Whole { status, media_type, body, usage } => {
            let outcome = if status.is_success() { Outcome::Answered } else { Outcome::Refused };
            account.finish(outcome, status, usage);
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, media_type.unwrap_or(json));
            response
        }
        Answer::Stream(stream) => {
            let relay = Relay::new(*stream, api, wants_usage, account);
            let parts = unfold(relay, async |mut relay| {
                let part = relay.next().await?;
                Some((Ok::<_, Infallible>(part), relay))
            });
            let mut response = Response::new(Body::from_stream(parts));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
    };
    let headers = response.headers_mut();
    headers.extend(names::of_decision(&served, &upstream, decision, task));
    headers.insert(names::FAILED, HeaderValue::from(failed));
    response
}
