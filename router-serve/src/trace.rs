//! Spans of requests, for whoever listens: a request, its decision, and each call of an upstream.
//!
//! With the feature `opentelemetry` a trace goes on from a client's `traceparent` (W3C Trace Context) and on to the upstream. Names of
//! fields are those of OpenTelemetry's semantic conventions where it has one. No text of a prompt and no key is in a span.

use hyper::header::HeaderMap;
use tracing::field::Empty;
use tracing::{Span, debug_span};

/// The span of a request on `surface`, whose client sent `headers`.
pub(crate) fn request(surface: &'static str, headers: &HeaderMap) -> Span {
    let span = debug_span!(
        parent: None,
        "request",
        otel.kind = "server",
        otel.name = surface,
        otel.status_code = Empty,
        http.response.status_code = Empty,
        gen_ai.request.model = Empty,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        router.client = Empty,
        router.decision = Empty,
        router.model = Empty,
        router.task = Empty,
        router.outcome = Empty,
        router.cost_usd = Empty,
    );
    #[cfg(feature = "opentelemetry")]
    context::go_on(&span, headers);
    #[cfg(not(feature = "opentelemetry"))]
    let _ = headers;
    span
}

/// The span of a decision within `request`.
pub(crate) fn decision(request: &Span) -> Span {
    debug_span!(parent: request, "decide")
}

/// The span of one call of `upstream` within `request`, until its answer begins.
pub(crate) fn attempt(request: &Span, upstream: &str, model: &str) -> Span {
    debug_span!(
        parent: request,
        "ask",
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.request.model = model,
        router.upstream = upstream,
        router.outcome = Empty,
    )
}

/// Puts the current span's trace into `headers`.
pub(crate) fn pass_on(headers: &mut HeaderMap) {
    #[cfg(feature = "opentelemetry")]
    context::pass_on(headers);
    #[cfg(not(feature = "opentelemetry"))]
    let _ = headers;
}

#[cfg(feature = "opentelemetry")]
mod context {
    use hyper::header::HeaderMap;
    use opentelemetry::global::get_text_map_propagator;
    use opentelemetry::trace::TraceContextExt as _;
    use opentelemetry_http::{HeaderExtractor, HeaderInjector};
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    pub(super) fn go_on(span: &Span, headers: &HeaderMap) {
        if span.is_disabled() {
            return;
        }
        let parent = get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
        if parent.span().span_context().is_valid() {
            // Without a layer of OpenTelemetry there is nothing to go on with.
            let _ = span.set_parent(parent);
        }
    }

    pub(super) fn pass_on(headers: &mut HeaderMap) {
        let span = Span::current();
        if !span.is_disabled() {
            get_text_map_propagator(|propagator| {
                propagator.inject_context(&span.context(), &mut HeaderInjector(headers));
            });
        }
    }
}
