//! Numbers for Prometheus. Labels are names of the configuration, tasks and fixed words, so that clients cannot make new ones.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use router_core::{Error, ErrorKind, Result, TaskId};

use crate::live::Live;
use crate::records::Recorder;
use crate::stream::Usage;
use crate::upstream::{CircuitState, Gate};
use crate::{clock, upstream};

/// The media type of what [`Metrics::text`] gives.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Dollars = Counter<f64, AtomicU64>;
type NewHistogram = fn() -> Histogram;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    surface: &'static str,
    outcome: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    task: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTokens {
    model: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAttempt {
    upstream: String,
    model: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRecord {
    fate: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFeedback {
    decision: &'static str,
}

/// The numbers.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<OfRequest, Counter>,
    decisions: Family<OfModel, Counter>,
    tasks: Family<OfTask, Counter>,
    decision_seconds: Histogram,
    attempts: Family<OfAttempt, Counter>,
    first_byte_seconds: Family<OfModel, Histogram, NewHistogram>,
    request_seconds: Family<OfModel, Histogram, NewHistogram>,
    tokens: Family<OfTokens, Counter>,
    cost_usd: Family<OfModel, Dollars>,
    under_way: Gauge,
    waiting: Gauge,
    upstream_under_way: Family<OfUpstream, Gauge>,
    circuit: Family<OfUpstream, Gauge>,
    records: Family<OfRecord, Counter>,
    record_failures: Counter,
    records_waiting: Gauge,
    feedback: Family<OfFeedback, Counter>,
    explored: Family<OfModel, Counter>,
}

/// A request that ended.
pub(crate) struct Ended<'a> {
    pub(crate) surface: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) model: Option<&'a str>,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) time: Duration,
}

/// From 50 microseconds to about 13 seconds.
fn decision_times() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 19))
}

