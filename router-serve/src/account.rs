//! The account of a request: what it was, where it went, how it ended and what it cost. Closed, it goes into metrics and records.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use router_core::Prompt;
use tracing::{Span, field};
use uuid::Uuid;

use crate::clients::{Client, Spending};
use crate::clock::{self, Instant};
use crate::decide::Decided;
use crate::error::Refusal;
use crate::live::{Live, Served, Which};
use crate::metrics::{Ended, Metrics};
use crate::overview::Overview;
use crate::records::{Attempt, Record, Recorder};
use crate::stream::Usage;
use crate::trace;
use crate::upstream::Permit;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With an answer, whole.
    Answered,
    /// With a refusal and no answer: the client's own mistake, or no upstream that answered.
    Refused,
    /// In the middle of an answer, and why.
    Broken(&'static str),
    /// The client went away.
    Cancelled,
}

impl Outcome {
    /// A word for metrics and records.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Broken(_) => "broken",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the accounts of all requests go into.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) metrics: Arc<Metrics>,
    /// None where nothing is recorded.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) spending: Arc<Spending>,
    pub(crate) overview: Arc<Overview>,
}

impl Ledger {
    /// `prompt` as it is recorded, where the configuration asks for that.
    pub(crate) fn prompt(&self, prompt: &Prompt) -> Option<String> {
        let keeps = self.recorder.as_ref().is_some_and(|recorder| recorder.store_prompts);
        keeps.then(|| serde_json::to_string(&prompt.content).ok()).flatten()
    }

    /// Records a decision after which no model was asked.
    pub(crate) fn decided(
        &self,
        live: &Live,
        decided: &Decided,
        asked_for: &str,
        prompt: &Prompt,
        client: Option<&str>,
    ) {
        if let (Some(recorder), Some(mut record)) =
            (&self.recorder, live.routed(Which::Primary).record(decided, "route", asked_for))
        {
            record.prompt = self.prompt(prompt);
            record.client = client.map(str::to_owned);
            record.milliseconds = decided.time.as_secs_f64() * 1e3;
            record.status = StatusCode::OK.as_u16();
            Outcome::Answered.label().clone_into(&mut record.outcome);
            recorder.record(record);
        }
    }
}

/// The account of a request. Dropped before it was finished, it says that the client went away.
pub(crate) struct Account {
    ledger: Ledger,
    surface: &'static str,
    start: Instant,
    id: Uuid,
    client: Option<Arc<Client>>,
    /// What is set aside of the client's budget until the cost is known, in US dollars.
    reserved_usd: f64,
    served: Option<Arc<Served>>,
    record: Option<Box<Record>>,
    /// The models that might take the request.
    eligible: Vec<Arc<Served>>,
    is_finished: bool,
    span: Span,
    /// The request's place among those under way, held until it ends.
    _place: Permit,
}

impl Account {
    /// Opens the account of a request on `surface`, whose client sent `headers`.
    pub(crate) fn open(
        ledger: &Ledger,
        surface: &'static str,
        headers: &HeaderMap,
        client: Option<Arc<Client>>,
        place: Permit,
    ) -> Self {
        let span = trace::request(surface, headers);
        if let Some(client) = &client {
            span.record("router.client", client.name.as_str());
        }
        Self {
            ledger: ledger.clone(),
            surface,
            start: clock::now(),
            id: Uuid::now_v7(),
            client,
            reserved_usd: 0.0,
            served: None,
            record: None,
            eligible: Vec::new(),
            is_finished: false,
            span,
            _place: place,
        }
    }

