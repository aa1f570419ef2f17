//! Every model's mean quality over all training prompts, whatever the prompt.
//!
//! What every other estimator has to beat: with it, a router sends all prompts to the best single model. A model without
//! outcomes gets the mean of the models that have some. Fitting costs O(outcomes), a prompt O(m). Choose it as a baseline, or
//! where so few outcomes are known that anything finer would be noise. It speaks for the task level, so that it can stand
//! where `task-mean` does in a router without discovery.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the `global-mean` estimator: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GlobalMeanConfig {}

impl PluginConfig for GlobalMeanConfig {
    const NAME: &'static str = "global-mean";
    const SUMMARY: &'static str = "A model's mean quality over all prompts";
    const SOURCE: &'static str = "the best single model, as in Hu et al., RouterBench, arXiv 2403.12031";
    const COST: &'static str = "fit O(outcomes); O(m) a prompt";
    const EXAMPLE: &'static str = "";
}

impl QualityEstimator for GlobalMeanConfig {
    type Fitted = GlobalMeanEstimator;

    fn stage(&self) -> Stage {
        Stage::Task
    }

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<GlobalMeanEstimator> {
        let mut sums = vec![Sums::default(); set.models().len()];
        for (_, outcome) in set.outcomes().iter() {
            if let Some(sum) = sums.get_mut(outcome.model) {
                sum.weight += f64::from(outcome.weight);
                sum.squared_weight += f64::from(outcome.weight).powi(2);
            }
        }
        let means: Vec<f32> = tasks.global().iter().map(|&mean| mean as f32).collect();
        let variances = tasks.global().iter().zip(&sums).map(|(&mean, sums)| sums.variance(mean) as f32).collect();
        GlobalMeanEstimator::new(means, variances)
    }
}

router_core::register!(EstimatorRole, GlobalMeanConfig);

/// Summed weights of a model's outcomes.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    squared_weight: f64,
}

impl Sums {
    /// The variance of a Beta distribution of this mean worth as many outcomes as were seen (Kish's effective sample size).
    fn variance(self, mean: f64) -> f64 {
        let count = if self.squared_weight > 0.0 { self.weight * self.weight / self.squared_weight } else { 0.0 };
        (mean * (1.0 - mean)).max(0.0) / (count + 1.0)
    }
}

/// Mean qualities that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalMeanEstimator {
    means: Vec<f32>,
    variances: Vec<f32>,
}

impl GlobalMeanEstimator {
    fn new(means: Vec<f32>, variances: Vec<f32>) -> Result<Self> {
        if means.len() != variances.len() {
            return Err(Error::shape("variances of the means", means.len(), variances.len()));
        }
        if !means.iter().all(|mean| mean.is_finite()) || !variances.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return Err(Error::new(ErrorKind::NonFinite, "means or variances of a global mean"));
        }
        Ok(Self { means, variances })
    }

    /// Every model's mean quality.
    pub fn means(&self) -> &[f32] {
        &self.means
    }
}

impl FittedEstimator for GlobalMeanEstimator {
    fn models(&self) -> usize {
        self.means.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let n = batch.embeddings.rows();
        out.reset(n, self.models());
        for row in 0..n {
            out.quality_mut().row_mut(row).copy_from_slice(&self.means);
        }
        let variances = out.variance_mut();
        for row in 0..n {
            variances.row_mut(row).copy_from_slice(&self.variances);
        }
        Ok(())
    }
}

impl Persist for GlobalMeanEstimator {
    const FORMAT: &'static str = "global-mean-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("means", &self.means)?;
        writer.put_f32("variances", &self.variances)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_f32("means")?, reader.get_f32("variances")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;

    use super::*;

    #[test]
    fn means_and_variances_by_hand() {
        let pool = ModelPool::new(["a", "b", "unseen"].map(Model::new).to_vec()).unwrap();
        let weighted = |model, quality, weight| Outcome { weight, ..Outcome::new(model, quality) };
        let rows = vec![vec![weighted(0, 1.0, 3.0), weighted(1, 0.5, 1.0)], vec![weighted(0, 0.0, 1.0)]];
        let prompts = vec![Prompt::new("p", "x"), Prompt::new("q", "y")];
        let dataset = Dataset::new("d", prompts.clone(), pool, Outcomes::from_rows(3, rows).unwrap()).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(2, 1))).unwrap();
        let fitted = GlobalMeanConfig {}.fit(&set, &Tasks::none(&set), &FitContext::new(0)).unwrap();
        assert_eq!(fitted.means(), [0.75, 0.5, 0.625]);
        let mut tasks = TaskDistribution::new();
        tasks.reset(2, 0);
        let embeddings = Matrix::zeros(2, 1);
        let mut out = Estimates::new();
        let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks: &tasks };
        fitted.estimate(&batch, &mut out).unwrap();
        assert_eq!(out.quality().row(1), fitted.means());
        // Weights 3 and 1 are worth 16 / 10 outcomes; one outcome is worth one; none is worth none.
        let expected = [0.1875 / 2.6, 0.25 / 2.0, 0.625 * 0.375];
        for (variance, expected) in out.variance().unwrap().row(0).iter().zip(expected) {
            assert!((f64::from(*variance) - expected).abs() < 1e-6);
        }
    }
}
