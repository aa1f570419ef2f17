//! `POST /v1/chat/completions`: a decision, and the answer of the model that it names.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use router_core::types::constraints::ExpectedCall;
use router_core::{Constraints, ModelPool, TaskId};

use crate::account::{Account, Outcome};
use crate::decide::{ChatRequest, Decided};
use crate::dispatch::{Answer, Call, Dispatched, dispatch};
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::http::admit::{admit, refuse};
use crate::live::{Chooser, Live, Served};
use crate::stream::Relay;

const MODEL: HeaderName = HeaderName::from_static("x-router-model");
const TASK: HeaderName = HeaderName::from_static("x-router-task");
const DECISION: HeaderName = HeaderName::from_static("x-router-decision");
const UPSTREAM: HeaderName = HeaderName::from_static("x-router-upstream");
const FAILED: HeaderName = HeaderName::from_static("x-router-failed-attempts");

pub(super) async fn complete(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    let (mut account, body) = match admit(&gateway, "chat", request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let live = gateway.live();
    match answer(&gateway, &live, &mut account, &body).await {
        Ok(found) => respond(found, account),
        Err(refusal) => refuse(&mut account, refusal).into_response(),
    }
}

/// An answer that was found.
struct Found {
    dispatched: Dispatched,
    task: Option<TaskId>,
    wants_usage: bool,
}

async fn answer(gateway: &Gateway, live: &Live, account: &mut Account, body: &[u8]) -> Result<Found, Refusal> {
    let chat = ChatRequest::read(body).map_err(|error| Refusal::of_request(&error))?;
    let ChatRequest { body, model, request, is_streamed, wants_usage } = chat;
    let chooser = live.chooser(&model, request).map_err(|error| Refusal::of_request(&error))?;
    let (models, task) = match chooser {
        Chooser::Client(served, request) => {
            fits(&served, &request.constraints, request.prompt.approximate_tokens())?;
            (vec![served], None)
        }
        Chooser::Router(request) => {
            let mut decided = gateway.decide(live, vec![request.clone()], false).await?;
            let decided = decided.pop().ok_or_else(Refusal::internal)?;
            let models = order(live, &decided);
            let Some(first) = models.first() else {
                return Err(nowhere(gateway, live, request).await);
            };
            account.decided(&decided, &first.model.name);
            (models, decided.task)
        }
    };
    let mut call = Call { path: "chat/completions", body, is_streamed };
    let dispatched = dispatch(&mut call, &models, &gateway.metrics, account).await?;
    Ok(Found { dispatched, task, wants_usage })
}

/// The models to ask, in order: those of the plan, then its fallback. Of a plan that asks several, the first is asked; the others come
/// next if it fails.
fn order(live: &Live, decided: &Decided) -> Vec<Arc<Served>> {
    let planned = decided.decision.plan.models();
    planned
        .into_iter()
        .chain(decided.decision.fallback.iter().copied())
        .filter_map(|model| live.get(live.router().models().name(model)).cloned())
        .collect()
}

/// # Errors
/// 400 if a model that the router does not know cannot take the request.
fn fits(served: &Served, constraints: &Constraints, prompt_tokens: u32) -> Result<(), Refusal> {
    let constraints = Constraints {
        allowed_models: None,
        unavailable_models: Vec::new(),
        minimum_quality: None,
        ..constraints.clone()
    };
    let pool = ModelPool::new(vec![served.model.clone()]).map_err(|_| Refusal::internal())?;
    let tokens = f64::from(constraints.prompt_tokens.unwrap_or(prompt_tokens));
    let output = f64::from(constraints.maximum_output_tokens.unwrap_or(0));
    let cost_usd = served.model.price(tokens, output).map(|cost| cost as f32);
    match constraints.ineligible(&pool, 0, ExpectedCall { prompt_tokens, cost_usd, quality: 1.0 }) {
        None => Ok(()),
        Some(why) => Err(not_eligible(&[(served.model.name.clone(), why)])),
    }
}

/// What a client is told whose request no model may take: why each may not.
async fn nowhere(gateway: &Gateway, live: &Live, request: router_core::Request) -> Refusal {
    let explained = match gateway.decide(live, vec![request], true).await {
        Ok(mut decided) => decided.pop().and_then(|decided| decided.explanation),
        Err(refusal) => return refusal,
    };
    let models = explained.map(|explanation| explanation.models).unwrap_or_default();
    let why: Vec<_> = models.into_iter().filter_map(|model| Some((model.model, model.ineligible?))).collect();
    not_eligible(&why)
}

fn not_eligible(why: &[(String, router_core::Ineligible)]) -> Refusal {
    use router_core::Ineligible;
    let told: Vec<String> = why
        .iter()
        .map(|(model, why)| {
            let why = match why {
                Ineligible::NotAllowed => "is not allowed",
                Ineligible::Unavailable => "is not available",
                Ineligible::MissingTag => "lacks a required tag",
                Ineligible::ContextWindow => "has too small a context window",
                Ineligible::Cost => "is expected to cost too much",
                Ineligible::Quality => "is expected to answer worse than asked for",
            };
            format!("`{model}` {why}")
        })
        .collect();
    let is_too_long = why.iter().any(|(_, why)| *why == Ineligible::ContextWindow)
        && why.iter().all(|(_, why)| {
            matches!(why, Ineligible::ContextWindow | Ineligible::NotAllowed | Ineligible::Unavailable)
        });
    let code = if is_too_long { "context_length_exceeded" } else { "no_eligible_model" };
    Refusal::new(StatusCode::BAD_REQUEST, code, format!("no model may take this request: {}", told.join("; ")))
}

fn respond(found: Found, mut account: Account) -> Response {
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
            let relay = Relay::new(*stream, wants_usage, account);
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
    let mut tell = |name: HeaderName, value: &str| {
        // Names of models and upstreams were checked to fit a header.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    tell(MODEL, &served.model.name);
    tell(UPSTREAM, &upstream.config.name);
    tell(DECISION, &decision.to_string());
    tell(TASK, &task.map_or_else(|| "none".to_owned(), |task| task.to_string()));
    tell(FAILED, &failed.to_string());
    response
}
