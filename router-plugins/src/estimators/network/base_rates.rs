//! What is known of every model before any prompt is read.
#![allow(clippy::indexing_slicing, reason = "one entry a model, allocated here")]

use router_core::prelude::*;

use crate::nn::Layer;
use crate::nn::exponential::sigmoid;

/// The logit of every model's mean quality, and which models were seen at all.
pub(in crate::estimators) struct BaseRates {
    pub(in crate::estimators) logits: Vec<f32>,
    pub(in crate::estimators) seen: Vec<bool>,
}

impl BaseRates {
    pub(in crate::estimators) fn of(outcomes: &Outcomes) -> Self {
        let means = outcomes.mean_quality();
        // As if each model had half a success and half a failure more: finite for one that always succeeds.
        let logit = |(mean, count): (f64, usize)| {
            let smoothed = (mean * count as f64 + 0.5) / (count as f64 + 1.0);
            (smoothed / (1.0 - smoothed)).ln() as f32
        };
        Self {
            logits: means.iter().map(|mean| mean.map_or(0.0, logit)).collect(),
            seen: means.iter().map(Option::is_some).collect(),
        }
    }

    /// The logit of the mean quality of the models that were seen; 0 where none was.
    pub(in crate::estimators) fn mean_logit(&self) -> f32 {
        let of_seen =
            || self.logits.iter().zip(&self.seen).filter(|&(_, &seen)| seen).map(|(&logit, _)| sigmoid(logit));
        let mean = of_seen().sum::<f32>() / of_seen().count().max(1) as f32;
        if mean > 0.0 { (mean / (1.0 - mean)).ln() } else { 0.0 }
    }

    /// Gives models that were never seen the mean head of the others.
    pub(in crate::estimators) fn fill_unseen(&self, heads: Layer) -> Result<Layer> {
        let Some((mean, mean_bias)) = mean_row(heads.weights(), heads.bias(), &self.seen) else { return Ok(heads) };
        let (mut weights, mut bias) = (heads.weights().clone(), heads.bias().to_vec());
        for model in (0..self.seen.len()).filter(|&model| !self.seen[model]) {
            weights.row_mut(model).copy_from_slice(&mean);
            bias[model] = mean_bias;
        }
        Layer::new(weights, bias)
    }
}

/// The mean of the rows of `weights` and of the entries of `bias` of the models that were `seen`; `None` where none was or all were.
pub(in crate::estimators) fn mean_row(weights: &Matrix, bias: &[f32], seen: &[bool]) -> Option<(Vec<f32>, f32)> {
    let rows: Vec<usize> = (0..seen.len()).filter(|&model| seen[model]).collect();
    if rows.is_empty() || rows.len() == seen.len() {
        return None;
    }
    let share = (rows.len() as f32).recip();
    let mut mean = vec![0.0f32; weights.cols()];
    for &model in &rows {
        crate::nn::kernels::add_scaled(&mut mean, share, weights.row(model));
    }
    Some((mean, rows.iter().map(|&model| share * bias[model]).sum()))
}
