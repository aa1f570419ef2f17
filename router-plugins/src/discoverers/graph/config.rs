//! Parameters of the graph discoverer.

use std::collections::BTreeMap;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::discover;
use super::expected::Expectations;
use crate::graph::{Chance, Ties};
use crate::neighbors::{EXACT_LIMIT_AMONG, Search};
use crate::ranges::out_of_range;

/// What a good set of communities is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// More weight inside than among nodes of the same strengths at random.
    #[default]
    Modularity,
    /// Denser inside than the resolution, sparser between: the constant Potts model, without a size that it prefers.
    Cpm,
}

/// Which prompts may be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Edges {
    /// The nearest under the joint similarity.
    #[default]
    Joint,
    /// The nearest by embedding; the joint similarity only weighs them. Rankings can then cut what words join, but not join
    /// what words separate.
    Semantic,
}

/// What becomes of a community below the minimum size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Small {
    /// It joins the community that it is most connected with beyond chance; without one, its prompts have no task.
    #[default]
    Fold,
    /// Its prompts have no task.
    None,
}

/// How fine communities are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, a list of numbers, `auto` or `hierarchical`")]
pub enum Resolution {
    /// As fine as this.
    Fixed(#[schemars(range(min = 0.0, max = 100_000.0))] f64),
    /// The one of these that serves held-out prompts best.
    Among(#[schemars(length(min = 1), inner(range(min = 0.0, max = 100_000.0)))] Vec<f64>),
    /// By held-out prompts.
    Automatic(Automatic),
}

/// The word for a choice that is left to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// One for all prompts, from 1 on as fine as is worth it.
    Auto,
    /// Coarse to fine, in every branch as fine as is worth it there, by [`HIERARCHICAL`].
    Hierarchical,
}

/// The resolutions that `hierarchical` cuts branches by.
pub const HIERARCHICAL: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

impl Resolution {
    /// The resolutions that were given.
    fn given(&self) -> &[f64] {
        match self {
            Self::Fixed(resolution) => std::slice::from_ref(resolution),
            Self::Among(resolutions) => resolutions,
            Self::Automatic(_) => &[],
        }
    }
}

impl From<f64> for Resolution {
    fn from(resolution: f64) -> Self {
        Self::Fixed(resolution)
    }
}

/// Parameters of the `graph` discoverer; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GraphConfig {
    /// Nearest prompts that each prompt is joined to. Default 30.
    #[schemars(range(min = 1, max = 1000))]
    pub neighbors: usize,
    /// Weight of the agreement of model rankings against the similarity of embeddings, 0 (words alone) to 1 (rankings alone).
    /// Default 0.35: outcomes of 0 or 1 rank models coarsely, and from about 0.5 prompts flock by their outcomes instead of by task.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub agreement: f64,
    /// An estimator, its name under `use` and its parameters: agreement is then that of the qualities it expects of prompts it has not
    /// seen, in the place of the observed rankings, and the parameters of rank-biased overlap have no part. Left out by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub estimator: Option<Expectations>,
    /// Persistence p of rank-biased overlap: the lower, the more only the best models count. Default 0.9.
    #[schemars(range(min = 0.01, max = 0.999))]
    pub persistence: f64,
    /// How tied models share a rank: `normalized` (default; RBO^b, a ranking agrees with itself by 1) or `averaged` (RBO^a).
    pub ties: Ties,
    /// Whether the agreement that random rankings have is `removed` (default) or `included`, as published. Included, prompts
    /// that all models solve and prompts that none does agree fully.
    pub chance: Chance,
    /// Where candidates for edges come from: `joint` (default) or `semantic`.
    pub edges: Edges,
    /// What communities maximize: `modularity` (default) or `cpm`.
    pub quality: Objective,
    /// The higher, the more and the smaller tasks. For `cpm` in units of the graph's density, the weight of all edges over
    /// all pairs of prompts, so that 1 is a fair start for both. A number, a list to choose from by held-out prompts, `"auto"` (default)
    /// for 1 or, where that serves held-out prompts better, 2, 4, 8 and so on, or `"hierarchical"` for tasks that are split by one of 0.5, 1,
    /// 2, 4, 8, 16 after the other where that serves the held-out prompts of the branch.
    pub resolution: Resolution,
    /// Prompts that a task needs. Default 10.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_size: usize,
    /// What becomes of smaller communities: `fold` (default) or `none`.
    pub small: Small,
    /// How neighbors are searched: `automatic` (default), `exact` or `approximate`.
    pub search: Search,
    /// Up to how many prompts the automatic search is exact. Default 200,000.
    #[schemars(range(min = 0))]
    pub exact_limit: usize,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            neighbors: 30,
            agreement: 0.35,
            estimator: None,
            persistence: 0.9,
            ties: Ties::Normalized,
            chance: Chance::Removed,
            edges: Edges::Joint,
            quality: Objective::Modularity,
            resolution: Resolution::Automatic(Automatic::Auto),
            minimum_size: 10,
            small: Small::Fold,
            search: Search::Automatic,
            exact_limit: EXACT_LIMIT_AMONG,
        }
    }
}

impl GraphConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    pub(in crate::discoverers) fn check(&self) -> Result<()> {
        if self.neighbors == 0 {
            return out_of_range("neighbors", &self.neighbors, "at least 1");
        }
        if !(0.0..=1.0).contains(&self.agreement) {
            return out_of_range("agreement", &self.agreement, "at least 0 and at most 1");
        }
        let resolutions = self.resolution.given();
        if self.resolution == Resolution::Among(Vec::new()) {
            return out_of_range("resolution", &"[]", "a number, a list of at least one, \"auto\" or \"hierarchical\"");
        }
        if let Some(wrong) = resolutions.iter().find(|resolution| !resolution.is_finite() || **resolution < 0.0) {
            return out_of_range("resolution", wrong, "finite numbers, at least 0");
        }
        Ok(())
    }
}

impl PluginConfig for GraphConfig {
    const NAME: &'static str = "graph";
    const SUMMARY: &'static str = "Communities of prompts that read alike and rank the models alike";
    const SOURCE: &'static str =
        "FineRouter, arXiv 2603.19415; Leiden: Traag et al. 2019; rank-biased overlap with ties: Corsi and Urbano 2024";
    const COST: &'static str = "O(n^2 (d + m D)) flops up to `exact_limit` prompts, D depths of the rankings, O(n log n (d + m D)) beyond, and O(n k log n) for Leiden, once, and 1 to 3 times on two thirds of the prompts for each resolution that is tried (3 to 17 by default); five fits of `estimator` besides; memory O(n (d + m D + k))";
    const EXAMPLE: &'static str = "neighbors = 30\nagreement = 0.35\nresolution = \"auto\"\nminimum_size = 10\n";

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.estimator.as_mut().map_or(Ok(()), |estimator| estimator.prepare(registry))
    }
}

impl TaskDiscoverer for GraphConfig {
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        self.check()?;
        discover::discover(self, set, cx)
    }
}

router_core::register!(DiscovererRole, GraphConfig);
