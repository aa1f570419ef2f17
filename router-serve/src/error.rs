//! What a client is told when there is no answer, in the form of OpenAI's interface.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use router_core::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::config::Api;

/// What a client is told when there is no answer.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    message: String,
    parameter: Option<String>,
    code: Cow<'static, str>,
    retry_after: Option<HeaderValue>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), parameter: None, code: code.into(), retry_after: None }
    }

    /// The client's own mistake, of which `error` names the field.
    pub(crate) fn of_request(error: &Error) -> Self {
        let code = if error.kind() == ErrorKind::UnknownModel { "model_not_found" } else { "invalid_request" };
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, code, error.to_string());
        refusal.parameter = error.field().map(str::to_owned);
        refusal
    }

    /// More than can be taken on now.
    pub(crate) fn busy(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).retry_after(HeaderValue::from_static("1"))
    }

    /// A failure of the gateway itself; what it was stays in the log.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed; its log says more")
    }

    /// The same, and when to try again.
    pub(crate) fn retry_after(mut self, value: HeaderValue) -> Self {
        self.retry_after = Some(value);
        self
    }

    /// The headers that go with the document.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let is_nobodys = self.status == StatusCode::UNAUTHORIZED;
        [
            Some((CONTENT_TYPE, HeaderValue::from_static("application/json"))),
            self.retry_after.clone().map(|value| (RETRY_AFTER, value)),
            is_nobodys.then(|| (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        ]
        .into_iter()
        .flatten()
    }

    /// The document that says it.
    pub(crate) fn document(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 | 403 => "authentication_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        // Anthropic's clients look for the type beside the error, OpenAI's within it.
        json!({ "type": "error", "error": { "message": self.message, "type": kind, "param": self.parameter, "code": self.code } })
    }
}

impl Refusal {
    /// The last event of a stream by `api` that breaks off.
    pub(crate) fn event(&self, api: Api) -> String {
        let document = self.document();
        match api {
            Api::Chat | Api::Embeddings => format!("data: {document}\n\n"),
            Api::Messages => format!("event: error\ndata: {document}\n\n"),
            Api::Responses => {
                let error =
                    json!({ "type": "error", "code": self.code, "message": self.message, "param": self.parameter });
                format!("event: error\ndata: {error}\n\n")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers());
        response
    }
}
