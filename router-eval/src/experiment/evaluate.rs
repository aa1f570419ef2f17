//! One cell evaluated: a contest of its router and the references, on what its group prepared.

use std::sync::Arc;

use router_core::cost::CostKind;
use router_core::{PromptsView, Result, UnfittedRouter};
use serde::{Deserialize, Serialize};

use super::prepare::Group;
use crate::contest::{Contest, Place};
use crate::evaluate::route::Candidate;
use crate::options::Options;
use crate::references;
use crate::summarize::{Circumstances, summarize};
use crate::summary::{Difference, Entry};

/// The name of a cell's own router.
pub(super) const ROUTER: &str = "router";

/// What a router or a reference came to in one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `router`, or the reference's name.
    pub router: String,
    /// Whether it is a reference.
    pub reference: bool,
    /// Mean quality.
    pub quality: Option<f64>,
    /// Its interval.
    pub quality_ci: Option<[f64; 2]>,
    /// Mean US dollars a call.
    pub cost_usd: Option<f64>,
    /// How the cost is known.
    pub cost_kind: CostKind,
    /// The share of the oracle's lead over the best single model.
    pub gap_closed: Option<f64>,
    /// Its interval.
    pub gap_closed_ci: Option<[f64; 2]>,
    /// Paired difference from the best single model.
    pub vs_best_single: Option<Difference>,
    /// Paired difference from the tuned nearest neighbors.
    pub vs_knn: Option<Difference>,
    /// Decisions without a score.
    pub unscored: usize,
}

impl Row {
    fn new(entry: &Entry, reference: bool) -> Self {
        Self {
            router: entry.name.clone(),
            reference,
            quality: entry.quality,
            quality_ci: entry.quality_ci,
            cost_usd: entry.cost_usd,
            cost_kind: entry.cost_kind,
            gap_closed: entry.gap_closed,
            gap_closed_ci: entry.gap_closed_ci,
            vs_best_single: entry.vs_best_single,
            vs_knn: entry.vs_knn,
            unscored: entry.unscored,
        }
    }
}

/// What a cell's router chose for one prompt, and what that brought.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) model: Option<String>,
    pub(super) quality: Option<f64>,
    pub(super) cost_usd: Option<f64>,
}

/// What a cell came to.
pub(super) struct Scored {
    /// The router first, then the references.
    pub(super) rows: Vec<Row>,
    /// One a prompt of the evaluated data set.
    pub(super) choices: Vec<Choice>,
}

/// Fits `router` to every part of `group` and holds what it chooses against the references. No time is measured: a result file holds
/// nothing that differs from run to run.
pub(super) fn evaluate(router: &UnfittedRouter, group: &Group, options: &Options) -> Result<Scored> {
    let mut contest = Contest::new(vec![group.arena()?], vec![router.config().seed], group.folds);
    for (fold, part) in group.parts.iter().enumerate() {
        part.cx.check_cancelled()?;
        let fitted = router.fit_embedded(&part.set, Arc::clone(&part.embedder), &part.cx)?;
        let prompts = PromptsView::rows(group.evaluated.prompts(), &part.rows);
        let candidate =
            Candidate { name: ROUTER, router: &fitted, prompts, embeddings: &part.vectors, embedding_seconds: 0.0 };
        let mut plays = candidate.play(options, false)?;
        if let Some(arena) = contest.arenas.first() {
            let embeddings = part.vectors.vectors.view();
            let cell = references::Cell { arena, rows: &part.rows, embeddings, embedding_seconds: 0.0 };
            plays.extend(part.references.beside(cell, &part.alone, &plays, &part.draws));
        }
        contest.enter(Place { data: 0, seed: 0, fold }, &part.rows, part.references.priced(), plays)?;
    }
    let circumstances = Circumstances {
        train: None,
        unpriced_models: group.unpriced.clone(),
        nominal_output_tokens: group.nominal_output_tokens,
        leaks: None,
    };
    let (summary, decisions) = summarize(&contest, circumstances, options)?;
    let routers = summary.routers.iter().map(|entry| Row::new(entry, false));
    let references = summary.references.iter().map(|entry| Row::new(entry, true));
    // Decisions come by contestant, the router first, then by prompt.
    let choices = decisions.into_iter().filter(|decision| decision.router == ROUTER).map(|decision| Choice {
        model: decision.model,
        quality: decision.score,
        cost_usd: decision.cost_usd,
    });
    Ok(Scored { rows: routers.chain(references).collect(), choices: choices.collect() })
}
