//! Parameters of the spectral discoverer.

use std::collections::BTreeMap;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::discover;
use crate::discoverers::graph::{Expectations, GraphConfig};
use crate::neighbors::{EXACT_LIMIT_AMONG, Search};
use crate::ranges::out_of_range;

/// How the number of tasks is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// By the outcomes of held-out prompts.
    #[default]
    Outcomes,
    /// By the largest gap between successive eigenvalues: what the graph alone suggests.
    Eigengap,
}

/// Parameters of the `spectral` discoverer; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpectralConfig {
    /// Number of tasks. Chosen as `selection` says if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub k: Option<usize>,
    /// How k is chosen where it is left out: by `outcomes` (default) or by `eigengap`.
    pub selection: Selection,
    /// The most tasks that are tried where k is chosen; no more than one for ten prompts. Default 32.
    #[schemars(range(min = 1, max = 1024))]
    pub maximum_tasks: usize,
    /// Nearest prompts that each prompt is joined to. Default 30.
    #[schemars(range(min = 1, max = 1000))]
    pub neighbors: usize,
    /// Weight of the agreement of model rankings against the similarity of embeddings in the graph, 0 (words alone) to 1
    /// (rankings alone), as in `graph`. Default 0.35.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub agreement: f64,
    /// An estimator whose expectations are to agree in the place of the observed rankings, as in `graph`. Left out by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub estimator: Option<Expectations>,
    /// Persistence p of rank-biased overlap: the lower, the more only the best models count. Default 0.9.
    #[schemars(range(min = 0.01, max = 0.999))]
    pub persistence: f64,
    /// How often k-means starts anew; the best result counts. Default 8.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: usize,
    /// How neighbors are searched: `automatic` (default), `exact` or `approximate`.
    pub search: Search,
    /// Up to how many prompts the automatic search is exact. Default 200,000.
    #[schemars(range(min = 0))]
    pub exact_limit: usize,
}

impl Default for SpectralConfig {
    fn default() -> Self {
        let GraphConfig { neighbors, agreement, persistence, search, .. } = GraphConfig::default();
        Self {
            k: None,
            selection: Selection::Outcomes,
            maximum_tasks: 32,
            neighbors,
            agreement,
            estimator: None,
            persistence,
            restarts: 8,
            search,
            exact_limit: EXACT_LIMIT_AMONG,
        }
    }
}

impl SpectralConfig {
    /// The graph that is cut.
    pub(super) fn graph(&self) -> GraphConfig {
        GraphConfig {
            neighbors: self.neighbors,
            agreement: self.agreement,
            estimator: self.estimator.clone(),
            persistence: self.persistence,
            search: self.search,
            exact_limit: self.exact_limit,
            ..GraphConfig::default()
        }
    }

    fn check(&self) -> Result<()> {
        for (field, value) in
            [("k", self.k.unwrap_or(1)), ("maximum_tasks", self.maximum_tasks), ("restarts", self.restarts)]
        {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        self.graph().check()
    }
}

impl PluginConfig for SpectralConfig {
    const NAME: &'static str = "spectral";
    const SUMMARY: &'static str = "Clusters of the leading eigenvectors of the graph's normalized Laplacian";
    const SOURCE: &'static str = "Ng, Jordan and Weiss, On Spectral Clustering, NIPS 2002";
    const COST: &'static str = "O(n^2 (d + m D)) flops for the graph up to `exact_limit` prompts, then block iteration on its edges and O(n k^2) an iteration of k-means; memory O(n (neighbors + k))";
    const EXAMPLE: &'static str = "k = 12\nneighbors = 30\nagreement = 0.35\n";

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.estimator.as_mut().map_or(Ok(()), |estimator| estimator.prepare(registry))
    }
}

impl TaskDiscoverer for SpectralConfig {
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        self.check()?;
        discover::discover(self, set, cx)
    }
}

router_core::register!(DiscovererRole, SpectralConfig);
