//! Parameters of the multi-layer perceptron, and the estimator that is ready.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimators::network::{
    BaseRates, Ensemble, Loss, MultiLayer, MultiLayerNetwork, Training, dimension_of, ensemble, ensemble_estimator,
};
use crate::nn::{Activation, Schedule};

/// Parameters of the `mlp` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Widths of the hidden layers, one or more. Default one layer of 128.
    #[schemars(length(min = 1), inner(range(min = 1, max = 8192)))]
    pub hidden: Vec<usize>,
    /// What follows each layer. Default `relu`.
    pub activation: Activation,
    /// Share of a layer's outputs that is dropped in training. Default 0.5.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
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
    /// Share of the prompts that a member does not train on, for early stopping; near duplicates stay together. 0 trains for all
    /// epochs. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Epochs without a better held-out loss after which training stops. Default 4.
    #[schemars(range(min = 1, max = 10_000))]
    pub patience: usize,
    /// Networks that are trained apart, each holding out other prompts, and averaged; with two or more, estimates have a variance.
    /// Default 3.
    #[schemars(range(min = 1, max = 64))]
    pub members: usize,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            hidden: vec![128],
            activation: Activation::Relu,
            dropout: 0.5,
            epochs: 60,
            batch_size: 128,
            learning_rate: 0.003,
            weight_decay: 5.0,
            held_out: 0.2,
            patience: 4,
            members: 3,
        }
    }
}

impl PluginConfig for MlpConfig {
    const NAME: &'static str = "mlp";
    const SUMMARY: &'static str = "A multi-layer perceptron with an output for every model";
    const SOURCE: &'static str = "RouterBench, arXiv 2403.12031 (MLP router)";
    const COST: &'static str =
        "fit O(epochs n h (d + m)) a member, layers of width h; O(h (d + m)) a prompt and member";
    const EXAMPLE: &'static str = "hidden = [128]\nmembers = 3\n";
}

impl QualityEstimator for MlpConfig {
    type Fitted = MlpEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<MlpEstimator> {
        let dimension = dimension_of(set)?;
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
        let members = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            let initial = MultiLayer::initial(dimension, &self.hidden, &base, &mut cx.stream("weights"));
            let training = Training { set, train_rows, held_out, loss: Loss::Outcomes, schedule: schedule.clone() };
            let mut network = training.fit(&architecture, initial, cx, "mlp")?;
            network.output = base.fill_unseen(network.output)?;
            Ok(network)
        })?;
        Ok(MlpEstimator(Ensemble::new(members)?))
    }
}

router_core::register!(EstimatorRole, MlpConfig);

/// Multi-layer perceptrons that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpEstimator(pub(super) Ensemble<MultiLayerNetwork>);

ensemble_estimator!(MlpEstimator, "mlp-estimator");
