//! Parameters of the item response model, and the estimator that is ready.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::{ResponseNetwork, Responses};
use crate::estimators::network::{BaseRates, Ensemble, Loss, Training, dimension_of, ensemble, ensemble_estimator};
use crate::nn::Schedule;
use crate::ranges::out_of_range;

/// Parameters of the `irt` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrtConfig {
    /// Dimensions of ability. Default 16 (IRT-Router: 25).
    #[schemars(range(min = 1, max = 4096))]
    pub dimensions: usize,
    /// Epochs at most. Default 60.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: usize,
    /// Prompts a step. Default 128.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Step size of AdamW. Default 0.003.
    #[schemars(range(min = 0.000_000_1, max = 1.0))]
    pub learning_rate: f64,
    /// Weight decay of AdamW: in a step, weights shrink by `learning_rate * weight_decay`; abilities do not. Default 5.
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

impl Default for IrtConfig {
    fn default() -> Self {
        Self {
            dimensions: 16,
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

impl PluginConfig for IrtConfig {
    const NAME: &'static str = "irt";
    const SUMMARY: &'static str =
        "Item response theory: abilities of models, difficulty and discrimination of the prompt";
    const SOURCE: &'static str = "IRT-Router, arXiv 2506.01048 (MIRT-Router)";
    const COST: &'static str =
        "fit O(epochs n k (d + m)) a member, k dimensions of ability; O(k (d + m)) a prompt and member";
    const EXAMPLE: &'static str = "dimensions = 16\n";
}

impl QualityEstimator for IrtConfig {
    type Fitted = IrtEstimator;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, cx: &FitContext) -> Result<IrtEstimator> {
        let dimension = dimension_of(set)?;
        if self.dimensions == 0 {
            return out_of_range("dimensions", &0, "at least 1");
        }
        let base = BaseRates::of(set.outcomes());
        let schedule = Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: self.patience,
        };
        let members = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            let initial = Responses::initial(dimension, self.dimensions, &base, &mut cx.stream("weights"));
            let training = Training { set, train_rows, held_out, loss: Loss::Outcomes, schedule: schedule.clone() };
            training.fit(&Responses, initial, cx, "item responses")?.with_unseen(&base.seen)
        })?;
        Ok(IrtEstimator(Ensemble::new(members)?))
    }
}

router_core::register!(EstimatorRole, IrtConfig);

/// Item response models that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct IrtEstimator(pub(super) Ensemble<ResponseNetwork>);

impl IrtEstimator {
    /// The abilities of all models, m x dimensions, as the first member knows them.
    pub fn abilities(&self) -> MatrixView<'_> {
        self.0.first().abilities().view()
    }

    /// Writes how much every prompt (n x d) discriminates by each dimension of ability into `out`, which it resets to n x
    /// dimensions, as the first member knows it. Zero or more.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension of embeddings.
    pub fn discrimination(&self, embeddings: MatrixView<'_>, out: &mut Matrix) -> Result<()> {
        self.check(embeddings)?;
        self.0.first().discrimination(embeddings, out);
        Ok(())
    }

    /// The difficulty of every prompt (n x d), as the first member knows it: the higher, the fewer models answer well.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension of embeddings.
    pub fn difficulty(&self, embeddings: MatrixView<'_>) -> Result<Vec<f32>> {
        self.check(embeddings)?;
        Ok(self.0.first().difficulty(embeddings))
    }

    fn check(&self, embeddings: MatrixView<'_>) -> Result<()> {
        if embeddings.cols() != self.0.inputs() {
            return Err(Error::shape("dimension of embeddings", self.0.inputs(), embeddings.cols()));
        }
        Ok(())
    }
}

ensemble_estimator!(IrtEstimator, "irt-estimator");
