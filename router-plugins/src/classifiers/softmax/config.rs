//! Parameters of the softmax classifier.

use router_core::prelude::*;
use router_core::registry::config::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::classifiers::softmax::fit;
use crate::classifiers::softmax::fitted::SoftmaxClassifier;

/// Parameters of the `softmax` classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SoftmaxConfig {
    /// Penalty on the squared weights: the objective is the mean cross-entropy + l2 / 2 * the sum of squared weights. Default
    /// 0.05. In the terms of scikit-learn, C = 1 / (l2 * prompts).
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub l2: f64,
    /// Whether embeddings are centered and brought to a mean variance of 1 a dimension first (all dimensions by the same
    /// factor, which keeps their geometry), so that one `l2` serves every embedder. Default true.
    pub standardize: bool,
    /// The most iterations of L-BFGS. Default 200.
    #[schemars(range(min = 1, max = 100_000))]
    pub iterations: usize,
    /// Stops where no element of the gradient is larger. Default 0.0001.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    /// Confidence below which a prompt is assigned to no task, in [0, 1]. Chosen on held-out prompts if left out, which is
    /// the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f64>,
    /// Share of the prompts that is held out to fit the temperature and to choose the threshold. Default 0.2.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub held_out_share: f64,
}

impl Default for SoftmaxConfig {
    fn default() -> Self {
        Self { l2: 0.05, standardize: true, iterations: 200, tolerance: 1e-4, threshold: None, held_out_share: 0.2 }
    }
}

impl PluginConfig for SoftmaxConfig {
    const NAME: &'static str = "softmax";
    const SUMMARY: &'static str =
        "Multinomial logistic regression, no task below a confidence chosen on held-out prompts";
    const SOURCE: &'static str = "Multinomial logistic regression; temperature after Guo et al., arXiv 1706.04599";
    const COST: &'static str = "fit O(n d tasks) an iteration, some tens of iterations, twice; O(d tasks) a prompt";
    const EXAMPLE: &'static str = "l2 = 0.05\nheld_out_share = 0.2\n";
}

impl TaskClassifier for SoftmaxConfig {
    type Fitted = SoftmaxClassifier;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<SoftmaxClassifier> {
        // For configurations that were built in code.
        check(self)?;
        if tasks.map().assignments().len() != set.len() {
            return Err(Error::shape("prompts of a task map", set.len(), tasks.map().assignments().len()));
        }
        fit::fit(self, set, tasks, cx)
    }
}

router_core::register!(ClassifierRole, SoftmaxConfig);
