//! Parameters of the boosted trees.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::boost;
use super::fitted::TreesEstimator;
use crate::ranges::out_of_range;

/// Parameters of the `trees` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TreesConfig {
    /// T, the trees of every model. If left out, which is the default, chosen on held-out prompts, 200 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: Option<usize>,
    /// Share of a tree's value that counts. Default 0.1.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub learning_rate: f64,
    /// Cuts between the root and a leaf, at most. Default 3.
    #[schemars(range(min = 1, max = 16))]
    pub depth: usize,
    /// Prompts at least of a leaf. Default 20.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_leaf: usize,
    /// Penalty on half the squared value of a leaf. Default 1.
    #[schemars(range(min = 0.000_001, max = 1.0e6))]
    pub penalty: f64,
    /// Share of the embedding's numbers that a tree looks at, drawn anew for each. Default 0.25.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub features: f64,
    /// Bins that every number is put into, at most. Default 64.
    #[schemars(range(min = 2, max = 256))]
    pub bins: usize,
}

impl Default for TreesConfig {
    fn default() -> Self {
        Self { trees: None, learning_rate: 0.1, depth: 3, minimum_leaf: 20, penalty: 1.0, features: 0.25, bins: 64 }
    }
}

impl PluginConfig for TreesConfig {
    const NAME: &'static str = "trees";
    const SUMMARY: &'static str = "Gradient-boosted trees for every model, on histograms";
    const SOURCE: &'static str = "Friedman (2001); XGBoost, arXiv 1603.02754; LightGBM, NIPS 2017";
    const COST: &'static str =
        "fit O(m T D f n d) for T trees of depth D that look at a share f of the numbers; O(m T D) a prompt";
    const EXAMPLE: &'static str = "trees = 40\ndepth = 3\n";
}

impl TreesConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        for (field, value) in
            [("trees", self.trees.unwrap_or(1)), ("depth", self.depth), ("minimum_leaf", self.minimum_leaf)]
        {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        for (field, value) in [("learning_rate", self.learning_rate), ("features", self.features)] {
            if !(0.001..=1.0).contains(&value) {
                return out_of_range(field, &value, "0.001 to 1");
            }
        }
        if !(1e-6..=1e6).contains(&self.penalty) {
            return out_of_range("penalty", &self.penalty, "0.000001 to 1000000");
        }
        if !(2..=256).contains(&self.bins) {
            return out_of_range("bins", &self.bins, "2 to 256");
        }
        Ok(())
    }
}

impl QualityEstimator for TreesConfig {
    type Fitted = TreesEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<TreesEstimator> {
        self.check()?;
        boost::fit(self, set, tasks, cx)
    }
}

router_core::register!(EstimatorRole, TreesConfig);
