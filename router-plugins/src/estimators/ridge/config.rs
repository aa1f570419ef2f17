//! Parameters of the ridge estimator.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit;
use super::fitted::RidgeEstimator;
use crate::estimators::linear::check;

/// Parameters of the `ridge` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RidgeConfig {
    /// Penalty on the squared weights, in outcomes: embeddings are first centered and scaled to a mean squared length of 1, so
    /// that one penalty serves every embedder. In the terms of scikit-learn, its alpha on embeddings so scaled. If left out,
    /// which is the default, chosen by cross-validation among 0.1, 0.3, 1, 3, 10, 30, 100, 300 and 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0e-6, max = 1.0e9))]
    pub penalty: Option<f64>,
    /// Folds of the cross-validation; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
    /// Whether estimates have a variance, where one Gram matrix serves all models. Default true. It makes an artifact larger by
    /// d x d numbers.
    pub variance: bool,
}

impl Default for RidgeConfig {
    fn default() -> Self {
        Self { penalty: None, folds: 5, variance: true }
    }
}

impl PluginConfig for RidgeConfig {
    const NAME: &'static str = "ridge";
    const SUMMARY: &'static str =
        "Ridge regression of every model's quality on the embedding, penalty by cross-validation";
    const SOURCE: &'static str = "Hoerl and Kennard, Ridge Regression, Technometrics 12 (1970)";
    const COST: &'static str = "fit O(n d (d + m) + g d^3 + m d^2), g groups of models with the same prompts; O(m d) a prompt, O(d^2) more with variance";
    const EXAMPLE: &'static str = "penalty = 10.0\nvariance = false\n";
}

impl QualityEstimator for RidgeConfig {
    type Fitted = RidgeEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<RidgeEstimator> {
        check(self.penalty, self.folds)?;
        fit::fit(self, set, tasks, cx)
    }
}

router_core::register!(EstimatorRole, RidgeConfig);
