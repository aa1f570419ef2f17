//! How alike prompts are to a newcomer.
#![allow(clippy::indexing_slicing, reason = "n x n numbers for n prompts")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::pipeline::Prediction;

/// Prior variances of a newcomer's deviation from the mean of the known models, and of an outcome around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    /// Of the deviation that all prompts share.
    pub(super) level: f64,
    /// Of the weight of every known model's strengths.
    pub(super) strengths: f64,
    /// Of the shift of every task.
    pub(super) tasks: f64,
    /// Of an outcome around what is expected.
    pub(super) noise: f64,
}

impl Prior {
    /// Before anything is known of a newcomer to `models` models: it differs in level by about 0.15, shares the strengths of some
    /// models, and differs in a task by about 0.1; outcomes are mostly 0 or 1.
    pub(super) fn of_pool(models: usize) -> Self {
        Self { level: 0.02, strengths: 1.0 / models.max(1) as f64, tasks: 0.01, noise: 0.15 }
    }
}

/// What the router says of n prompts, as the kernel reads it.
pub(super) struct Features {
    /// Mean expected quality of the known models, n.
    pub(super) mean: Vec<f64>,
    /// Expected quality of every known model less the mean, n x m.
    pub(super) strengths: Vec<f64>,
    pub(super) models: usize,
    /// Probability of every task, n x t.
    pub(super) probabilities: Vec<f64>,
    pub(super) tasks: usize,
}

impl Features {
    /// Those of the prompts `rows` of `prediction`, by the first `models` models, which the router was fitted on.
    pub(super) fn new(prediction: &Prediction, models: usize, rows: &[usize]) -> Self {
        let tasks = prediction.tasks.tasks();
        let (mut mean, mut strengths) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len() * models));
        let mut probabilities = Vec::with_capacity(rows.len() * tasks);
        for &row in rows {
            let quality = &prediction.aggregate.quality().row(row)[..models];
            let of_row = quality.iter().map(|&quality| f64::from(quality)).sum::<f64>() / models.max(1) as f64;
            mean.push(of_row);
            strengths.extend(quality.iter().map(|&quality| f64::from(quality) - of_row));
            if tasks > 0 {
                probabilities.extend(prediction.tasks.probabilities(row).iter().map(|&value| f64::from(value)));
            }
        }
        Self { mean, strengths, models, probabilities, tasks }
    }

    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    /// The inner products of strengths and of task probabilities between all prompts, n x n each. O(n^2 (m + t)).
    pub(super) fn products(&self) -> Products {
        let n = self.len();
        Products {
            n,
            strengths: gram(&self.strengths, n, self.models),
            tasks: gram(&self.probabilities, n, self.tasks),
        }
    }
}

/// Inner products between n prompts.
pub(super) struct Products {
    n: usize,
    strengths: Vec<f64>,
    tasks: Vec<f64>,
}

impl Products {
    /// The prior covariance of the deviation, n x n.
    pub(super) fn covariance(&self, prior: &Prior) -> Vec<f64> {
        let of_pair =
            |(strengths, tasks): (&f64, &f64)| prior.level + prior.strengths * strengths + prior.tasks * tasks;
        self.strengths.iter().zip(&self.tasks).map(of_pair).collect()
    }

    /// Those among the first `n` prompts.
    pub(super) fn first(&self, n: usize) -> Self {
        let cut = |all: &[f64]| all.chunks(self.n.max(1)).take(n).flat_map(|row| &row[..n]).copied().collect();
        Self { n, strengths: cut(&self.strengths), tasks: cut(&self.tasks) }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }
}

/// The inner products of the rows of `matrix`, n x d, row by row.
fn gram(matrix: &[f64], n: usize, d: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    if d > 0 {
        let rows = MatRef::from_row_major_slice(matrix, n, d);
        let to = MatMut::from_row_major_slice_mut(&mut out, n, n);
        matmul(to, Accum::Replace, rows, rows.transpose(), 1.0, Par::Seq);
    }
    out
}
