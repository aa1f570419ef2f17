//! Parameters of the clusters estimator.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit;
use super::fitted::ClustersEstimator;
use crate::ranges::out_of_range;

/// Parameters of the `clusters` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClustersConfig {
    /// Number of clusters; as many as there are different prompts where there are fewer. If left out, which is the default, chosen
    /// by cross-validation among 4, 8, 16, 32, 64 and 128, at most a fifth of the prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub k: Option<usize>,
    /// Clusters whose scores a prompt gets the mean of. If left out, which is the default, chosen among 1, 2 and 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub nearest: Option<usize>,
    /// A score is pulled toward the model's mean as if by this many outcomes. Default 4.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub shrinkage: f64,
    /// How much cost counts against quality, from 0 (default), not at all; 1 - alpha of Avengers-Pro. Above 0 estimates are utilities.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub efficiency: f64,
    /// Folds of the cross-validation that chooses what is left out; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
    /// How often clustering starts anew; the best result counts. Default 4.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: usize,
    /// The most iterations of a restart. Default 100.
    #[schemars(range(min = 1, max = 100_000))]
    pub iterations: usize,
}

impl Default for ClustersConfig {
    fn default() -> Self {
        Self { k: None, nearest: None, shrinkage: 4.0, efficiency: 0.0, folds: 5, restarts: 4, iterations: 100 }
    }
}

impl PluginConfig for ClustersConfig {
    const NAME: &'static str = "clusters";
    const SUMMARY: &'static str =
        "Every model's mean quality in the clusters nearest to the prompt, k by cross-validation";
    const SOURCE: &'static str =
        "Avengers, arXiv 2505.19797; Avengers-Pro, arXiv 2508.12631; UniRoute, arXiv 2502.08773 (section 5.1)";
    const COST: &'static str = "fit O(n k d) an iteration and restart, about `folds` times the sum over the k that are tried, and O(n m); O(k d + nearest m) a prompt";
    const EXAMPLE: &'static str = "k = 32\nnearest = 2\nshrinkage = 4.0\n";
}

impl ClustersConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("k", self.k.unwrap_or(1)),
            ("nearest", self.nearest.unwrap_or(1)),
            ("restarts", self.restarts),
            ("iterations", self.iterations),
        ] {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        if !(self.shrinkage.is_finite() && self.shrinkage >= 0.0) {
            return out_of_range("shrinkage", &self.shrinkage, "a finite number, at least 0");
        }
        if !(0.0..=0.99).contains(&self.efficiency) {
            return out_of_range("efficiency", &self.efficiency, "0 to 0.99");
        }
        if self.folds < 2 {
            return out_of_range("folds", &self.folds, "at least 2");
        }
        Ok(())
    }
}

impl QualityEstimator for ClustersConfig {
    type Fitted = ClustersEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<ClustersEstimator> {
        self.check()?;
        fit::fit(self, set, cx)
    }
}

router_core::register!(EstimatorRole, ClustersConfig);
