//! Parameters of the support vector machines.
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::SvmEstimator;
use crate::estimators::linear::{Loss, Parameters, check, fit_all, held_out_scores};
use crate::platt;

/// Parameters of the `svm` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SvmConfig {
    /// Penalty on half the squared weights, in outcomes: embeddings are first centered and scaled to a mean squared length of 1. In
    /// the terms of scikit-learn, 1 / C on embeddings so scaled. If left out, which is the default, chosen by cross-validation among
    /// 0.03, 0.1, 0.3, 1, 3, 10, 30, 100 and 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0e-6, max = 1.0e9))]
    pub penalty: Option<f64>,
    /// Folds of the cross-validation, which also gives the margins that quality is fitted to; near duplicates share a fold. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
}

impl Default for SvmConfig {
    fn default() -> Self {
        Self { penalty: None, folds: 5 }
    }
}

impl PluginConfig for SvmConfig {
    const NAME: &'static str = "svm";
    const SUMMARY: &'static str = "Linear support vector machines, one a model, with quality by Platt's scaling";
    const SOURCE: &'static str =
        "Cortes and Vapnik, Support-vector networks (1995); Platt (1999); as a router: RouterBench, arXiv 2403.12031";
    const COST: &'static str =
        "that of `logistic` with more steps, and `folds` fits more for the margins; O(m d) a prompt";
    const EXAMPLE: &'static str = "penalty = 10.0\n";
}

/// The squared hinge of a margin; a target between 0 and 1 is a mixture of both.
struct SquaredHinge;

impl Loss for SquaredHinge {
    const CURVATURE: f64 = 2.0;

    fn value(score: f32, target: f32) -> f32 {
        target * (1.0 - score).max(0.0).powi(2) + (1.0 - target) * (1.0 + score).max(0.0).powi(2)
    }

    #[inline(always)]
    fn derivative(score: f32, target: f32) -> f32 {
        2.0 * ((1.0 - target) * (1.0 + score).max(0.0) - target * (1.0 - score).max(0.0))
    }
}

impl QualityEstimator for SvmConfig {
    type Fitted = SvmEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<SvmEstimator> {
        check(self.penalty, self.folds)?;
        let parameters = Parameters { penalty: self.penalty, folds: self.folds, name: "svm" };
        let fallback = vec![0.0; set.models().len()];
        let fitted = fit_all::<SquaredHinge>(parameters, set, &fallback, cx)?;
        let held_out = held_out_scores::<SquaredHinge>(parameters, fitted.penalty, set, cx)?;
        let of_model = |((held_out, &known), &mean)| platt::fit(if known { held_out } else { &[] }, mean);
        let maps = held_out.iter().map(Vec::as_slice).zip(&fitted.known).zip(tasks.global()).map(of_model).collect();
        SvmEstimator::new(fitted.layer, maps, fitted.penalty)
    }
}

router_core::register!(EstimatorRole, SvmConfig);
