//! Parameters of the dual contrastive estimator, and the estimator that is ready.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::DualContrastiveNetwork;
use super::objective::Contrasts;
use crate::estimators::network::{BaseRates, Ensemble, dimension_of, ensemble, ensemble_estimator};
use crate::estimators::prompt_clusters::PromptClusters;
use crate::nn::random::initial_weights;
use crate::nn::{Parameter, Schedule, train};
use crate::ranges::out_of_range;

/// Parameters of the `dual-contrastive` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DualContrastiveConfig {
    /// Dimension of the models' vectors. Default 64 (RouterDC: its encoder's 768).
    #[schemars(range(min = 1, max = 8192))]
    pub width: usize,
    /// What cosines are divided by. Default 0.2 (RouterDC: 1).
    #[schemars(range(min = 0.001, max = 100.0))]
    pub temperature: f64,
    /// Best models of a prompt that are pulled to it. Default 3.
    #[schemars(range(min = 1, max = 65_536))]
    pub positives: usize,
    /// Worst models of a prompt that are pushed away. Default 3.
    #[schemars(range(min = 1, max = 65_536))]
    pub negatives: usize,
    /// Weight of the sample-sample loss; 0 leaves it out. Default 1.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub lambda: f64,
    /// Clusters of prompts. Default 5.
    #[schemars(range(min = 1, max = 65_536))]
    pub clusters: usize,
    /// Prompts of other clusters that a prompt is pushed away from. Default 3.
    #[schemars(range(min = 1, max = 65_536))]
    pub out_of_cluster: usize,
    /// Share of the projection that is dropped in training. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Epochs at most. Default 60.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: usize,
    /// Prompts a step. Default 128 (RouterDC: 64).
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Step size of AdamW. Default 0.003.
    #[schemars(range(min = 0.000_000_1, max = 1.0))]
    pub learning_rate: f64,
    /// Weight decay of AdamW: in a step, weights shrink by `learning_rate * weight_decay`. Default 5.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Share of the prompts that a member does not train on, for calibration and early stopping; near duplicates stay together. With 0, qualities are calibrated on
    /// what was trained on. Default 0.2.
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

impl Default for DualContrastiveConfig {
    fn default() -> Self {
        Self {
            width: 64,
            temperature: 0.2,
            positives: 3,
            negatives: 3,
            lambda: 1.0,
            clusters: 5,
            out_of_cluster: 3,
            dropout: 0.2,
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

impl PluginConfig for DualContrastiveConfig {
    const NAME: &'static str = "dual-contrastive";
    const SUMMARY: &'static str =
        "A vector for every model near the prompts that it answers, by two contrastive losses";
    const SOURCE: &'static str = "Chen et al., RouterDC, arXiv 2409.19886 (section 3)";
    const COST: &'static str = "fit O(epochs n (d r + (positives + negatives) r + m log m)) a member of width r; O(r (d + m)) a prompt and member";
    const EXAMPLE: &'static str = "width = 32\npositives = 2\nlambda = 0.5\n";
}

impl DualContrastiveConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("width", self.width),
            ("positives", self.positives),
            ("negatives", self.negatives),
            ("clusters", self.clusters),
            ("out_of_cluster", self.out_of_cluster),
        ] {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        if !(0.001..=100.0).contains(&self.temperature) {
            return out_of_range("temperature", &self.temperature, "0.001 to 100");
        }
        if !(0.0..=1000.0).contains(&self.lambda) {
            return out_of_range("lambda", &self.lambda, "0 to 1000");
        }
        Ok(())
    }

    /// Weights and bias of the projection, then the models' vectors.
    fn initial(&self, dimension: usize, models: usize, cx: &FitContext) -> Vec<Parameter> {
        let (width, mut stream) = (self.width, cx.stream("weights"));
        vec![
            Parameter::weights(width, dimension, initial_weights(width * dimension, dimension, &mut stream)),
            Parameter::bias(vec![0.0; width]),
            // A direction has no zero to decay to: lengths do not count.
            Parameter {
                decayed: false,
                ..Parameter::weights(models, width, initial_weights(models * width, width, &mut stream))
            },
        ]
    }
}

impl QualityEstimator for DualContrastiveConfig {
    type Fitted = DualContrastiveEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<DualContrastiveEstimator> {
        let dimension = dimension_of(set)?;
        self.check()?;
        let base = BaseRates::of(set.outcomes());
        let clusters = PromptClusters::new(set, self.clusters, cx)?;
        let (of_rows, count) = clusters.with_own_for_none();
        let members = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            let contrasts = Contrasts::new(self, set, &base, (&of_rows, count), train_rows, held_out);
            let mut parameters = self.initial(dimension, set.models().len(), cx);
            let schedule = Schedule {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
                weight_decay: self.weight_decay,
                patience: if held_out.is_empty() { usize::MAX } else { self.patience },
            };
            train(&contrasts, &mut parameters, train_rows, &schedule, cx, "dual contrastive")?;
            let judged = if held_out.is_empty() { train_rows } else { held_out };
            let (mut network, _) = contrasts.extract(&parameters, judged)?;
            network.models = base.fill_unseen(network.models)?;
            Ok(network)
        })?;
        Ok(DualContrastiveEstimator(Ensemble::new(members)?))
    }
}

router_core::register!(EstimatorRole, DualContrastiveConfig);

/// Dual contrastive networks that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct DualContrastiveEstimator(Ensemble<DualContrastiveNetwork>);

impl DualContrastiveEstimator {
    /// The vectors of all models, m x width, as the first member knows them: models that answer the same prompts point the same way.
    pub fn model_embeddings(&self) -> MatrixView<'_> {
        self.0.first().models.weights().view()
    }
}

ensemble_estimator!(DualContrastiveEstimator, "dual-contrastive-estimator");
