//! Decisions: a request's prompt and constraints through the router, off the reactor where the encoder is slow.

mod compute;
mod interface;
mod remember;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use router_core::{Decision, Explanation, Exploration, FitContext, ModelIndex, Request, Result, Router, TaskId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub(crate) use interface::ModelRequest;

use crate::clock;
use crate::config::DecisionsConfig;
use compute::{Batch, computation, compute};
use remember::Remembered;
use workers::Workers;

/// A decision and what it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// Names the decision in headers and records.
    pub(crate) id: Uuid,
    pub(crate) decision: Decision,
    /// The probability with which the first model was to be asked.
    pub(crate) propensity: f64,
    /// The router's own choice, where exploration asks another model.
    pub(crate) instead_of: Option<ModelIndex>,
    pub(crate) task: Option<TaskId>,
    /// What a call of the first model is expected to cost in US dollars; `None` where the price is unknown.
    pub(crate) expected_cost_usd: Option<f32>,
    /// Everything behind it, where that was asked for.
    pub(crate) explanation: Option<Explanation>,
    /// From the question to the answer, the wait in a queue included.
    pub(crate) time: Duration,
}

/// A number in [0, 1) for one purpose out of an id's random bits: uniform, the same for the same id, and none that a client can choose.
pub(crate) fn draw(purpose: &str, id: &[u8]) -> f64 {
    let hash = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(id).finalize();
    let bits = hash.iter().take(7).fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte)) >> 3;
    bits as f64 / (1u64 << 53) as f64
}

/// Why there is no decision.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// More requests wait for a decision than may.
    Busy,
    /// The router failed.
    Failed(router_core::Error),
}

/// What is to be decided.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// The model that answered before in the conversation.
    pub(crate) previous: Option<ModelIndex>,
    /// How often another model is asked now and then, by a draw that the decision's id brings along.
    pub(crate) exploration: Option<Exploration>,
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        Self { request, previous: None, exploration: None }
    }
}

/// Makes decisions with one router.
pub(crate) struct Decider {
    router: Arc<Router>,
    context: FitContext,
    workers: Workers,
    is_direct: bool,
    direct_bytes: usize,
    switching_cost: f32,
}

impl Decider {
    /// Measures what a decision costs, and starts the threads for those that cost much.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Internal`] if a thread cannot be started.
    pub(crate) async fn new(router: Arc<Router>, config: &DecisionsConfig, switching_cost: f32) -> Result<Self> {
        let mut context = FitContext::new(0);
        if config.remembered > 0 {
            context = context.with_embedding_cache(Arc::new(Remembered::new(config.remembered)));
        }
        let cost = computation(&router).await;
        let limit = Duration::from_micros(config.direct_microseconds);
        // An encoder that fails now may be behind a server that comes up later: its threads can wait for it.
        let is_direct = cost.as_ref().is_ok_and(|&cost| cost <= limit);
        match cost {
            Ok(cost) => tracing::info!(microseconds = cost.as_micros() as u64, is_direct, "a decision was measured"),
            Err(error) => tracing::warn!(%error, "a decision could not be measured"),
        }
        let workers = Workers::start(&router, &context, config)?;
        Ok(Self { router, context, workers, is_direct, direct_bytes: config.direct_bytes, switching_cost })
    }

    /// Decides each of `asked`, whose constraints were checked; with `explain`, tells everything behind it.
    ///
    /// # Errors
    /// [`Undecided`].
    pub(crate) async fn decide(
        &self,
        asked: Vec<Asked>,
        explain: bool,
    ) -> std::result::Result<Vec<Decided>, Undecided> {
        let start = clock::now();
        let batch = Batch::new(asked, self.switching_cost, explain);
        let mut decided = if self.is_direct && batch.bytes() <= self.direct_bytes {
            compute(&self.router, &self.context, &batch).await.map_err(Undecided::Failed)?
        } else {
            match self.workers.ask(batch).await {
                workers::Answer::Decided(decided) => decided.map_err(Undecided::Failed)?,
                workers::Answer::Full => return Err(Undecided::Busy),
            }
        };
        let time = start.elapsed();
        for decided in &mut decided {
            decided.time = time;
        }
        Ok(decided)
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }
}
