//! Parameters of the adapters, and their fit.

use std::sync::Arc;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::PerModelAdaptersEstimator;
use crate::estimators::linear::{Parameters, check, fit_all};
use crate::estimators::logistic::CrossEntropy;
use crate::estimators::network::{BaseRates, Loss, MultiLayer, Training, dimension_of, ensemble};
use crate::nn::{Activation, ForwardScratch, Schedule};

/// Parameters of the `per-model-adapters` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerModelAdaptersConfig {
    /// Widths of the trunk's layers, one or more. Default one layer of 128.
    #[schemars(length(min = 1), inner(range(min = 1, max = 8192)))]
    pub hidden: Vec<usize>,
    /// What follows each layer. Default `relu`.
    pub activation: Activation,
    /// Share of a layer's outputs that is dropped in training. Default 0.5.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Penalty on half the squared weights of an adapter, in outcomes, the trunk's outputs being centered and scaled to a mean squared length of
    /// 1. Default 10.
    #[schemars(range(min = 1.0e-6, max = 1.0e9))]
    pub penalty: f64,
    /// Epochs at most. Default 60.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: usize,
    /// Prompts a step. Default 128.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Step size of AdamW. Default 0.003.
    #[schemars(range(min = 0.000_000_1, max = 1.0))]
    pub learning_rate: f64,
    /// Weight decay of AdamW: in a step, weights shrink by `learning_rate * weight_decay`. Default 5.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Share of the prompts that the trunk does not train on, for early stopping; near duplicates stay together. 0 trains for all
    /// epochs. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Epochs without a better held-out loss after which training stops. Default 4.
    #[schemars(range(min = 1, max = 10_000))]
    pub patience: usize,
}

impl Default for PerModelAdaptersConfig {
    fn default() -> Self {
        Self {
            hidden: vec![128],
            activation: Activation::Relu,
            dropout: 0.5,
            penalty: 10.0,
            epochs: 60,
            batch_size: 128,
            learning_rate: 0.003,
            weight_decay: 5.0,
            held_out: 0.2,
            patience: 4,
        }
    }
}

impl PluginConfig for PerModelAdaptersConfig {
    const NAME: &'static str = "per-model-adapters";
    const SUMMARY: &'static str = "An adapter for every model on a shared, frozen trunk; new models without a new fit";
    const SOURCE: &'static str = "Feng et al., IPR, arXiv 2509.06274";
    const COST: &'static str = "fit O(epochs n h (d + m)) for a trunk of width h and O(steps m (n h + h^2)) for the adapters; O(h (d + m)) a prompt";
    const EXAMPLE: &'static str = "hidden = [128]\npenalty = 10.0\n";
}

impl QualityEstimator for PerModelAdaptersConfig {
    type Fitted = PerModelAdaptersEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<PerModelAdaptersEstimator> {
        let dimension = dimension_of(set)?;
        check(Some(self.penalty), 2)?;
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            return Err(Error::new(ErrorKind::Config, "there is no layer, or one of no width")
                .at_field("hidden")
                .help("allowed: one or more widths, each at least 1"));
        }
        let base = BaseRates::of(set.outcomes());
        let architecture = MultiLayer { activation: self.activation, dropout: self.dropout };
        let schedule = Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: self.patience,
        };
        let networks = ensemble(1, self.held_out, set, cx, |train_rows, held_out, cx| {
            let initial = MultiLayer::initial(dimension, &self.hidden, &base, &mut cx.stream("weights"));
            let training = Training { set, train_rows, held_out, loss: Loss::Outcomes, schedule: schedule.clone() };
            training.fit(&architecture, initial, cx, "trunk")
        })?;
        let Some(network) = networks.into_iter().next() else {
            return Err(Error::new(ErrorKind::Internal, "an ensemble of one has no member"));
        };
        let mut scratch = ForwardScratch::default();
        let read = Arc::new(network.trunk.forward(set.embeddings(), &mut scratch).clone());
        let rows: Vec<usize> = (0..set.len()).collect();
        let parameters = Parameters { penalty: Some(self.penalty), folds: 2, name: "adapters" };
        let fallback: Vec<f32> = tasks.global().iter().map(|&mean| CrossEntropy::logit(mean)).collect();
        let fitted = fit_all::<CrossEntropy>(parameters, &set.subset_with_embeddings(&rows, read)?, &fallback, cx)?;
        PerModelAdaptersEstimator::new(network.trunk, fitted.layer, self.penalty)
    }
}

router_core::register!(EstimatorRole, PerModelAdaptersConfig);
