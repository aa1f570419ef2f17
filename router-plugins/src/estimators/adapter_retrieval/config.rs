//! Parameters of the adapter retrieval estimator.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit;
use super::fitted::AdapterRetrievalEstimator;
use crate::ranges::out_of_range;

/// Parameters of the `adapter-retrieval` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterRetrievalConfig {
    /// Clusters that stand for tasks where the router discovers none; fewer where fewer prompts differ. If left out, which is the default, one for every 20 prompts, at most
    /// 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub clusters: Option<usize>,
    /// Examples, drawn at random, whose mean embedding represents a task; all where it has fewer. Default 64.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub examples: usize,
    /// Adapters that a task lists at most, the best. Default 32.
    #[schemars(range(min = 1, max = 65_536))]
    pub adapters: usize,
    /// Tasks that are retrieved for a prompt. If left out, which is the default, chosen by cross-validation among 1, 2, 4 and 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub retrieved: Option<usize>,
    /// What similarities of retrieved tasks are divided by before the softmax. If left out, which is the default, chosen among 0.02, 0.1 and 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub temperature: Option<f64>,
    /// A score is pulled toward the adapter's mean as if by this many outcomes. Default 4.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub shrinkage: f64,
    /// Folds of the cross-validation that chooses what is left out; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
}

impl Default for AdapterRetrievalConfig {
    fn default() -> Self {
        Self {
            clusters: None,
            examples: 64,
            adapters: 32,
            retrieved: None,
            temperature: None,
            shrinkage: 4.0,
            folds: 5,
        }
    }
}

impl PluginConfig for AdapterRetrievalConfig {
    const NAME: &'static str = "adapter-retrieval";
    const SUMMARY: &'static str = "Thousands of adapters: a few tasks are retrieved, and each lists its best adapters";
    const SOURCE: &'static str = "LORAUTER, arXiv 2601.21795";
    const COST: &'static str = "fit O(n T d) an iteration of k-means, O(o log o) for o outcomes; O(T d + retrieved L) a prompt, T tasks that list L adapters, and m writes";
    const EXAMPLE: &'static str = "clusters = 32\nretrieved = 3\nadapters = 16\n";
}

impl AdapterRetrievalConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("clusters", self.clusters.unwrap_or(1)),
            ("examples", self.examples),
            ("adapters", self.adapters),
            ("retrieved", self.retrieved.unwrap_or(1)),
        ] {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        if let Some(temperature) = self.temperature.filter(|value| !(0.001..=1000.0).contains(value)) {
            return out_of_range("temperature", &temperature, "0.001 to 1000");
        }
        if !(self.shrinkage.is_finite() && self.shrinkage >= 0.0) {
            return out_of_range("shrinkage", &self.shrinkage, "a finite number, at least 0");
        }
        if self.folds < 2 {
            return out_of_range("folds", &self.folds, "at least 2");
        }
        Ok(())
    }
}

impl QualityEstimator for AdapterRetrievalConfig {
    type Fitted = AdapterRetrievalEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<AdapterRetrievalEstimator> {
        self.check()?;
        fit::fit(self, set, tasks, cx)
    }
}

router_core::register!(EstimatorRole, AdapterRetrievalConfig);
