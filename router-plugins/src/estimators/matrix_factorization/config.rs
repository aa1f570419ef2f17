//! Parameters of the matrix factorization, and the estimator that is ready.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::{Factorization, FactorizationNetwork};
use crate::estimators::network::{BaseRates, Ensemble, Loss, Training, dimension_of, ensemble, ensemble_estimator};
use crate::nn::Schedule;
use crate::ranges::out_of_range;

/// What a factorization is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FactorizationLoss {
    /// Every outcome by itself (EmbedLLM).
    #[default]
    Outcomes,
    /// The outcomes of a prompt with each other (RouteLLM).
    Pairs,
}

/// Parameters of the `matrix-factorization` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixFactorizationConfig {
    /// Dimension of the models' vectors. Default 32 (RouteLLM: 128; EmbedLLM: 232 for 112 models).
    #[schemars(range(min = 1, max = 8192))]
    pub rank: usize,
    /// What it is trained on: `outcomes` (default) or `pairs`.
    pub loss: FactorizationLoss,
    /// Share of the projection that is dropped in training. Default 0.2.
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

impl Default for MatrixFactorizationConfig {
    fn default() -> Self {
        Self {
            rank: 32,
            loss: FactorizationLoss::Outcomes,
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

impl PluginConfig for MatrixFactorizationConfig {
    const NAME: &'static str = "matrix-factorization";
    const SUMMARY: &'static str = "A vector for every model, multiplied with a projection of the prompt's embedding";
    const SOURCE: &'static str = "RouteLLM, arXiv 2406.18665 (section 4.2); EmbedLLM, arXiv 2410.02223";
    const COST: &'static str = "fit O(epochs n r (d + m)) a member of rank r; O(r (d + m)) a prompt and member";
    const EXAMPLE: &'static str = "rank = 32\nloss = \"pairs\"\n";
}

impl QualityEstimator for MatrixFactorizationConfig {
    type Fitted = MatrixFactorizationEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<MatrixFactorizationEstimator> {
        let dimension = dimension_of(set)?;
        if self.rank == 0 {
            return out_of_range("rank", &0, "at least 1");
        }
        let base = BaseRates::of(set.outcomes());
        let (loss, level) = match self.loss {
            FactorizationLoss::Outcomes => (Loss::Outcomes, None),
            FactorizationLoss::Pairs => (Loss::Pairs, Some(base.mean_logit())),
        };
        let architecture = Factorization { dropout: self.dropout, level };
        let schedule = Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: self.patience,
        };
        let members = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            let initial = Factorization::initial(dimension, self.rank, &base, &mut cx.stream("weights"));
            let training = Training { set, train_rows, held_out, loss, schedule: schedule.clone() };
            let mut network = training.fit(&architecture, initial, cx, "matrix factorization")?;
            network.models = base.fill_unseen(network.models)?;
            Ok(network)
        })?;
        Ok(MatrixFactorizationEstimator(Ensemble::new(members)?))
    }
}

router_core::register!(EstimatorRole, MatrixFactorizationConfig);

/// Matrix factorizations that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixFactorizationEstimator(pub(super) Ensemble<FactorizationNetwork>);

impl MatrixFactorizationEstimator {
    /// The vectors of all models, m x rank, as the first member knows them: models that answer the same prompts point the same way.
    pub fn model_embeddings(&self) -> MatrixView<'_> {
        self.0.first().models.weights().view()
    }
}

ensemble_estimator!(MatrixFactorizationEstimator, "matrix-factorization-estimator");
