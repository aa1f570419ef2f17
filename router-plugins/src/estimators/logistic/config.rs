//! Parameters of the logistic estimator.
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::LogisticEstimator;
use crate::estimators::linear::{Loss, Parameters, check, fit_all};
use crate::nn::exponential::{cross_entropy, sigmoid};

/// Parameters of the `logistic` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogisticConfig {
    /// Penalty on half the squared weights, in outcomes: embeddings are first centered and scaled to a mean squared length of 1, so
    /// that one penalty serves every embedder. In the terms of scikit-learn, 1 / C on embeddings so scaled. If left out, which is the
    /// default, chosen by cross-validation among 0.03, 0.1, 0.3, 1, 3, 10, 30, 100 and 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0e-6, max = 1.0e9))]
    pub penalty: Option<f64>,
    /// Folds of the cross-validation; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { penalty: None, folds: 5 }
    }
}

impl PluginConfig for LogisticConfig {
    const NAME: &'static str = "logistic";
    const SUMMARY: &'static str =
        "Logistic regression of every model's quality on the embedding, penalty by cross-validation";
    const SOURCE: &'static str = "Papke and Wooldridge, Econometric methods for fractional response variables (1996); as a router: RouterBench, arXiv 2403.12031";
    const COST: &'static str =
        "fit O(n d^2 + g d^3 + t (n m d + m d^2)), t steps, g groups of models with the same prompts; O(m d) a prompt";
    const EXAMPLE: &'static str = "penalty = 3.0\n";
}

/// The cross-entropy of a logit.
pub(in crate::estimators) struct CrossEntropy;

impl CrossEntropy {
    /// The logit of a mean quality, finite for one of 0 or 1.
    pub(in crate::estimators) fn logit(mean: f64) -> f32 {
        let mean = mean.clamp(1e-4, 1.0 - 1e-4);
        (mean / (1.0 - mean)).ln() as f32
    }
}

impl Loss for CrossEntropy {
    const CURVATURE: f64 = 0.25;

    fn value(score: f32, target: f32) -> f32 {
        cross_entropy(score, target)
    }

    #[inline(always)]
    fn derivative(score: f32, target: f32) -> f32 {
        sigmoid(score) - target
    }
}

impl QualityEstimator for LogisticConfig {
    type Fitted = LogisticEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<LogisticEstimator> {
        check(self.penalty, self.folds)?;
        let fallback: Vec<f32> = tasks.global().iter().map(|&mean| CrossEntropy::logit(mean)).collect();
        let parameters = Parameters { penalty: self.penalty, folds: self.folds, name: "logistic" };
        let fitted = fit_all::<CrossEntropy>(parameters, set, &fallback, cx)?;
        LogisticEstimator::new(fitted.layer, fitted.penalty)
    }
}

router_core::register!(EstimatorRole, LogisticConfig);
