//! Parameters of the neighbors estimator.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit;
use super::fitted::NeighborsEstimator;
use crate::neighbors::{EXACT_LIMIT, Search};
use crate::ranges::out_of_range;

/// What makes two prompts similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The cosine of their embeddings, which orders embeddings of unit length as the Euclidean distance does.
    #[default]
    Cosine,
    /// The cosine of their embeddings less the mean embedding of training, which all prompts have in common.
    Centered,
    /// Whichever routes better in cross-validation; ties to the cosine.
    Automatic,
}

/// Parameters of the `neighbors` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeighborsConfig {
    /// Training prompts that vote; all of them where there are fewer. If left out, which is the default, chosen by
    /// cross-validation among 5, 10, 20, 40, 80, 160, 320 and 640.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub k: Option<usize>,
    /// How fast a vote's weight falls with similarity: exp(similarity / temperature). The lower, the more the nearest count;
    /// 1000 weighs all alike. If left out, which is the default, chosen among 0.02, 0.05, 0.1, 0.2 and weighing all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0001, max = 1.0e6))]
    pub temperature: Option<f64>,
    /// A vote is pulled toward the model's mean as if by this many outcomes as near as the nearest. If left out, which is the
    /// default, chosen among 1, 4 and 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub shrinkage: Option<f64>,
    /// What makes two prompts similar: `cosine` (default), `centered`, or `automatic`, chosen with the rest by cross-validation at twice
    /// the cost.
    pub metric: Metric,
    /// Folds of the cross-validation that chooses what is left out; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
    /// How neighbors are searched: `automatic` (default), `exact` or `approximate`. Cross-validation is always exact.
    pub search: Search,
    /// Up to how many training prompts the automatic search is exact. Default 50,000.
    #[schemars(range(min = 0))]
    pub exact_limit: usize,
}

impl Default for NeighborsConfig {
    fn default() -> Self {
        Self {
            k: None,
            temperature: None,
            shrinkage: None,
            metric: Metric::Cosine,
            folds: 5,
            search: Search::Automatic,
            exact_limit: EXACT_LIMIT,
        }
    }
}

impl NeighborsConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        match (self.k, self.temperature, self.shrinkage) {
            (Some(0), _, _) => out_of_range("k", &0, "at least 1"),
            (_, Some(x), _) if !x.is_finite() || x <= 0.0 => out_of_range("temperature", &x, "a finite number above 0"),
            (_, _, Some(x)) if !x.is_finite() || x < 0.0 => {
                out_of_range("shrinkage", &x, "a finite number, at least 0")
            }
            _ if self.folds < 2 => out_of_range("folds", &self.folds, "at least 2"),
            _ => Ok(()),
        }
    }
}

impl PluginConfig for NeighborsConfig {
    const NAME: &'static str = "neighbors";
    const SUMMARY: &'static str =
        "Outcomes of the nearest training prompts, weighed by similarity, tuned by cross-validation";
    const SOURCE: &'static str = "Hu et al., RouterBench, arXiv 2403.12031 (nearest-neighbor router)";
    const COST: &'static str = "fit O(h n d) for at most 20,000 held-out prompts h, nothing where all parameters are given; O(n d + k m) a prompt up to `exact_limit` training prompts, O(d log n + k m) beyond";
    const EXAMPLE: &'static str = "k = 40\ntemperature = 0.1\nshrinkage = 1.0\n";
}

impl QualityEstimator for NeighborsConfig {
    type Fitted = NeighborsEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<NeighborsEstimator> {
        self.check()?;
        fit::fit(self, set, cx)
    }
}

router_core::register!(EstimatorRole, NeighborsConfig);
