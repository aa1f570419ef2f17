//! Spans of a request, as OpenTelemetry gets them.

use hyper::StatusCode;
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::mock::{Behavior, Mock};
use crate::world::{SUM, run, three};

fn told(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_trace_goes_through_the_gateway_to_the_upstream() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test")).with_filter(LevelFilter::DEBUG);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let broken = Mock::start(&[Behavior::Status(500, "", "{}")]).await;
    let sound = Mock::start(&[Behavior::Answer(4)]).await;
    let running = run(&three([&sound.base(), &broken.base(), &sound.base()], "")).await;
    let client =
        running.client.clone().with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let answer = client.chat("auto", SUM, json!({ "stream": true })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    running.stop().await.unwrap();

    let spans: Vec<SpanData> = exporter.get_finished_spans().unwrap();
    let spans: Vec<&SpanData> = spans
        .iter()
        .filter(|span| span.span_context.trace_id().to_string() == "0af7651916cd43dd8448eb211c80319c")
        .collect();
    let named = |name: &str| spans.iter().copied().filter(|span| span.name == name).collect::<Vec<_>>();
    let [request] = named("chat")[..] else { panic!("{spans:?}") };
    assert_eq!(request.parent_span_id, SpanId::from_hex("b7ad6b7169203331").unwrap());
    assert_eq!((&request.span_kind, &request.status), (&SpanKind::Server, &Status::Unset));
    assert_eq!(told(request, "router.decision"), answer.header("x-router-decision"));
    assert_eq!(told(request, "router.task"), answer.header("x-router-task"));
    assert_eq!(told(request, "router.model"), "solver", "the decision");
    assert_eq!(told(request, "gen_ai.response.model"), "thrifty", "who answered");
    assert_eq!(told(request, "gen_ai.request.model"), "auto");
    assert_eq!(told(request, "router.outcome"), "answered");
    let status = request.attributes.iter().find(|attribute| attribute.key.as_str() == "http.response.status_code");
    assert_eq!(status.unwrap().value, Value::I64(200));
    assert!(told(request, "gen_ai.usage.output_tokens").parse::<u64>().unwrap() > 0);

    let [decided] = named("decide")[..] else { panic!("{spans:?}") };
    let [failed, answered] = named("ask")[..] else { panic!("{spans:?}") };
    for span in [decided, failed, answered] {
        assert_eq!(span.parent_span_id, request.span_context.span_id(), "{}", span.name);
    }
    assert_eq!(
        (told(failed, "gen_ai.request.model"), told(answered, "gen_ai.request.model")),
        ("solver".into(), "thrifty".into())
    );
    assert!(matches!(failed.status, Status::Error { .. }) && answered.status == Status::Unset);
    assert_eq!(failed.span_kind, SpanKind::Client);
    for (mock, span) in [(&broken, failed), (&sound, answered)] {
        let head = mock.seen()[0].head.to_ascii_lowercase();
        let expected = format!("traceparent: 00-0af7651916cd43dd8448eb211c80319c-{}-01", span.span_context.span_id());
        assert!(head.contains(&expected), "{head}");
    }
    assert!(!format!("{spans:?}").contains("equation"), "no text of a prompt is in a trace");
}