/// From 5 milliseconds to about 10 minutes.
fn answer_times() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 18))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("router"),
            requests: Family::default(),
            decisions: Family::default(),
            tasks: Family::default(),
            decision_seconds: decision_times(),
            attempts: Family::default(),
            first_byte_seconds: Family::new_with_constructor(answer_times),
            request_seconds: Family::new_with_constructor(answer_times),
            tokens: Family::default(),
            cost_usd: Family::default(),
            under_way: Gauge::default(),
            waiting: Gauge::default(),
            upstream_under_way: Family::default(),
            circuit: Family::default(),
            records: Family::default(),
            record_failures: Counter::default(),
            records_waiting: Gauge::default(),
            feedback: Family::default(),
            explored: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests that ended, by surface, outcome and status", metrics.requests.clone());
        registry.register("decisions", "Decisions, by the model chosen", metrics.decisions.clone());
        registry.register("tasks", "Decisions, by the prompt's task", metrics.tasks.clone());
        registry.register(
            "decision_seconds",
            "Time from a request's being read to its decision",
            metrics.decision_seconds.clone(),
        );
        registry.register("upstream_attempts", "Calls of upstreams and how they went", metrics.attempts.clone());
        registry.register(
            "first_byte_seconds",
            "Time from a request's admission to the first byte of its answer",
            metrics.first_byte_seconds.clone(),
        );
        registry.register(
            "request_seconds",
            "Time from a request's admission to the end of its answer",
            metrics.request_seconds.clone(),
        );
        registry.register("tokens", "Tokens as upstreams bill them", metrics.tokens.clone());
        registry.register("cost_usd", "US dollars: billed tokens at the models' prices", metrics.cost_usd.clone());
        registry.register("requests_under_way", "Requests under way", metrics.under_way.clone());
        registry.register("requests_waiting", "Requests that wait for one under way to end", metrics.waiting.clone());
        registry.register(
            "upstream_requests_under_way",
            "Requests under way at an upstream",
            metrics.upstream_under_way.clone(),
        );
        registry.register(
            "upstream_circuit",
            "An upstream's circuit: 0 closed, 1 half open, 2 open",
            metrics.circuit.clone(),
        );
        registry.register(
            "records",
            "Decisions that were to be recorded, and whether they were",
            metrics.records.clone(),
        );
        registry.register(
            "record_write_failures",
            "Times that the database of the records failed and was tried again",
            metrics.record_failures.clone(),
        );
        registry.register("records_waiting", "Entries that wait to be recorded", metrics.records_waiting.clone());
        registry.register("feedback", "Feedback, by whether its decision is known", metrics.feedback.clone());
        registry.register("explored", "Decisions in which exploration asked another model", metrics.explored.clone());
        metrics
    }

    pub(crate) fn decided(&self, model: &str, task: Option<TaskId>, time: Duration) {
        self.decisions.get_or_create(&OfModel { model: model.to_owned() }).inc();
        let task = task.map_or_else(|| "none".to_owned(), |task| task.to_string());
        self.tasks.get_or_create(&OfTask { task }).inc();
        self.decision_seconds.observe(time.as_secs_f64());
    }

    /// So many decisions were recorded, or lost.
    pub(crate) fn recorded(&self, fate: &'static str, count: u64) {
        self.records.get_or_create(&OfRecord { fate }).inc_by(count);
    }

    /// The database of the records failed, and is tried again.
    pub(crate) fn record_failed(&self) {
        self.record_failures.inc();
    }

    pub(crate) fn fed_back(&self, is_known: bool) {
        self.feedback.get_or_create(&OfFeedback { decision: if is_known { "known" } else { "unknown" } }).inc();
    }

    /// Exploration asked `model`.
    pub(crate) fn explored(&self, model: &str) {
        self.explored.get_or_create(&OfModel { model: model.to_owned() }).inc();
    }

    pub(crate) fn attempted(&self, upstream: &str, model: &str, outcome: &'static str) {
        let labels = OfAttempt { upstream: upstream.to_owned(), model: model.to_owned(), outcome };
        self.attempts.get_or_create(&labels).inc();
    }

    pub(crate) fn first_byte(&self, model: &str, time: Duration) {
        self.first_byte_seconds.get_or_create(&OfModel { model: model.to_owned() }).observe(time.as_secs_f64());
    }

    /// A request was refused before it was looked at.
    pub(crate) fn turned_away(&self, surface: &'static str, status: u16) {
        self.requests.get_or_create(&OfRequest { surface, outcome: "refused", status }).inc();
    }

    pub(crate) fn ended(&self, ended: &Ended<'_>) {
        let labels = OfRequest { surface: ended.surface, outcome: ended.outcome, status: ended.status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        let Some(model) = ended.model.map(str::to_owned) else { return };
        if let Some(Usage { input_tokens, output_tokens, .. }) = ended.usage {
            for (kind, count) in [("input", input_tokens), ("output", output_tokens)] {
                self.tokens.get_or_create(&OfTokens { model: model.clone(), kind }).inc_by(count);
            }
        }
        let of_model = OfModel { model };
        if let Some(cost) = ended.cost_usd {
            self.cost_usd.get_or_create(&of_model).inc_by(cost);
        }
        self.request_seconds.get_or_create(&of_model).observe(ended.time.as_secs_f64());
    }

    /// All numbers in the text form of OpenMetrics.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if one cannot be written.
    pub(crate) fn text(&self, gate: &Gate, live: &Live, recorder: Option<&Recorder>) -> Result<String> {
        self.records_waiting.set(recorder.map_or(0, Recorder::waiting) as i64);
        self.under_way.set(gate.inside() as i64);
        self.waiting.set(gate.waiting() as i64);
        // An upstream of an earlier configuration is not told of any more.
        self.upstream_under_way.clear();
        self.circuit.clear();
        for upstream in live.upstreams() {
            let labels = OfUpstream { upstream: upstream.config.name.clone() };
            self.upstream_under_way.get_or_create(&labels).set(upstream.gate.inside() as i64);
            self.circuit.get_or_create(&labels).set(circuit_number(upstream));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|source| Error::new(ErrorKind::Internal, "the metrics cannot be written").caused_by(source))?;
        Ok(text)
    }
}

fn circuit_number(upstream: &upstream::Upstream) -> i64 {
    match upstream.breaker.state(clock::now()) {
        CircuitState::Closed => 0,
        CircuitState::HalfOpen => 1,
        CircuitState::Open => 2,
    }
}
