//! Parameters of the forest.

use rayon::prelude::*;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::ForestEstimator;
use super::grow::Grower;
use super::targets::Targets;
use crate::ranges::out_of_range;

/// Parameters of the `forest` estimator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForestConfig {
    /// T, the trees. More are better, with falling returns, and cost in proportion. Default 200.
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: usize,
    /// Prompts at least of a leaf. Fewer fit finer and noisier. Default 15.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_leaf: usize,
    /// Share of the embedding's numbers that a node looks at, drawn anew for each. Default 1.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub features: f64,
    /// Outcomes that a node's mean is worth to the nodes below it. Default 1.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub prior: f64,
    /// Whether cuts look at how models compare on a prompt, rather than at how well they all do. Default true.
    pub relative: bool,
}

impl Default for ForestConfig {
    fn default() -> Self {
        Self { trees: 200, minimum_leaf: 15, features: 1.0, prior: 1.0, relative: true }
    }
}

impl PluginConfig for ForestConfig {
    const NAME: &'static str = "forest";
    const SUMMARY: &'static str = "Extremely randomized trees, cut where the order of the models changes";
    const SOURCE: &'static str = "Geurts, Ernst and Wehenkel, Extremely randomized trees, Machine Learning 63 (2006)";
    const COST: &'static str =
        "fit O(T n d min(m, 32) log n) for T trees, and O(T n m log n) for the leaves; O(T (log n + m)) a prompt";
    const EXAMPLE: &'static str = "trees = 100\nminimum_leaf = 10\n";
}

impl ForestConfig {
    /// Checks what a configuration built in code may get wrong; one that is read from a file is checked by its schema.
    fn check(&self) -> Result<()> {
        if self.trees == 0 {
            return out_of_range("trees", &0, "at least 1");
        }
        if self.minimum_leaf == 0 {
            return out_of_range("minimum_leaf", &0, "at least 1");
        }
        if !(self.features > 0.0 && self.features <= 1.0) {
            return out_of_range("features", &self.features, "above 0 and at most 1");
        }
        if !(self.prior >= 0.0 && self.prior.is_finite()) {
            return out_of_range("prior", &self.prior, "at least 0");
        }
        Ok(())
    }
}

impl QualityEstimator for ForestConfig {
    type Fitted = ForestEstimator;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<ForestEstimator> {
        self.check()?;
        set.embeddings().check_finite("embeddings")?;
        let targets = Targets::new(set, tasks.global(), self.relative);
        let bar = cx.begin("forest", Some(self.trees as u64));
        let trees = (0..self.trees)
            .into_par_iter()
            .map(|tree| {
                cx.check_cancelled()?;
                let cx = cx.child(&format!("tree/{tree}"));
                let tree = Grower::new(self, set, &targets, &cx).grow();
                bar.advance(1);
                Ok(tree)
            })
            .collect::<Result<Vec<_>>>()?;
        ForestEstimator::new(&trees, set.embeddings().cols(), set.models().len())
    }
}

router_core::register!(EstimatorRole, ForestConfig);
