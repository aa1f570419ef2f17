//! A client of the gateway.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Inner;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error's code.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// The answer of a model, whole or put together from a stream.
    pub(crate) fn content(&self) -> String {
        if self.header("content-type") != "text/event-stream" {
            return self.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        }
        let deltas = self.events();
        deltas.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
    }

    /// The data of the events of a stream but for the mark of its end. Every byte belongs to a whole event.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert!(self.text.is_empty() || self.text.ends_with("\n\n"), "half an event: {}", self.text);
        let data = self.text.split("\n\n").filter(|event| !event.is_empty());
        data.map(|event| event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event}")))
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}")))
            .collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.text.ends_with("data: [DONE]\n\n")
    }
}

/// A client of the gateway at a base address.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Inner<HttpConnector, Full<Bytes>>,
    base: String,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        Self { inner: Inner::builder(TokioExecutor::new()).build_http(), base, headers: HeaderMap::new() }
    }

    /// The same that sends a further header with every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The head of an answer; its body is still to come.
    pub(crate) async fn begin(&self, method: Method, path: &str, body: Bytes) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .header("authorization", "Bearer the-key-of-a-client")
            .body(Full::new(body))
            .unwrap();
        request.headers_mut().extend(self.headers.clone());
        self.inner.request(request).await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let (head, body) = self.begin(method, path, body.into()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// A chat completion with further fields.
    pub(crate) async fn chat(&self, model: &str, text: &str, fields: Value) -> Answer {
        self.post("/v1/chat/completions", &chat(model, text, fields)).await
    }
}

/// The body of a chat completion with further fields.
pub(crate) fn chat(model: &str, text: &str, fields: Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}
