//! `POST /v1/route`: the decision alone, and all that is behind it. Nothing is sent to a model.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::{Request, StatusCode};
use router_core::pipeline::Explanation;
use router_core::{Constraints, Error, ErrorKind, Request as Asked, Result, TaskCard};
use serde::Serialize;
use serde_json::Value;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::account::{Account, Outcome};
use crate::admission::refuse;
use crate::config::{AUTO, Api};
use crate::decide::Decided;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::http::admit::admit;
use crate::live::{Chooser, Live, Which};
use crate::trace;

/// Most prompts of one request.
const MOST: usize = 1024;

/// The answer: a decision, or one for each of a list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Document<'a> {
    One(Box<Told<'a>>),
    Many { decisions: Vec<Told<'a>> },
}

/// A decision, told.
#[derive(Debug, Serialize)]
struct Told<'a> {
    decision_id: Uuid,
    /// What is expected of the chosen model's call, in US dollars.
    expected_cost_usd: Option<f32>,
    /// Time from the question to the decision. Prompts of one request are decided together and share it.
    microseconds: u64,
    /// What was asked of the router: the request's own constraints and what the gateway added.
    constraints: &'a Constraints,
    /// The card of the prompt's task.
    task_card: Option<&'a TaskCard>,
    #[serde(flatten)]
    explanation: Explanation,
}

pub(super) async fn route(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    let (mut account, body) = match admit(&gateway, "route", request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let live = gateway.live();
    match answer(&gateway, &live, &account, &body).await {
        Ok(response) => {
            account.finish(Outcome::Answered, StatusCode::OK, None);
            response
        }
        Err(refusal) => refuse(&mut account, refusal).into_response(),
    }
}

/// A request is `{"prompt", "model"?, constraints...}`, or `{"requests": [...]}` of such.
async fn answer(
    gateway: &Gateway,
    live: &Live,
    account: &Account,
    body: &[u8],
) -> std::result::Result<Response, Refusal> {
    let refuse = |error: Error| Refusal::of_request(&error);
    let data = |what: &str| Error::new(ErrorKind::Data, what);
    let value: Value =
        serde_json::from_slice(body).map_err(|error| refuse(data(&format!("the body is not JSON: {error}"))))?;
    let (is_batch, requests) = match value {
        Value::Object(mut fields) => match fields.remove("requests") {
            None => (false, vec![Value::Object(fields)]),
            Some(Value::Array(requests)) if fields.is_empty() => (true, requests),
            Some(Value::Array(_)) => return Err(refuse(data("has fields beside it").at_field("requests"))),
            Some(_) => return Err(refuse(data("is not a list").at_field("requests"))),
        },
        _ => return Err(refuse(data("the body is not a JSON object").help("{\"prompt\": \"...\"}"))),
    };
    if requests.len() > MOST {
        return Err(refuse(data(&format!("holds more than {MOST} requests")).at_field("requests")));
    }
    let requests = requests
        .into_iter()
        .enumerate()
        .map(|(at, request)| {
            read(live, request, at).map_err(|error| {
                let field = error.field().unwrap_or_default().to_owned();
                if is_batch { error.at_field(format!("requests[{at}].{field}").trim_end_matches('.')) } else { error }
            })
        })
        .collect::<Result<Vec<(String, Asked)>>>()
        .map_err(refuse)?;
    let (names, requests): (Vec<String>, Vec<Asked>) = requests.into_iter().unzip();
    let asked = requests.iter().cloned().map(Into::into).collect();
    let deciding = gateway.decide(live.routed(Which::Primary), asked, true);
    let decided = deciding.instrument(trace::decision(account.span())).await?;
    for ((decided, request), name) in decided.iter().zip(&requests).zip(&names) {
        gateway.ledger.decided(live, decided, name, &request.prompt, account.client());
    }
    let mut told =
        decided.into_iter().zip(&requests).map(|(decided, request)| tell(live, decided, &request.constraints));
    // Serialized as it is, so that numbers read as the command line writes them.
    let document = if is_batch {
        Document::Many { decisions: told.collect::<std::result::Result<_, Refusal>>()? }
    } else {
        Document::One(Box::new(told.next().ok_or_else(Refusal::internal)??))
    };
    Ok(Json(document).into_response())
}

/// The `model` and the router's request of one element; `at` names a prompt without an id.
fn read(live: &Live, mut value: Value, at: usize) -> Result<(String, Asked)> {
    let model = match value.as_object_mut().and_then(|fields| fields.remove("model")) {
        None | Some(Value::Null) => AUTO.to_owned(),
        Some(Value::String(model)) => model,
        Some(_) => return Err(Error::new(ErrorKind::Data, "is not a string").at_field("model")),
    };
    let request = Asked::from_value(value, &(at + 1).to_string())?;
    match live.chooser(&model, Api::Chat, request)? {
        Chooser::Router(request) => Ok((model, request)),
        Chooser::Client(..) => {
            Err(Error::new(ErrorKind::Data, format!("`{model}` is not routed: there is nothing to decide"))
                .at_field("model"))
        }
    }
}

fn tell<'a>(live: &'a Live, decided: Decided, constraints: &'a Constraints) -> std::result::Result<Told<'a>, Refusal> {
    let explanation = decided.explanation.ok_or_else(Refusal::internal)?;
    Ok(Told {
        decision_id: decided.id,
        expected_cost_usd: decided.expected_cost_usd,
        microseconds: decided.time.as_micros() as u64,
        constraints,
        task_card: explanation.task.and_then(|task| live.router().tasks().get(task).ok()),
        explanation,
    })
}
