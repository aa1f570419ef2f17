//! A custom estimator, from nothing to a row of the table: quality by the length of the prompt.
//!
//! `cargo run --release -p router-examples --example custom_estimator`
#![allow(clippy::print_stdout, reason = "an example prints")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration is the plugin: its fields are the parameters, its schema holds their ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LengthConfig {
    /// Number of classes of length, each with as many training prompts.
    #[schemars(range(min = 1, max = 100))]
    pub classes: usize,
    /// A class's mean is pulled toward the model's mean over all prompts as if by this many outcomes.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub shrinkage: f64,
}

impl Default for LengthConfig {
    fn default() -> Self {
        Self { classes: 5, shrinkage: 20.0 }
    }
}

impl PluginConfig for LengthConfig {
    const NAME: &'static str = "length";
    const SUMMARY: &'static str = "Every model's mean quality on prompts of about the same length.";
    const SOURCE: &'static str = "this example";
    const COST: &'static str = "fit O(n log n + outcomes); O(m) a prompt";
    const EXAMPLE: &'static str = "classes = 4";
}

// One line makes it a part of every registry that is collected in a program that links this crate.
router_core::register!(EstimatorRole, LengthConfig);

impl QualityEstimator for LengthConfig {
    type Fitted = FittedLength;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<FittedLength> {
        let mut lengths: Vec<u32> = set.prompts().map(Prompt::approximate_tokens).collect();
        lengths.sort_unstable();
        let bounds: Vec<u32> =
            (1..self.classes).filter_map(|class| lengths.get(class * lengths.len() / self.classes).copied()).collect();
        let models = set.models().len();
        let mut sums = vec![(0.0, 0.0); self.classes * models];
        for (row, outcome) in set.outcomes().iter() {
            let class = bounds.partition_point(|&bound| bound <= set.prompt(row).approximate_tokens());
            if let Some((quality, weight)) = sums.get_mut(class * models + outcome.model) {
                *quality += f64::from(outcome.quality * outcome.weight);
                *weight += f64::from(outcome.weight);
            }
        }
        let strength = self.shrinkage.max(1e-9);
        let means = sums
            .iter()
            .zip(tasks.global().iter().cycle())
            .map(|((quality, weight), global)| ((quality + strength * global) / (weight + strength)) as f32)
            .collect();
        Ok(FittedLength { bounds, means: Matrix::from_vec(self.classes, models, means)? })
    }
}

/// What fitting returns: the bounds between the classes, and a mean a class and model.
pub struct FittedLength {
    bounds: Vec<u32>,
    means: Matrix,
}

impl FittedEstimator for FittedLength {
    fn models(&self) -> usize {
        self.means.cols()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        out.reset(batch.prompts.len(), self.means.cols());
        for (row, prompt) in batch.prompts.iter().enumerate() {
            let class = self.bounds.partition_point(|&bound| bound <= prompt.approximate_tokens());
            out.quality_mut().row_mut(row).copy_from_slice(self.means.row(class));
        }
        Ok(())
    }
}

impl Persist for FittedLength {
    const FORMAT: &'static str = "example-length";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_u32("bounds", &self.bounds)?;
        writer.put_matrix("means", &self.means)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let (bounds, means) = (reader.get_u32("bounds")?, reader.get_matrix("means")?);
        // The file may be hostile: a class without a mean would be read out of bounds.
        if bounds.len() + 1 != means.rows() || !bounds.is_sorted() {
            return Err(reader.corrupt("the bounds do not belong to the means"));
        }
        Ok(Self { bounds, means })
    }
}

/// Measures it beside the references on a synthetic world.
pub fn main() -> Result<()> {
    let registry = {
        let mut registry = router_plugins::builtin()?;
        registry.register::<EstimatorRole, LengthConfig>("router-examples")?;
        registry
    };
    measure::compare(&registry)
}

mod measure {
    use std::sync::Arc;

    use router_core::{Registry, Result, RouterConfig};
    use router_data::synthetic::{World, WorldConfig};
    use router_eval::{NamedConfig, Options};

    /// Cross-validates the estimator and prints its row and the references'.
    pub(super) fn compare(registry: &Registry) -> Result<()> {
        let text = "[embedder]\nuse = \"hashing\"\n[[estimators]]\nuse = \"length\"\n";
        let config = RouterConfig::from_toml(text, "length.toml")?;
        let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?;
        let options = Options { resamples: 1_000, ..Options::default() };
        let named = [NamedConfig { name: "length".to_owned(), config }];
        let cx = router_core::FitContext::new(7);
        let evaluation = router_eval::cross_validate(&named, registry, &[Arc::new(world.dataset)], 3, &options, &cx)?;
        for row in evaluation.summary.routers.iter().chain(&evaluation.summary.references) {
            println!("{:<20} {:.3}", row.name, row.quality.unwrap_or(f64::NAN));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The length of a minimal world's prompts says nothing about their tasks, so this estimator is no better than the mean there.
    router_core::conformance!(EstimatorRole, LengthConfig, except = ["better than the global mean"]);
}
