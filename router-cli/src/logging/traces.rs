//! Traces to a collector of OpenTelemetry, by OTLP over HTTP.
//!
//! The environment says where and what, as OpenTelemetry specifies it: `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (without either nothing is exported), `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`. Spans leave in batches from a thread of their own.

use std::env;
use std::io::Read as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use router_core::{Error, ErrorKind, Result};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// Where spans go; either is enough.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of a collector's answer that are read.
const ANSWER_BYTES: u64 = 64 << 10;

/// Traces on their way. Dropped, it exports what is left.
pub(super) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

/// A layer that exports the gateway's spans, where the environment names a collector.
///
/// # Errors
/// [`ErrorKind::Usage`] if what it names is no address.
pub(super) fn start<S>() -> Result<(Option<impl Layer<S> + use<S>>, Option<Traces>)>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let Some(endpoint) = ENDPOINTS.into_iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
    else {
        return Ok((None, None));
    };
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
    let exporter =
        SpanExporter::builder().with_http().with_http_client(Client(agent.into())).build().map_err(|source| {
            Error::new(ErrorKind::Usage, format!("traces cannot be exported: {source}"))
                .help(format!("{endpoint} is the address of a collector, http://127.0.0.1:4318"))
                .caused_by(source)
        })?;
    let mut resource = Resource::builder();
    if env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("router");
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("router"))
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target("router_serve", LevelFilter::DEBUG));
    Ok((Some(layer), Some(Traces(provider))))
}

/// The HTTP client that is here already. It blocks the exporter's own thread.
#[derive(Debug)]
struct Client(ureq::Agent);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let (head, body) = self.0.run(Request::from_parts(head, body.to_vec()))?.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().take(ANSWER_BYTES).read_to_end(&mut bytes)?;
        Ok(Response::from_parts(head, bytes.into()))
    }
}
