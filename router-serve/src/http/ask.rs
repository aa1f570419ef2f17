//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`, `/v1/embeddings`: a decision, and the answer of the model that it names, passed
//! on as it comes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use router_core::types::constraints::ExpectedCall;
use router_core::{Constraints, Error, ErrorKind, ModelPool, TaskId};
use tracing::Instrument as _;

use crate::account::{Account, Outcome};
use crate::config::Api;
use crate::conversations::Conversation;
use crate::decide::{Asked, Decided, ModelRequest, draw};
use crate::dispatch::{Answer, Call, Dispatched, dispatch};
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::http::admit::{admit, refuse};
use crate::live::{Chooser, Live, Served, Which};
use crate::routed::Routed;
use crate::stream::Relay;
use crate::trace;

const MODEL: HeaderName = HeaderName::from_static("x-router-model");
const TASK: HeaderName = HeaderName::from_static("x-router-task");
const DECISION: HeaderName = HeaderName::from_static("x-router-decision");
const UPSTREAM: HeaderName = HeaderName::from_static("x-router-upstream");
/// Of Anthropic's interface.
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const FAILED: HeaderName = HeaderName::from_static("x-router-failed-attempts");

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
    account.check_budget()?;
    let of_request = |error| Refusal::of_request(&error);
    let read = ModelRequest::read(api, body).map_err(of_request)?;
    let ModelRequest { body, model, request, conversation, is_streamed, wants_usage, goes_on_with } = read;
    if api == Api::Embeddings || goes_on_with.is_some() {
        named_alone(live, &model, goes_on_with).map_err(of_request)?;
    }
    let conversation = Conversation::of(account.client(), conversation.as_deref(), headers).map_err(of_request)?;
    let chooser = live.chooser(&model, api, request).map_err(of_request)?;
    let (models, task) = match chooser {
        Chooser::Client(served, request) => {
            fits(&served, &request.constraints, request.prompt.approximate_tokens())?;
            account.named(&served, gateway.ledger.prompt(&request.prompt));
            (vec![served], None)
        }
        Chooser::Router(request) => {
            // A conversation keeps to one router.
            let drawn = match &conversation {
                Some(conversation) => draw("candidate", conversation.bytes()),
                None => draw("candidate", account.id().as_bytes()),
            };
            let (which, beside) = live.deciding(drawn);
            let routed = live.routed(which);
            let previous = conversation
                .and_then(|conversation| gateway.conversations.model(conversation))
                .and_then(|model| routed.router().models().index_of(&model).ok());
            let known =
                router_core::Request { constraints: routed.known(request.constraints.clone()), ..request.clone() };
            // In the middle of a conversation another model would throw its prompt cache away.
            let exploration = previous.is_none().then(|| live.config.exploration.exploration());
            let asked = vec![Asked { request: known, previous, exploration }];
            let mut decided = gateway.decide(routed, asked, false).instrument(trace::decision(account.span())).await?;
            let decided = decided.pop().ok_or_else(Refusal::internal)?;
            let models = order(live, routed, &decided);
            if models.is_empty() {
                return Err(nowhere(gateway, live, request).await);
            }
            account.decided(live, which, &decided, &model, gateway.ledger.prompt(&request.prompt));
            if let Some(beside) = beside {
                gateway.shadow(live, beside, request, decided.id);
            }
            (models, decided.task)
        }
    };
    let mut call = Call { api, headers: passed_on(api, headers), body, is_streamed };
    let dispatched = dispatch(&mut call, &models, account).await?;
    if let Some(conversation) = conversation
        && dispatched.answer.is_success()
    {
        gateway.conversations.answered(conversation, &dispatched.served.model.name);
    }
    Ok(Found { dispatched, task, wants_usage })
}

/// # Errors
/// [`ErrorKind::Data`] unless the request names a model: what it asks for is no other model's to answer.
fn named_alone(live: &Live, model: &str, goes_on_with: Option<&str>) -> router_core::Result<()> {
    if live.get(model).is_some() {
        return Ok(());
    }
    let error = match goes_on_with {
        Some(field) => {
            Error::new(ErrorKind::Data, format!("`{field}` goes on with what one service keeps")).at_field(field)
        }
        None => Error::new(ErrorKind::Data, "embeddings of two models are not comparable: nothing is routed")
            .at_field("model"),
    };
    Err(error.help("name a model"))
}

/// The headers of a client that belong to the interface, and not to the connection or the client.
fn passed_on(api: Api, headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    if api == Api::Messages {
        passed.insert(VERSION, HeaderValue::from_static("2023-06-01"));
        for name in [VERSION, BETA] {
            if let Some(value) = headers.get(&name) {
                passed.insert(name, value.clone());
            }
        }
    }
    passed
}

/// The models to ask, in order: those of the plan, then its fallback. Of a plan that asks several, the first is asked; the others come
/// next if it fails.
fn order(live: &Live, routed: &Routed, decided: &Decided) -> Vec<Arc<Served>> {
    let order = decided.decision.order().into_iter();
    order.filter_map(|model| live.get(routed.router().models().name(model)).cloned()).collect()
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
    let explained = match gateway.decide(live.routed(Which::Primary), vec![request.into()], true).await {
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
