//! What task heads are fitted on: standardised features of the trunk, and the observations of a task's candidates.
#![allow(clippy::indexing_slicing, reason = "one entry a training prompt or model, allocated here")]

use router_core::{Matrix, ModelIndex, Result, Tasks, TrainingSet};

use crate::nn::kernels::dot;
use crate::nn::logistic::{LogisticProblem, Observation};
use crate::nn::{FeedForward, ForwardScratch, Layer};

/// Rows that go through the trunk together.
const BATCH: usize = 256;

/// The training prompts as heads see them.
pub(in crate::estimators::moe) struct Evidence<'a> {
    pub(super) set: &'a TrainingSet,
    pub(super) tasks: &'a Tasks,
    /// Whether each model was ever seen.
    seen: &'a [bool],
    /// The general heads.
    pub(super) general: &'a Layer,
    pub(super) features: Features,
}

/// What the trunk makes of the training prompts, standardised for the penalty to have a meaning: (h - mean) / scale with the
/// mean vector and the root mean square norm over the prompts, and a constant 1 for the bias. A residual logit then has a prior
/// variance of 2 / penalty on average, whatever the trunk's scale.
pub(super) struct Features {
    /// n x (h + 1).
    pub(super) rows: Matrix,
    mean: Vec<f32>,
    scale: f32,
    /// The general heads' logits, n x m.
    pub(super) general: Matrix,
}

impl<'a> Evidence<'a> {
    pub(super) fn of(
        set: &'a TrainingSet,
        tasks: &'a Tasks,
        seen: &'a [bool],
        trunk: &FeedForward,
        general: &'a Layer,
    ) -> Self {
        Self { set, tasks, seen, general, features: Features::of(set, trunk, general) }
    }

    /// h, the width of the trunk.
    pub(super) fn hidden(&self) -> usize {
        self.features.mean.len()
    }

    /// Number of models.
    pub(super) fn models(&self) -> usize {
        self.seen.len()
    }

    /// The models that may have a head in `task`, by falling task score.
    pub(super) fn candidates(&self, task: usize) -> impl Iterator<Item = ModelIndex> {
        self.tasks.profiles()[task].candidates.iter().copied().filter(|&model| self.seen[model])
    }

    /// The outcome of `model` on prompt `row`, if it has one that counts; the general head's logit is its offset, or 0.
    pub(super) fn observation(&self, row: usize, model: ModelIndex, over_general: bool) -> Option<Observation> {
        let outcome = self.set.outcomes().get(row, model).filter(|outcome| outcome.weight > 0.0)?;
        let offset = if over_general { self.features.general.get(row, model) } else { 0.0 };
        Some(Observation { row, target: outcome.quality, weight: outcome.weight, offset })
    }

    /// The outcomes of `model` on the prompts `rows`, over the general head's logits or over nothing.
    pub(super) fn problem(&self, rows: &[usize], model: ModelIndex, over_general: bool) -> Result<LogisticProblem<'_>> {
        let observations = rows.iter().filter_map(|&row| self.observation(row, model, over_general)).collect();
        LogisticProblem::new(&self.features.rows, observations)
    }

    /// The head on the trunk's own outputs, weights and bias, that has `coefficients` on the features; added to the general
    /// head of `model` or standing for itself.
    pub(super) fn unstandardise(&self, coefficients: &[f32], model: ModelIndex, over_general: bool) -> (Vec<f32>, f32) {
        let (weights, bias) = if over_general {
            (self.general.weights().row(model).to_vec(), self.general.bias()[model])
        } else {
            (vec![0.0; self.hidden()], 0.0)
        };
        self.features.unstandardise(coefficients, weights, bias)
    }
}

impl Features {
    /// Runs the training prompts through the trunk. O(n d h), and as much memory as n (h + 1 + m) numbers.
    fn of(set: &TrainingSet, trunk: &FeedForward, heads: &Layer) -> Self {
        let (n, h, m) = (set.len(), trunk.outputs(), heads.outputs());
        let (mut rows, mut general) = (Matrix::zeros(n, h + 1), Matrix::zeros(n, m));
        let mut scratch = ForwardScratch::default();
        let mut logits = Matrix::default();
        for start in (0..n).step_by(BATCH) {
            let end = n.min(start + BATCH);
            let hidden = trunk.forward(set.embeddings().slice_rows(start, end), &mut scratch);
            heads.forward(hidden.view(), &mut logits);
            for row in start..end {
                rows.row_mut(row)[..h].copy_from_slice(hidden.row(row - start));
                rows.row_mut(row)[h] = 1.0;
                general.row_mut(row).copy_from_slice(logits.row(row - start));
            }
        }
        let mut sums = vec![0.0f64; h];
        for row in 0..n {
            for (sum, &value) in sums.iter_mut().zip(rows.row(row)) {
                *sum += f64::from(value);
            }
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n as f64) as f32).collect();
        let mut squares = 0.0f64;
        for row in 0..n {
            let row = &mut rows.row_mut(row)[..h];
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
            squares += f64::from(dot(row, row));
        }
        let norm = (squares / n as f64).sqrt();
        // All prompts look the same to the trunk: only the bias can tell anything.
        let scale = if norm > 1e-12 { (1.0 / norm) as f32 } else { 0.0 };
        for row in 0..n {
            rows.row_mut(row)[..h].iter_mut().for_each(|value| *value *= scale);
        }
        Self { rows, mean, scale, general }
    }

    /// What `coefficients` on these features make of the weights and the bias on the trunk's own outputs that they are added to.
    pub(super) fn unstandardise(&self, coefficients: &[f32], mut weights: Vec<f32>, bias: f32) -> (Vec<f32>, f32) {
        let h = self.mean.len();
        let mut bias = f64::from(bias) + f64::from(coefficients.get(h).copied().unwrap_or(0.0));
        for ((weight, &coefficient), &mean) in weights.iter_mut().zip(coefficients).zip(&self.mean) {
            let added = coefficient * self.scale;
            *weight += added;
            bias -= f64::from(added) * f64::from(mean);
        }
        (weights, bias as f32)
    }
}