    /// Names the request: the decision's id where there was one.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// The request's span, the parent of those of its parts.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn client(&self) -> Option<&str> {
        self.client.as_ref().map(|client| client.name.as_str())
    }

    /// # Errors
    /// 429 if the client's budget of today is spent.
    pub(crate) fn check_budget(&self) -> Result<(), Refusal> {
        self.client.as_ref().map_or(Ok(()), |client| self.ledger.spending.check(client))
    }

    /// Sets aside what the call is expected to cost.
    fn reserve(&mut self) {
        let expected = self.record.as_ref().and_then(|record| record.expected_cost_usd);
        if let (Some(client), Some(expected)) = (&self.client, expected) {
            self.reserved_usd = expected;
            self.ledger.spending.add(&client.name, expected);
        }
    }

    /// A decision was made; `prompt` as it is to be recorded.
    pub(crate) fn decided(
        &mut self,
        live: &Live,
        which: Which,
        decided: &Decided,
        asked_for: &str,
        prompt: Option<String>,
    ) {
        self.id = decided.id;
        self.record = live
            .routed(which)
            .record(decided, self.surface, asked_for)
            .map(|record| Box::new(Record { prompt, ..record }));
        self.span.record("router.decision", field::display(self.id)).record("gen_ai.request.model", asked_for);
        if let Some(task) = decided.task {
            self.span.record("router.task", field::display(task));
        }
        if let Some(record) = &self.record {
            self.span.record("router.model", record.model.as_str());
            self.ledger.metrics.decided(&record.model, decided.task, decided.time);
            self.ledger.overview.decided(record);
            self.eligible = live.served_among(&record.eligible);
            if record.instead_of.is_some() {
                self.ledger.metrics.explored(&record.model);
            }
        }
        self.reserve();
    }

    /// The client named a model that the router does not know.
    pub(crate) fn named(&mut self, served: &Served, prompt: Option<String>) {
        self.span.record("gen_ai.request.model", served.model.name.as_str());
        let record = Record::of_named(self.id, self.surface, &served.model.name);
        self.record = Some(Box::new(Record { prompt, ..record }));
    }

    /// A model was asked at `upstream`, which took so long and went as `outcome` says.
    pub(crate) fn attempted(&mut self, served: &Arc<Served>, upstream: &str, outcome: &'static str, time: Duration) {
        let model = &served.model.name;
        self.ledger.metrics.attempted(upstream, model, outcome);
        self.ledger.overview.attempted(upstream, outcome);
        if outcome == ANSWERED {
            self.ledger.metrics.first_byte(model, self.start.elapsed());
        }
        self.served = Some(Arc::clone(served));
        let Some(record) = &mut self.record else { return };
        record.attempts.push(Attempt {
            model: model.clone(),
            upstream: upstream.to_owned(),
            outcome: outcome.to_owned(),
            milliseconds: time.as_secs_f64() * 1e3,
        });
        if outcome == ANSWERED {
            record.first_byte_milliseconds = Some(self.start.elapsed().as_secs_f64() * 1e3);
            record.answered_by = Some(model.clone());
            record.upstream = Some(upstream.to_owned());
        }
    }

    /// Closes the account. What comes after the first time is ignored.
    pub(crate) fn finish(&mut self, outcome: Outcome, status: StatusCode, usage: Option<Usage>) {
        if self.is_finished {
            return;
        }
        self.is_finished = true;
        let time = self.start.elapsed();
        let cost_usd = usage.zip(self.served.as_ref()).and_then(|(usage, served)| usage.cost_usd(&served.model));
        self.ended(outcome, status, usage, cost_usd);
        self.ledger.metrics.ended(&Ended {
            surface: self.surface,
            outcome: outcome.label(),
            status,
            model: self.served.as_ref().map(|served| served.model.name.as_str()),
            usage,
            cost_usd,
            time,
        });
        let answered =
            self.record.as_ref().is_some_and(|record| record.answered_by.is_some()) && outcome != Outcome::Refused;
        // An answer that was cut short is not for nothing, though nobody says what it is billed.
        let charged = cost_usd.or((answered && self.reserved_usd > 0.0).then_some(self.reserved_usd));
        if let Some(client) = &self.client {
            self.ledger.spending.add(&client.name, charged.unwrap_or(0.0) - self.reserved_usd);
        }
        let Some(mut record) = self.record.take() else { return };
        record.client = self.client.as_ref().map(|client| client.name.clone());
        record.charged_usd = self.client.as_ref().and(charged);
        if outcome == Outcome::Refused {
            record.answered_by = None;
        }
        record.status = status.as_u16();
        outcome.label().clone_into(&mut record.outcome);
        record.input_tokens = usage.map(|usage| usage.input_tokens);
        record.output_tokens = usage.map(|usage| usage.output_tokens);
        record.cost_usd = cost_usd;
        record.milliseconds = time.as_secs_f64() * 1e3;
        let first_byte = record.first_byte_milliseconds.map(|time| Duration::from_secs_f64(time / 1e3));
        self.ledger.overview.answered(&record, first_byte, self.eligible.iter().map(|served| &served.model));
        if let Some(recorder) = &self.ledger.recorder {
            recorder.record(*record);
        }
    }

    /// Tells the request's span how it ended.
    fn ended(&self, outcome: Outcome, status: StatusCode, usage: Option<Usage>, cost_usd: Option<f64>) {
        let span = &self.span;
        if span.is_disabled() {
            return;
        }
        span.record("router.outcome", outcome.label()).record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() || matches!(outcome, Outcome::Broken(_)) {
            span.record("otel.status_code", "ERROR");
        }
        if let Some(served) = self.served.as_ref().filter(|_| outcome != Outcome::Refused) {
            span.record("gen_ai.response.model", served.model.name.as_str());
        }
        if let Some(usage) = usage {
            // OpenTelemetry has no unsigned numbers.
            span.record("gen_ai.usage.input_tokens", usage.input_tokens as i64)
                .record("gen_ai.usage.output_tokens", usage.output_tokens as i64);
        }
        if let Some(cost) = cost_usd {
            span.record("router.cost_usd", cost);
        }
    }
}

/// The outcome of a call whose answer is passed on.
pub(crate) const ANSWERED: &str = "answered";

impl Drop for Account {
    fn drop(&mut self) {
        self.finish(Outcome::Cancelled, StatusCode::from_u16(499).unwrap_or_default(), None);
    }
}
