//! From scores to quality, where scores only order: one slope for all models, an offset for each.
#![allow(clippy::indexing_slicing, reason = "models are those of the base rates")]

use crate::estimators::network::BaseRates;
use crate::nn::exponential::sigmoid;

/// Newton steps at most; a handful is usual.
const STEPS: usize = 50;

/// An outcome with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::estimators) struct Scored {
    pub(in crate::estimators) model: usize,
    pub(in crate::estimators) score: f32,
    pub(in crate::estimators) quality: f32,
    pub(in crate::estimators) weight: f32,
}

/// Quality is s(slope * score + offset of the model).
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct Calibration {
    /// 0 or more.
    pub(in crate::estimators) slope: f32,
    /// One a model.
    pub(in crate::estimators) offsets: Vec<f32>,
}

/// Minimises the weighted cross-entropy plus half of (slope * spread)^2 and of every (shift)^2, the offset of model m being its base rate - slope *
/// its mean score + its shift. Newton's method; the Hessian is an arrow, so that a step costs O(outcomes + m).
pub(in crate::estimators) fn calibrate(rows: &[Scored], base: &BaseRates) -> Calibration {
    let m = base.logits.len();
    let (mut sums, mut weights) = (vec![0.0f64; m], vec![0.0f64; m]);
    for row in rows {
        sums[row.model] += f64::from(row.weight) * f64::from(row.score);
        weights[row.model] += f64::from(row.weight);
    }
    let total: f64 = weights.iter().sum();
    let overall = if total > 0.0 { sums.iter().sum::<f64>() / total } else { 0.0 };
    let means: Vec<f64> =
        sums.iter().zip(&weights).map(|(sum, &weight)| if weight > 0.0 { sum / weight } else { overall }).collect();
    let squares: f64 =
        rows.iter().map(|row| f64::from(row.weight) * (f64::from(row.score) - means[row.model]).powi(2)).sum();
    let spread = if total > 0.0 { (squares / total).sqrt() } else { 0.0 };
    // The slope is in units of the spread.
    let (mut slope, mut shifts) = (0.0f64, vec![0.0f64; m]);
    if spread > 1e-9 {
        let logit = |row: &Scored, slope: f64, shift: f64| {
            f64::from(base.logits[row.model]) + slope * (f64::from(row.score) - means[row.model]) / spread + shift
        };
        let objective = |slope: f64, shifts: &[f64]| {
            let of_row = |row: &Scored| {
                let logit = logit(row, slope, shifts[row.model]);
                f64::from(row.weight) * (logit.max(0.0) - f64::from(row.quality) * logit + (-logit.abs()).exp().ln_1p())
            };
            rows.iter().map(of_row).sum::<f64>()
                + 0.5 * (slope * slope + shifts.iter().map(|shift| shift * shift).sum::<f64>())
        };
        let mut least = objective(slope, &shifts);
        for _ in 0..STEPS {
            let (mut by_slope, mut slope_curvature) = (slope, 1.0f64);
            let mut by_shift = shifts.clone();
            let (mut curvature, mut mixed) = (vec![1.0f64; m], vec![0.0f64; m]);
            for row in rows {
                let probability = f64::from(sigmoid(logit(row, slope, shifts[row.model]) as f32));
                let z = (f64::from(row.score) - means[row.model]) / spread;
                let error = f64::from(row.weight) * (probability - f64::from(row.quality));
                let bend = f64::from(row.weight) * probability * (1.0 - probability);
                by_slope += error * z;
                slope_curvature += bend * z * z;
                by_shift[row.model] += error;
                curvature[row.model] += bend;
                mixed[row.model] += bend * z;
            }
            // The shifts are eliminated: what is left is one equation for the slope.
            let (mut left, mut right) = (slope_curvature, by_slope);
            for model in 0..m {
                left -= mixed[model] * mixed[model] / curvature[model];
                right -= mixed[model] * by_shift[model] / curvature[model];
            }
            let slope_step = right / left.max(1e-12);
            let steps: Vec<f64> =
                (0..m).map(|model| (by_shift[model] - mixed[model] * slope_step) / curvature[model]).collect();
            let gain = by_slope * slope_step + by_shift.iter().zip(&steps).map(|(g, s)| g * s).sum::<f64>();
            if !gain.is_finite() || gain < 1e-9 * (1.0 + total) {
                break;
            }
            let mut length = 1.0f64;
            let found = loop {
                let next: Vec<f64> = shifts.iter().zip(&steps).map(|(shift, step)| shift - length * step).collect();
                let reached = objective(slope - length * slope_step, &next);
                if reached <= least - 1e-4 * length * gain {
                    break Some((next, reached));
                }
                length *= 0.5;
                if length < 1e-9 {
                    break None;
                }
            };
            let Some((next, reached)) = found else { break };
            slope -= length * slope_step;
            (shifts, least) = (next, reached);
        }
    }
    // A score that says the opposite of what it was trained to say says nothing.
    let slope = if spread > 1e-9 { (slope / spread).max(0.0) } else { 0.0 };
    let offset = |model: usize| (f64::from(base.logits[model]) - slope * means[model] + shifts[model]) as f32;
    Calibration { slope: slope as f32, offsets: (0..m).map(offset).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_calibration_is_found() {
        let base = BaseRates { logits: vec![0.2, -0.6], seen: vec![true; 2] };
        let truth = [1.0f32, -1.5];
        let rows: Vec<Scored> = (0..400)
            .map(|at| {
                let (model, score) = (at % 2, -1.0 + at as f32 / 200.0);
                Scored { model, score, quality: sigmoid(3.0 * score + truth[model]), weight: 50.0 }
            })
            .collect();
        let found = calibrate(&rows, &base);
        assert!((found.slope - 3.0).abs() < 0.05, "{found:?}");
        assert!(found.offsets.iter().zip(truth).all(|(a, b)| (a - b).abs() < 0.05), "{found:?}");
    }

    #[test]
    fn without_evidence_the_base_rates_are_the_answer() {
        let base = BaseRates { logits: vec![0.2, -0.6], seen: vec![true; 2] };
        let still = Calibration { slope: 0.0, offsets: base.logits.clone() };
        assert_eq!(calibrate(&[], &base), still);
        // Scores that mislead are not turned around.
        let rows: Vec<Scored> = (0..40)
            .map(|at| Scored { model: 0, score: at as f32, quality: if at < 20 { 1.0 } else { 0.0 }, weight: 1.0 })
            .collect();
        assert_eq!(calibrate(&rows, &base).slope, 0.0);
    }
}
