//! What plays Envoy: the messages of its external processing, one request at a time.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::{HeaderMap as EnvoyHeaders, HeaderValue as EnvoyHeader};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_client::ExternalProcessorClient;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    CommonResponse, HttpBody, HttpHeaders, ImmediateResponse, ProcessingRequest, ProcessingResponse, body_mutation,
};
use futures_util::stream::unfold;
use router_serve::{Gateway, ServeConfig, Server};
use serde_json::Value;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::clients::KEY;
use crate::world::{Running, router, start};

/// A gateway of `config` that serves external processing too, and where.
pub(crate) async fn run(config: &str) -> (Running, SocketAddr) {
    let config = ServeConfig::from_toml(config, "serve.toml").unwrap();
    let gateway = Gateway::new(router(), config).await.unwrap();
    let server = Server::bind(gateway, "127.0.0.1:0").await.unwrap().with_ext_proc("127.0.0.1:0").await.unwrap();
    let address = server.ext_proc_address().unwrap();
    (start(server), address)
}

/// One request on its way through Envoy.
pub(crate) struct Talk {
    said: mpsc::Sender<ProcessingRequest>,
    answers: Streaming<ProcessingResponse>,
}

impl Talk {
    pub(crate) async fn begin(address: SocketAddr) -> Self {
        let mut client = ExternalProcessorClient::connect(format!("http://{address}")).await.unwrap();
        let (said, hears) = mpsc::channel(1);
        let said_so_far = unfold(hears, async |mut hears: mpsc::Receiver<ProcessingRequest>| {
            hears.recv().await.map(|message| (message, hears))
        });
        let answers = client.process(said_so_far).await.unwrap().into_inner();
        Self { said, answers }
    }

    /// Says `message`, and hears the answer; `None` if the stream ends.
    pub(crate) async fn say(&mut self, message: Request) -> Result<Option<Response>, Status> {
        self.say_all(ProcessingRequest { request: Some(message), ..ProcessingRequest::default() }).await
    }

    pub(crate) async fn say_all(&mut self, message: ProcessingRequest) -> Result<Option<Response>, Status> {
        let _ = self.said.send(message).await;
        Ok(self.answers.message().await?.map(|answer| answer.response.unwrap()))
    }

    /// Says nothing more, and waits until the other side does not either.
    pub(crate) async fn end(self) {
        let Self { said, mut answers } = self;
        drop(said);
        assert!(answers.message().await.unwrap().is_none());
    }

    /// Whether the other side has ended the stream.
    pub(crate) async fn is_over(&mut self) -> bool {
        matches!(self.answers.message().await, Ok(None))
    }

    /// The head and the body of a request to `path`; what becomes of it.
    pub(crate) async fn ask(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Decided {
        let bearer = format!("Bearer {KEY}");
        let mut all = vec![(":method", "POST"), (":path", path), ("authorization", &bearer)];
        all.extend_from_slice(headers);
        match self.say(Request::RequestHeaders(head(&all, false))).await.unwrap().unwrap() {
            Response::RequestHeaders(answer) => {
                let common = answer.response.unwrap_or_default();
                assert!(!common.clear_route_cache, "nothing is decided yet");
                let mutation = common.header_mutation.unwrap_or_default();
                assert!(mutation.set_headers.is_empty() && mutation.remove_headers.is_empty());
            }
            Response::ImmediateResponse(refusal) => return Decided::Refused(Refused::read(refusal)),
            other => panic!("{other:?}"),
        }
        match self.say(Request::RequestBody(part(body, true))).await.unwrap().unwrap() {
            Response::RequestBody(answer) => Decided::Sent(Changed::read(answer.response.unwrap())),
            Response::ImmediateResponse(refusal) => Decided::Refused(Refused::read(refusal)),
            other => panic!("{other:?}"),
        }
    }

    /// The head of an answer. What the client is told beside it.
    pub(crate) async fn answer(&mut self, headers: &[(&str, &str)], is_all: bool) -> Changed {
        match self.say(Request::ResponseHeaders(head(headers, is_all))).await.unwrap().unwrap() {
            Response::ResponseHeaders(answer) => Changed::read(answer.response.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// A part of an answer, which passes as it is.
    pub(crate) async fn part(&mut self, text: &str, is_last: bool) {
        match self.say(Request::ResponseBody(part(text, is_last))).await.unwrap().unwrap() {
            Response::ResponseBody(answer) => {
                let common = answer.response.unwrap_or_default();
                assert!(common.body_mutation.is_none() && common.header_mutation.is_none());
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn head(headers: &[(&str, &str)], is_all: bool) -> HttpHeaders {
    let header = |(key, value): &(&str, &str)| EnvoyHeader {
        key: (*key).to_owned(),
        value: String::new(),
        raw_value: value.as_bytes().to_vec(),
    };
    let headers = Some(EnvoyHeaders { headers: headers.iter().map(header).collect() });
    HttpHeaders { headers, end_of_stream: is_all, ..HttpHeaders::default() }
}

pub(crate) fn part(text: &str, is_last: bool) -> HttpBody {
    HttpBody { body: text.as_bytes().to_vec(), end_of_stream: is_last, ..HttpBody::default() }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Decided {
    Sent(Changed),
    Refused(Refused),
}

impl Decided {
    pub(crate) fn sent(self) -> Changed {
        match self {
            Self::Sent(changed) => changed,
            Self::Refused(refused) => panic!("{refused:?}"),
        }
    }

    pub(crate) fn refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Sent(changed) => panic!("{changed:?}"),
        }
    }
}

/// What Envoy is to change.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) set: Vec<(String, String)>,
    pub(crate) removed: Vec<String>,
    pub(crate) body: Value,
    pub(crate) clears_route: bool,
}

impl Changed {
    fn read(common: CommonResponse) -> Self {
        let headers = common.header_mutation.unwrap_or_default();
        let set = headers.set_headers.into_iter().map(|option| {
            let header = option.header.unwrap();
            assert_eq!(option.append_action, 2, "what is there already is replaced");
            (header.key, String::from_utf8(header.raw_value).unwrap())
        });
        let body = match common.body_mutation.and_then(|body| body.mutation) {
            Some(body_mutation::Mutation::Body(body)) => serde_json::from_slice(&body).unwrap(),
            None => Value::Null,
            other => panic!("{other:?}"),
        };
        Self { set: set.collect(), removed: headers.remove_headers, body, clears_route: common.clear_route_cache }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.set.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn removes(&self, name: &str) -> bool {
        self.removed.iter().any(|removed| removed == name)
    }
}

/// What the client is told in place of an answer.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Refused {
    fn read(refusal: ImmediateResponse) -> Self {
        let set = refusal.headers.unwrap().set_headers.into_iter().map(|option| option.header.unwrap());
        Self {
            status: refusal.status.unwrap().code as u16,
            headers: set.map(|header| (header.key, String::from_utf8(header.raw_value).unwrap())).collect(),
            body: serde_json::from_slice(&refusal.body).unwrap(),
        }
    }
}
