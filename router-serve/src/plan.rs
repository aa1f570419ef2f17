//! What is to be done with a request: which models are asked in which order, and what they are sent. Whoever sends it, the gateway itself or
//! a proxy in front of the models, goes by the same plan.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use router_core::types::constraints::ExpectedCall;
use router_core::{Constraints, Error, ErrorKind, ModelPool, TaskId};
use tracing::Instrument as _;

use crate::account::Account;
use crate::config::Api;
use crate::conversations::Conversation;
use crate::decide::{Asked, Decided, ModelRequest, draw};
use crate::dispatch::Call;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::live::{Chooser, Live, Served, Which};
use crate::routed::Routed;
use crate::trace;

/// Of Anthropic's interface.
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// What is to be done with a request.
pub(crate) struct Plan {
    /// The models to ask, in order: the chosen one, then the fallback.
    pub(crate) models: Vec<Arc<Served>>,
    /// The prompt's task.
    pub(crate) task: Option<TaskId>,
    /// What they are asked.
    pub(crate) call: Call,
    /// Whether the client wants to see what a stream was billed.
    pub(crate) wants_usage: bool,
    /// The conversation that it belongs to.
    pub(crate) conversation: Option<Conversation>,
}

/// Reads the request in `body`, decides, and notes the decision in `account`.
///
/// # Errors
/// 429 if the client's budget is spent; 400 for a request that is none, or that no model may take; 503 if too many wait for a decision.
pub(crate) async fn plan(
    gateway: &Gateway,
    live: &Arc<Live>,
    api: Api,
    account: &mut Account,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Plan, Refusal> {
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
            let known = router_core::Request {
                prompt: request.prompt.clone(),
                constraints: routed.known(request.constraints.clone()),
            };
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
    let call = Call { api, headers: passed_on(api, headers), body, is_streamed };
    Ok(Plan { models, task, call, wants_usage, conversation })
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
