//! The computation of decisions, and what it costs.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use router_core::pipeline::{BATCH, RouteBuffers};
use router_core::types::decision::Reason;
use router_core::{
    Constraints, Decision, Embeddings, Error, Exploration, Explored, FitContext, ModelIndex, Prompt, PromptContent,
    PromptsView, Request, Result, Router,
};
use uuid::Uuid;

use crate::clock;
use crate::decide::{Asked, Decided, draw};

thread_local! {
    static BUFFERS: RefCell<RouteBuffers> = RefCell::default();
}

/// Requests that are decided together.
pub(super) struct Batch {
    pub(super) prompts: Vec<Prompt>,
    pub(super) constraints: Vec<Constraints>,
    /// The model that answered before in each prompt's conversation; empty where none did in any.
    pub(super) previous: Vec<Option<ModelIndex>>,
    explorations: Vec<Option<Exploration>>,
    pub(super) switching_cost: f32,
    pub(super) explain: bool,
}

impl Batch {
    pub(super) fn new(asked: Vec<Asked>, switching_cost: f32, explain: bool) -> Self {
        let mut previous: Vec<_> = asked.iter().map(|asked| asked.previous).collect();
        if previous.iter().all(Option::is_none) {
            previous.clear();
        }
        let explorations = asked.iter().map(|asked| asked.exploration).collect();
        let requests = asked.into_iter().map(|asked| asked.request);
        let (prompts, constraints) = requests.map(|request| (request.prompt, request.constraints)).unzip();
        Self { prompts, constraints, previous, explorations, switching_cost, explain }
    }

    /// Bytes of text in it.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |prompt: &Prompt| match &prompt.content {
            PromptContent::Text(text) => text.len(),
            PromptContent::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
        };
        self.prompts.iter().map(bytes).sum()
    }
}

/// Decides all of `batch`. Only embedding may await.
pub(super) async fn compute(router: &Router, context: &FitContext, batch: &Batch) -> Result<Vec<Decided>> {
    let embeddings = router.embed_with(&batch.prompts, context).await?;
    decide(router, batch, &embeddings)
}

/// Decides all of `batch`, whose embeddings are at hand.
pub(super) fn decide(router: &Router, batch: &Batch, embeddings: &Embeddings) -> Result<Vec<Decided>> {
    let mut decided = Vec::with_capacity(batch.prompts.len());
    let mut decisions = vec![Decision::default(); BATCH.min(batch.prompts.len())];
    for start in (0..batch.prompts.len()).step_by(BATCH) {
        let end = batch.prompts.len().min(start + BATCH);
        let prompts = PromptsView::all(&batch.prompts).slice(start, end);
        let vectors = embeddings.vectors.view().slice_rows(start, end);
        let constraints = batch.constraints.get(start..end).unwrap_or_default();
        let out = decisions.get_mut(..end - start).unwrap_or_default();
        BUFFERS.with_borrow_mut(|buffers| {
            if batch.previous.is_empty() {
                router.route_batch(prompts, vectors, constraints, buffers, out)?;
            } else {
                let previous = batch.previous.get(start..end).unwrap_or_default();
                let cost = batch.switching_cost;
                router.route_batch_staying(prompts, vectors, constraints, previous, cost, buffers, out)?;
            }
            for (row, decision) in out.iter().enumerate() {
                let mut decision = decision.clone();
                if embeddings.truncated.binary_search(&(start + row)).is_ok() {
                    decision.reasons.push(Reason::Truncated);
                }
                let id = Uuid::now_v7();
                let Explored { decision, propensity, instead_of } =
                    match batch.explorations.get(start + row).copied().flatten() {
                        Some(exploration) => exploration.explore(decision, draw("exploration", id.as_bytes())),
                        None => Explored { decision, propensity: 1.0, instead_of: None },
                    };
                let has_tasks = buffers.tasks().tasks() > 0;
                decided.push(Decided {
                    id,
                    task: has_tasks.then(|| buffers.tasks().assigned(row)).flatten(),
                    expected_cost_usd: decision.model().and_then(|model| buffers.expected_cost_usd(row, model)),
                    decision,
                    propensity,
                    instead_of,
                    explanation: None,
                    time: Duration::ZERO,
                });
            }
            Ok::<_, Error>(())
        })?;
    }
    if batch.explain {
        let explanations = router.explain_embedded(&batch.prompts, embeddings, &batch.constraints)?;
        for (decided, explanation) in decided.iter_mut().zip(explanations) {
            decided.explanation = Some(explanation);
        }
    }
    Ok(decided)
}

/// The computation, apart from waiting, that a decision for a prompt of about 400 words takes on this thread: the least of three.
pub(super) async fn computation(router: &Router) -> Result<Duration> {
    let text = "Which of these words says what the router is asked to find out about this prompt? ".repeat(25);
    let batch = Batch::new(
        vec![Request { prompt: Prompt::new("probe", text), constraints: Constraints::default() }.into()],
        0.0,
        false,
    );
    let context = FitContext::new(0);
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let mut work = Duration::ZERO;
        let mut future = pin!(compute(router, &context, &batch));
        // What is awaited (a service that embeds) holds nothing up; what is computed between does.
        poll_fn(|cx| {
            let start = clock::now();
            let poll = future.as_mut().poll(cx);
            work += start.elapsed();
            poll
        })
        .await?;
        least = least.min(work);
    }
    Ok(least)
}
