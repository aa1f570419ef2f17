//! Asking an upstream over HTTP/1.1.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use router_core::{Error, ErrorKind, Result};
use router_plugins::http::ApiKey;

use crate::clock::seconds;
use crate::config::{KeyHeader, UpstreamConfig};
use crate::upstream::Failure;
use crate::upstream::tls;

const AGENT: &str = concat!("router/", env!("CARGO_PKG_VERSION"));

/// Where Anthropic's interface has the key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Connections that wait for the next request are closed after so many seconds, before most servers close theirs.
const IDLE_CONNECTION_SECONDS: f64 = 50.0;

/// The client of one upstream. Connections are kept; redirects are not followed, since the key is for that address alone.
pub(crate) struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: Option<ApiKey>,
    /// The header that holds the key.
    authorization: Option<(HeaderName, HeaderValue)>,
}

impl Client {
    pub(crate) fn new(config: &UpstreamConfig, key: Option<ApiKey>) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(seconds(config.connect_seconds)));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(config.trusted_certificates.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(seconds(IDLE_CONNECTION_SECONDS))
            .http1_max_buf_size(config.head_bytes);
        let authorization = key.as_ref().map(|key| {
            let bearer = key.bearer();
            let (name, value) = match config.key_header {
                KeyHeader::Bearer => (AUTHORIZATION, bearer.as_str()),
                KeyHeader::XApiKey => (API_KEY, bearer.trim_start_matches("Bearer ")),
            };
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| Error::new(ErrorKind::Usage, "the key holds what no header can"))?;
            value.set_sensitive(true);
            Ok::<_, Error>((name, value))
        });
        Ok(Self {
            inner: builder.build(https),
            base: config.base_url.trim_end_matches('/').to_owned(),
            key,
            authorization: authorization.transpose()?,
        })
    }

    /// The address of `path` below the base.
    pub(crate) fn address(&self, path: &str) -> Option<Uri> {
        format!("{}/{path}", self.base).parse().ok()
    }

    /// Posts `body` to `path` below the base, with further `headers`. The future ends with the head of the answer.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Cut`].
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Bytes,
        headers: &HeaderMap,
    ) -> std::result::Result<Response<Incoming>, Failure> {
        let uri = self.address(path).ok_or_else(|| Failure::Connect("the address is none".to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let sent = request.headers_mut();
        sent.extend(headers.clone());
        sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        sent.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        sent.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some((name, value)) = self.authorization() {
            sent.insert(name, value.clone());
        }
        self.inner.request(request).await.map_err(|error| {
            let why = reason(&error);
            if error.is_connect() { Failure::Connect(why) } else { Failure::Cut(why) }
        })
    }

    /// The header that holds the key, marked as sensitive.
    pub(crate) fn authorization(&self) -> Option<&(HeaderName, HeaderValue)> {
        self.authorization.as_ref()
    }

    /// What the upstream said, without its key.
    pub(crate) fn hide_key(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.hide(text, false))
    }
}

/// The innermost cause, which is the one that says something.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A client is shared between tasks.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Client>>();
};
