//! Embeddings as networks read them.

use candle_core::{Device, Tensor};
use router_core::prelude::*;

use crate::nn::autodiff::TensorResult;

/// Embeddings are centered and brought to a mean square of 1 a dimension, so that the same learning rate suits every embedder.
/// One scale for all dimensions: rare features of a lexical embedder stay small.
pub(in crate::estimators) struct Standardization {
    pub(in crate::estimators) mean: Vec<f32>,
    pub(in crate::estimators) scale: f32,
}

impl Standardization {
    pub(in crate::estimators) fn of(set: &TrainingSet, rows: &[usize]) -> Self {
        let (embeddings, count) = (set.embeddings(), rows.len().max(1) as f64);
        let mut sums = vec![0.0f64; embeddings.cols()];
        for &row in rows {
            for (sum, &value) in sums.iter_mut().zip(embeddings.row(row)) {
                *sum += f64::from(value);
            }
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
        let mut squares = 0.0f64;
        for &row in rows {
            for (&value, &mean) in embeddings.row(row).iter().zip(&mean) {
                squares += f64::from(value - mean).powi(2);
            }
        }
        let deviation = (squares / count / mean.len().max(1) as f64).sqrt();
        let scale = if deviation > 1e-12 { (1.0 / deviation) as f32 } else { 1.0 };
        Self { mean, scale }
    }

    /// The standardized embeddings of `rows` of `set`, rows x d.
    pub(in crate::estimators) fn input(&self, set: &TrainingSet, rows: &[usize]) -> TensorResult<Tensor> {
        let d = set.embeddings().cols();
        let mut input = vec![0.0; rows.len() * d];
        for (to, &row) in input.chunks_exact_mut(d.max(1)).zip(rows) {
            for ((to, value), mean) in to.iter_mut().zip(set.embeddings().row(row)).zip(&self.mean) {
                *to = (value - mean) * self.scale;
            }
        }
        Tensor::from_vec(input, (rows.len(), d), &Device::Cpu)
    }
}
