//! Parameters of the graph attention estimator, and its fit.
#![allow(clippy::indexing_slicing, reason = "edges have a row a prompt")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::GraphAttentionEstimator;
use super::objective::Graph;
use super::task_edges::TaskEdges;
use crate::estimators::network::{BaseRates, Ensemble, dimension_of, ensemble};
use crate::nn::{Schedule, train};
use crate::ranges::out_of_range;

/// Parameters of the `graph-attention` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GraphAttentionConfig {
    /// Width of all states. Default 32 (GraphRouter: 32).
    #[schemars(range(min = 1, max = 4096))]
    pub width: usize,
    /// Training prompts that models hear from in a step. Default 256.
    #[schemars(range(min = 1, max = 65_536))]
    pub support: usize,
    /// Clusters of prompts that stand for tasks in a router without discovery. Default 16.
    #[schemars(range(min = 1, max = 65_536))]
    pub clusters: usize,
    /// Share of a prompt's state that is dropped in training. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Epochs at most. Default 60.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: usize,
    /// Prompts a step, at most half of those that are trained on. Default 128.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Step size of AdamW. Default 0.003.
    #[schemars(range(min = 0.000_000_1, max = 1.0))]
    pub learning_rate: f64,
    /// Weight decay of AdamW: in a step, weights shrink by `learning_rate * weight_decay`. Default 5.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Share of the prompts that a member does not train on, for early stopping; near duplicates stay together. 0 trains for all
    /// epochs. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Epochs without a better held-out loss after which training stops. Default 4.
    #[schemars(range(min = 1, max = 10_000))]
    pub patience: usize,
    /// Networks that are trained apart, each holding out other prompts, and averaged; with two or more, estimates have a variance.
    /// Default 3.
    #[schemars(range(min = 1, max = 64))]
    pub members: usize,
}

impl Default for GraphAttentionConfig {
    fn default() -> Self {
        Self {
            width: 32,
            support: 256,
            clusters: 16,
            dropout: 0.2,
            epochs: 60,
            batch_size: 128,
            learning_rate: 0.003,
            weight_decay: 5.0,
            held_out: 0.2,
            patience: 4,
            members: 3,
        }
    }
}

impl PluginConfig for GraphAttentionConfig {
    const NAME: &'static str = "graph-attention";
    const SUMMARY: &'static str = "Tasks, prompts and models as a graph whose nodes hear from each other by attention";
    const SOURCE: &'static str = "Feng, Shen and You, GraphRouter, arXiv 2410.03834 (section 3)";
    const COST: &'static str = "an epoch O((1 + S / batch_size) n r d + n r (r + T + m + m S / batch_size)) a member, of width r, T tasks and a support S; O(r (d + T + m)) a prompt and member";
    const EXAMPLE: &'static str = "width = 16\nclusters = 8\n";
}

impl QualityEstimator for GraphAttentionConfig {
    type Fitted = GraphAttentionEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<GraphAttentionEstimator> {
        dimension_of(set)?;
        for (field, value) in [("width", self.width), ("support", self.support), ("clusters", self.clusters)] {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        let base = BaseRates::of(set.outcomes());
        let (source, edges) = TaskEdges::fit(set, tasks, self.clusters, cx)?;
        let of_rows: Vec<Option<usize>> = (0..set.len()).map(|row| certain_task(edges.row(row))).collect();
        let members = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            let graph = Graph::new(self, set, &base, &edges, &of_rows, train_rows, held_out);
            let mut parameters = graph.initial(&mut cx.stream("weights"));
            let schedule = Schedule {
                epochs: self.epochs,
                // Somebody must be left whose edges are not hidden.
                batch_size: self.batch_size.min(train_rows.len() / 2).max(1),
                learning_rate: self.learning_rate,
                weight_decay: self.weight_decay,
                patience: if held_out.is_empty() { usize::MAX } else { self.patience },
            };
            train(&graph, &mut parameters, train_rows, &schedule, cx, "graph attention")?;
            let mut network = graph.extract(&parameters)?;
            network.models = base.fill_unseen(network.models)?;
            Ok(network)
        })?;
        GraphAttentionEstimator::new(Ensemble::new(members)?, source)
    }
}

/// The task of the strongest edge; none where all are alike.
fn certain_task(edges: &[f32]) -> Option<usize> {
    let mut best = (0, f32::NEG_INFINITY);
    for (task, &edge) in edges.iter().enumerate() {
        if edge > best.1 {
            best = (task, edge);
        }
    }
    let is_one = edges.len() == 1 || edges.iter().any(|&edge| edge < best.1);
    is_one.then_some(best.0)
}

router_core::register!(EstimatorRole, GraphAttentionConfig);
