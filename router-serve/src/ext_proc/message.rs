//! Envoy's messages, read and made.

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as EnvoyHeader, HeaderValueOption};
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpHeaders, ImmediateResponse,
    ProcessingResponse, ProtocolConfiguration, TrailersResponse, body_mutation,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

use crate::error::Refusal;

/// The head of a request or an answer.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    /// Whether no body follows.
    pub(super) is_all: bool,
}

impl Head {
    /// Reads what Envoy tells of a head. What is no header by the rules of HTTP is left out.
    pub(super) fn read(message: HttpHeaders) -> Self {
        let mut head = Self { is_all: message.end_of_stream, ..Self::default() };
        for EnvoyHeader { key, value, raw_value } in message.headers.unwrap_or_default().headers {
            let value = if raw_value.is_empty() { value.into_bytes() } else { raw_value };
            match key.as_str() {
                ":method" => head.method = String::from_utf8_lossy(&value).into_owned(),
                ":path" => head.path = String::from_utf8_lossy(&value).into_owned(),
                ":status" => head.status = StatusCode::from_bytes(&value).ok(),
                _ => {
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
                        head.headers.append(name, value);
                    }
                }
            }
        }
        head
    }
}

/// How Envoy sends bodies; nothing where an older one does not say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Modes {
    request: Option<BodySendMode>,
    answer: Option<BodySendMode>,
}

impl Modes {
    pub(super) fn read(told: &ProtocolConfiguration) -> Self {
        Self {
            request: BodySendMode::try_from(told.request_body_mode).ok(),
            answer: BodySendMode::try_from(told.response_body_mode).ok(),
        }
    }

    /// # Errors
    /// `FAILED_PRECONDITION` for modes by which a request cannot be decided or an answer not passed on.
    pub(super) fn check(self) -> Result<(), Status> {
        use BodySendMode::{Buffered, BufferedPartial, None as Nothing, Streamed};
        if !matches!(self.request, None | Some(Buffered | BufferedPartial)) {
            return Err(Status::failed_precondition("request_body_mode has to be BUFFERED"));
        }
        if !matches!(self.answer, None | Some(Nothing | Streamed | Buffered | BufferedPartial)) {
            return Err(Status::failed_precondition("response_body_mode has to be STREAMED, BUFFERED or NONE"));
        }
        Ok(())
    }

    /// Whether one message holds the whole body of a request, whatever may follow it.
    pub(super) fn is_whole(self) -> bool {
        self.request == Some(BodySendMode::Buffered)
    }

    /// Whether nothing of an answer's body will come.
    pub(super) fn hides_answers(self) -> bool {
        self.answer == Some(BodySendMode::None)
    }
}

/// Headers to set, in place of those of the same name, and names to take away.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) set: Vec<(String, HeaderValue)>,
    pub(super) removed: Vec<HeaderName>,
}

impl Headers {
    fn message(self) -> HeaderMutation {
        let set = |(key, value): (String, HeaderValue)| HeaderValueOption {
            header: Some(EnvoyHeader { key, value: String::new(), raw_value: value.as_bytes().to_vec() }),
            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
            ..HeaderValueOption::default()
        };
        HeaderMutation {
            set_headers: self.set.into_iter().map(set).collect(),
            remove_headers: self.removed.into_iter().map(|name| name.to_string()).collect(),
        }
    }
}

fn response(response: Response) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), ..ProcessingResponse::default() }
}

/// The head of a request goes on, without the headers `removed`.
pub(super) fn request_head(removed: Vec<HeaderName>) -> ProcessingResponse {
    // Routes may have been chosen by what is taken away.
    let clear_route_cache = !removed.is_empty();
    let header_mutation = Some(Headers { set: Vec::new(), removed }.message());
    let common = CommonResponse { header_mutation, clear_route_cache, ..CommonResponse::default() };
    response(Response::RequestHeaders(HeadersResponse { response: Some(common) }))
}

/// The request goes on with another body and other headers, by which its route is chosen anew.
pub(super) fn request(body: Vec<u8>, headers: Headers) -> ProcessingResponse {
    let common = CommonResponse {
        header_mutation: Some(headers.message()),
        body_mutation: Some(BodyMutation { mutation: Some(body_mutation::Mutation::Body(body)) }),
        clear_route_cache: true,
        ..CommonResponse::default()
    };
    response(Response::RequestBody(BodyResponse { response: Some(common) }))
}

/// The head of an answer goes on, with further headers.
pub(super) fn answer_head(headers: Headers) -> ProcessingResponse {
    let common = CommonResponse { header_mutation: Some(headers.message()), ..CommonResponse::default() };
    response(Response::ResponseHeaders(HeadersResponse { response: Some(common) }))
}

/// A part of an answer goes on as it is.
pub(super) fn answer_body() -> ProcessingResponse {
    response(Response::ResponseBody(BodyResponse::default()))
}

/// The trailers of a request go on as they are.
pub(super) fn request_trailers() -> ProcessingResponse {
    response(Response::RequestTrailers(TrailersResponse::default()))
}

/// The trailers of an answer go on as they are.
pub(super) fn answer_trailers() -> ProcessingResponse {
    response(Response::ResponseTrailers(TrailersResponse::default()))
}

/// The client is told why there is no answer, and nothing is sent to a model.
pub(super) fn refusal(refusal: &Refusal) -> ProcessingResponse {
    let set = refusal.headers().map(|(name, value)| (name.to_string(), value)).collect();
    response(Response::ImmediateResponse(ImmediateResponse {
        status: Some(HttpStatus { code: i32::from(refusal.status.as_u16()) }),
        headers: Some(Headers { set, removed: Vec::new() }.message()),
        body: refusal.document().to_string().into_bytes(),
        details: "router_refused".to_owned(),
        ..ImmediateResponse::default()
    }))
}
