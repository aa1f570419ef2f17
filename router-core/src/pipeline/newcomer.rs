//! Models that join a fitted router without training.

use serde::{Deserialize, Serialize};

use crate::artifact::{Persist, SlotReader, SlotWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::router::Router;
use crate::types::estimates::Estimates;
use crate::types::matrix::MatrixView;
use crate::types::model::{Model, ModelPool};
use crate::types::task::TaskDistribution;

/// Where a newcomer stands among the models that a router was fitted on.
///
/// Its expected quality for a prompt is
///
/// ```text
/// mean + intercept + sum over models k of weights[k] * (quality[k] - mean) + sum over tasks t of probability[t] * tasks[t]
/// ```
///
/// with the expected qualities of the m models that the router was fitted on and their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// How much better or worse than the mean model it is.
    pub intercept: f32,
    /// How much it shares of every model's strengths, m numbers.
    pub weights: Vec<f32>,
    /// How much better or worse it is in a task than all that says, a number a task.
    pub tasks: Vec<f32>,
    /// Variance of its expected quality beyond what the other models' have, at least 0.
    pub variance: f32,
}

/// What is known of a newcomer besides its placement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Newcomer<'a> {
    /// The model, with its prices.
    pub model: &'a Model,
    /// Outcomes behind the placement.
    pub outcomes: usize,
    /// Its mean output tokens in them, where counted.
    pub output_tokens: Option<f64>,
    /// Its mean cost in US dollars and the mean number of prompt tokens of the calls whose cost was measured.
    pub measured_cost: Option<(f64, f64)>,
}

/// The placements of all newcomers, in the order in which they joined: the models after those that were fitted on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Placements(pub(crate) Vec<Placement>);

impl Placements {
    /// Writes the estimates `fitted` of n x m pairs and those of the newcomers to `out`.
    pub(crate) fn extend(&self, fitted: &Estimates, tasks: &TaskDistribution, out: &mut Estimates) {
        let (n, m) = (fitted.quality().rows(), fitted.quality().cols());
        out.reset(n, m + self.0.len());
        for row in 0..n {
            let (known, joined) = out.quality_mut().row_mut(row).split_at_mut(m);
            known.copy_from_slice(fitted.quality().row(row));
            for (to, placement) in joined.iter_mut().zip(&self.0) {
                *to = placement.quality(known, tasks.probabilities(row));
            }
        }
        if let Some(variance) = fitted.variance() {
            extend_variance(&self.0, variance, out);
        }
    }

    /// # Errors
    /// [`ErrorKind::Artifact`] where they do not belong to `models` models and `tasks` tasks, or a number is not finite.
    pub(crate) fn check(&self, models: usize, tasks: usize) -> Result<()> {
        self.0.iter().try_for_each(|placement| placement.check(models, tasks))
    }
}

fn extend_variance(placements: &[Placement], variance: MatrixView<'_>, out: &mut Estimates) {
    let (n, m) = (variance.rows(), variance.cols());
    for row in 0..n {
        let (known, joined) = out.variance_mut().row_mut(row).split_at_mut(m);
        known.copy_from_slice(variance.row(row));
        for (to, placement) in joined.iter_mut().zip(placements) {
            // The mean model has every weight 1/m; errors of different models are taken as independent.
            let share = (m as f32).recip();
            let level = share * (1.0 - placement.weights.iter().sum::<f32>());
            let of_models =
                known.iter().zip(&placement.weights).map(|(value, weight)| (weight + level).powi(2) * value);
            *to = placement.variance + of_models.sum::<f32>();
        }
    }
}

impl Placement {
    /// Expected quality where the `known` models have these and tasks have these `probabilities`.
    fn quality(&self, known: &[f32], probabilities: &[f32]) -> f32 {
        let mean = known.iter().sum::<f32>() / known.len().max(1) as f32;
        let strengths: f32 = known.iter().zip(&self.weights).map(|(quality, weight)| weight * (quality - mean)).sum();
        let task: f32 = probabilities.iter().zip(&self.tasks).map(|(probability, task)| probability * task).sum();
        mean + self.intercept + strengths + task
    }

    fn check(&self, models: usize, tasks: usize) -> Result<()> {
        let numbers = self.weights.iter().chain(&self.tasks).chain([&self.intercept, &self.variance]);
        if self.weights.len() != models || self.tasks.len() != tasks || !numbers.copied().all(f32::is_finite) {
            return Err(Error::new(ErrorKind::Artifact, "a placement does not belong to these models and tasks"));
        }
        Ok(())
    }
}

impl Persist for Placements {
    const FORMAT: &'static str = "placements";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("placements", &self.0)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_json("placements").map(Self)
    }
}

impl Router {
    /// Number of models that the router was fitted on: the first of [`models`](Self::models); the others joined later.
    pub fn fitted_models(&self) -> usize {
        self.pool.len() - self.placements.0.len()
    }

    /// The same router with one more model, the last of its pool, without training.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a model whose name is taken or whose prices are none; [`ErrorKind::Artifact`] for a placement among
    /// other models or tasks; [`ErrorKind::Unsupported`] if the policy cannot take a model that it was not fitted on.
    pub fn with_model(self, newcomer: &Newcomer<'_>, placement: Placement) -> Result<Self> {
        placement.check(self.fitted_models(), self.cards.tasks.len())?;
        let models = self.pool.models().iter().chain([newcomer.model]).cloned().collect();
        let pool = ModelPool::new(models)?;
        let policy = self.policy.with_model(newcomer)?;
        let mut placements = self.placements;
        placements.0.push(placement);
        let costs = self.costs.with_model(newcomer, self.config.cost.nominal_output_tokens);
        Ok(Self { pool, policy, costs, placements, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_by_hand() {
        let mut fitted = Estimates::new();
        fitted.reset(1, 2);
        fitted.quality_mut().row_mut(0).copy_from_slice(&[0.2, 0.6]);
        fitted.variance_mut().row_mut(0).copy_from_slice(&[0.04, 0.08]);
        let mut tasks = TaskDistribution::new();
        tasks.reset(1, 2);
        tasks.row_mut(0).0.copy_from_slice(&[0.5, 0.25]);
        let placement = Placement { intercept: 0.1, weights: vec![0.0, 1.0], tasks: vec![0.2, -0.4], variance: 0.01 };
        let mut out = Estimates::new();
        Placements(vec![placement]).extend(&fitted, &tasks, &mut out);
        // 0.4 + 0.1 + (0.6 - 0.4) + 0.5 * 0.2 - 0.25 * 0.4
        assert!((out.quality().get(0, 2) - 0.7).abs() < 1e-6, "{out:?}");
        assert_eq!(out.quality().row(0).first(), Some(&0.2));
        // Of the second model alone: its own variance, and the placement's.
        assert!((out.variance().unwrap().get(0, 2) - 0.09).abs() < 1e-6, "{out:?}");
    }
}
