//! `POST /v1/feedback`: how good the answer to a decision was. What is answered with 200 is committed.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::{Request, StatusCode};
use router_core::{Error, ErrorKind};
use serde_json::json;

use crate::account::Outcome;
use crate::admission::refuse;
use crate::clock::seconds;
use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::http::admit::admit;
use crate::records::{Fate, Feedback};

pub(super) async fn feed_back(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    let (mut account, body) = match admit(&gateway, "feedback", request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    match keep(&gateway, &body).await {
        Ok(response) => {
            account.finish(Outcome::Answered, StatusCode::OK, None);
            response
        }
        Err(refusal) => refuse(&mut account, refusal).into_response(),
    }
}

async fn keep(gateway: &Gateway, body: &[u8]) -> Result<Response, Refusal> {
    let Some(recorder) = &gateway.ledger.recorder else {
        let message = "nothing is recorded here: the configuration has no [records]";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "no_records", message));
    };
    let feedback = Feedback::read(body).map_err(|error| Refusal::of_request(&error))?;
    if feedback.comment.is_some() && !recorder.store_comments {
        let error = Error::new(ErrorKind::Data, "comments are not kept here").at_field("comment").help("leave it out");
        return Err(Refusal::of_request(&error));
    }
    let (id, quality) = (feedback.decision_id, feedback.quality);
    match recorder.feedback(feedback, seconds(recorder.feedback_seconds)).await {
        Fate::Kept => Ok(Json(json!({ "decision_id": id, "quality": quality })).into_response()),
        Fate::Unknown => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "decision_not_found", format!("there is no decision `{id}`")))
        }
        Fate::NotWritten => Err(Refusal::busy("the feedback could not be recorded in time")),
    }
}
