//! The account of a request: what it was, where it went, how it ended and what it cost.

use std::sync::Arc;

use hyper::StatusCode;
use uuid::Uuid;

use crate::clock::{self, Instant};
use crate::decide::Decided;
use crate::live::Served;
use crate::metrics::{Ended, Metrics};
use crate::stream::Usage;
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

/// The account of a request. Dropped before it was finished, it says that the client went away.
pub(crate) struct Account {
    metrics: Arc<Metrics>,
    surface: &'static str,
    start: Instant,
    id: Uuid,
    served: Option<(Arc<Served>, String)>,
    is_finished: bool,
    /// The request's place among those under way, held until it ends.
    _place: Permit,
}

impl Account {
    /// Opens the account of a request on `surface`.
    pub(crate) fn open(metrics: &Arc<Metrics>, surface: &'static str, place: Permit) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            surface,
            start: clock::now(),
            id: Uuid::now_v7(),
            served: None,
            is_finished: false,
            _place: place,
        }
    }

    /// Names the request: the decision's id where there was one.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// A decision was made.
    pub(crate) fn decided(&mut self, decided: &Decided, model: &str) {
        self.id = decided.id;
        self.metrics.decided(model, decided.task, decided.time);
    }

    /// An upstream is being asked for an answer of `served`.
    pub(crate) fn sent_to(&mut self, served: &Arc<Served>, upstream: &str) {
        self.served = Some((Arc::clone(served), upstream.to_owned()));
    }

    /// The first byte of the answer is there.
    pub(crate) fn first_byte(&self) {
        if let Some((served, _)) = &self.served {
            self.metrics.first_byte(&served.model.name, self.start.elapsed());
        }
    }

    /// Closes the account. What comes after the first time is ignored.
    pub(crate) fn finish(&mut self, outcome: Outcome, status: StatusCode, usage: Option<Usage>) {
        if self.is_finished {
            return;
        }
        self.is_finished = true;
        let cost_usd = usage
            .zip(self.served.as_ref())
            .and_then(|(usage, (served, _))| served.model.price(usage.input_tokens as f64, usage.output_tokens as f64));
        self.metrics.ended(&Ended {
            surface: self.surface,
            outcome: outcome.label(),
            status,
            model: self.served.as_ref().map(|(served, _)| served.model.name.as_str()),
            usage,
            cost_usd,
            time: self.start.elapsed(),
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.finish(Outcome::Cancelled, StatusCode::from_u16(499).unwrap_or_default(), None);
    }
}
