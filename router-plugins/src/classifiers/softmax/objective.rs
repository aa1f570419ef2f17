//! The regularised cross-entropy and its gradient.
#![allow(
    clippy::indexing_slicing,
    reason = "parameters are (d + 1) * t, chunks are cut at n; shapes are set at construction"
)]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::nn::exponential::exponentiate;

/// Smallest number of rows of a chunk: enough for the matrix products to run at speed.
const CHUNK: usize = 256;
/// Most chunks, each of which holds a gradient of its own until they are summed.
const CHUNKS: usize = 64;

/// Mean cross-entropy of a linear softmax model over n labelled rows, plus l2 / 2 times the squared weights.
///
/// Parameters are the t x d weights row by row, then the t biases. Sums run over chunks of rows whose size depends on n
/// alone, in their order: the same bytes at any thread count.
pub(super) struct Objective<'a> {
    /// n x d, row by row.
    pub(super) features: &'a [f32],
    /// The task of every row, below t.
    pub(super) labels: &'a [u32],
    /// d.
    pub(super) dimension: usize,
    /// t.
    pub(super) tasks: usize,
    /// Penalty on the squared weights.
    pub(super) l2: f64,
}

impl Objective<'_> {
    /// Number of parameters.
    pub(super) fn parameters(&self) -> usize {
        (self.dimension + 1) * self.tasks
    }

    /// Writes the gradient at `parameters` into `gradient` and gives the value. O(n d t).
    pub(super) fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let (n, d, t) = (self.labels.len(), self.dimension, self.tasks);
        let weights: Vec<f32> = parameters[..t * d].iter().map(|&weight| weight as f32).collect();
        let biases = &parameters[t * d..];
        let size = CHUNK.max(n.div_ceil(CHUNKS)).max(1);
        let parts: Vec<(f64, Vec<f32>, Vec<f64>)> = self
            .labels
            .par_chunks(size)
            .zip(self.features.par_chunks((size * d).max(1)))
            .map(|(labels, features)| chunk(labels, features, &weights, biases, d))
            .collect();
        gradient.fill(0.0);
        let mut loss = 0.0;
        for (part_loss, of_weights, of_biases) in &parts {
            loss += part_loss;
            for (sum, &part) in gradient[..t * d].iter_mut().zip(of_weights) {
                *sum += f64::from(part);
            }
            for (sum, part) in gradient[t * d..].iter_mut().zip(of_biases) {
                *sum += part;
            }
        }
        let scale = 1.0 / n as f64;
        for sum in gradient.iter_mut() {
            *sum *= scale;
        }
        let mut squared = 0.0;
        for (sum, &weight) in gradient[..t * d].iter_mut().zip(parameters) {
            *sum += self.l2 * weight;
            squared += weight * weight;
        }
        loss * scale + 0.5 * self.l2 * squared
    }
}

/// The summed loss of a chunk of rows, and its gradient.
fn chunk(labels: &[u32], features: &[f32], weights: &[f32], biases: &[f64], d: usize) -> (f64, Vec<f32>, Vec<f64>) {
    let (n, t) = (labels.len(), biases.len());
    let features = MatRef::from_row_major_slice(features, n, d);
    let mut logits = vec![0.0f32; n * t];
    matmul(
        MatMut::from_row_major_slice_mut(&mut logits, n, t),
        Accum::Replace,
        features,
        MatRef::from_row_major_slice(weights, t, d).transpose(),
        1.0,
        Par::Seq,
    );
    let mut loss = 0.0;
    let mut of_biases = vec![0.0f64; t];
    let mut exponentials = vec![0.0f64; t];
    for (row, &label) in logits.chunks_mut(t).zip(labels) {
        let mut highest = f64::NEG_INFINITY;
        for ((logit, bias), value) in row.iter().zip(biases).zip(&mut exponentials) {
            *value = f64::from(*logit) + bias;
            highest = highest.max(*value);
        }
        let of_label = exponentials[label as usize];
        let total = exponentiate(&mut exponentials, highest);
        loss += total.ln() + highest - of_label;
        for (task, ((residual, value), sum)) in row.iter_mut().zip(&exponentials).zip(&mut of_biases).enumerate() {
            let difference = value / total - f64::from(u8::from(task == label as usize));
            *residual = difference as f32;
            *sum += difference;
        }
    }
    let mut of_weights = vec![0.0f32; t * d];
    matmul(
        MatMut::from_row_major_slice_mut(&mut of_weights, t, d),
        Accum::Replace,
        MatRef::from_row_major_slice(&logits, n, t).transpose(),
        features,
        1.0,
        Par::Seq,
    );
    (loss, of_weights, of_biases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let features = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5, 1.0, 1.0];
        let objective = Objective { features: &features, labels: &[0, 2, 1, 2], dimension: 2, tasks: 3, l2: 0.1 };
        let at: Vec<f64> = (0..9).map(|i| f64::from(i) * 0.125 - 0.5).collect();
        let (mut gradient, mut ignored) = (vec![0.0; 9], vec![0.0; 9]);
        objective.evaluate(&at, &mut gradient);
        for (i, &expected) in gradient.iter().enumerate() {
            let step = 1.0 / 1024.0;
            let moved =
                |by: f64| at.iter().enumerate().map(|(j, x)| if i == j { x + by } else { *x }).collect::<Vec<_>>();
            let slope = (objective.evaluate(&moved(step), &mut ignored)
                - objective.evaluate(&moved(-step), &mut ignored))
                / (2.0 * step);
            assert!((slope - expected).abs() < 1e-4, "parameter {i}: {slope} against {expected}");
        }
    }
}
