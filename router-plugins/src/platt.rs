//! A chance as a logistic function of a margin: what the estimator `svm` and the policy `hybrid` share.
//!
//! Slope and offset minimise the cross-entropy of held-out margins (Platt 1999) and half the squared slope on margins of unit variance:
//! a penalty of one outcome, which keeps few or separable margins from an infinite slope. Newton's method in two unknowns, in the form of Lin, Lin and
//! Weng (A note on Platt's probabilistic outputs, 2007): stable logarithms and a step that is halved until it gains.

use crate::nn::exponential::sigmoid;

/// Newton steps at most.
const STEPS: usize = 100;

/// Slope and offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Platt {
    pub(crate) slope: f32,
    pub(crate) offset: f32,
}

impl Platt {
    /// The chance at `margin`; at an infinite one, that of its sign.
    pub(crate) fn probability(self, margin: f32) -> f32 {
        if margin.is_infinite() && self.slope == 0.0 {
            return sigmoid(self.offset);
        }
        sigmoid(self.slope * margin + self.offset)
    }
}

/// Fits to margins with their targets and weights; where there are none, or all margins are the same, the answer is `mean`.
pub(crate) fn fit(margins: &[(f32, f32, f32)], mean: f64) -> Platt {
    let mean = mean.clamp(1e-4, 1.0 - 1e-4);
    let constant = Platt { slope: 0.0, offset: (mean / (1.0 - mean)).ln() as f32 };
    let rows =
        || margins.iter().map(|&(margin, target, weight)| (f64::from(margin), f64::from(target), f64::from(weight)));
    let total: f64 = rows().map(|(.., weight)| weight).sum();
    if total <= 0.0 {
        return constant;
    }
    let center = rows().map(|(margin, _, weight)| weight * margin).sum::<f64>() / total;
    let spread = (rows().map(|(margin, _, weight)| weight * (margin - center).powi(2)).sum::<f64>() / total).sqrt();
    if spread < 1e-9 {
        return constant;
    }
    let objective = |slope: f64, offset: f64| {
        let of_row = |(margin, target, weight): (f64, f64, f64)| {
            let logit = slope * (margin - center) / spread + offset;
            weight * (logit.max(0.0) - target * logit + (-logit.abs()).exp().ln_1p())
        };
        rows().map(of_row).sum::<f64>() + 0.5 * slope * slope
    };
    let (mut slope, mut offset) = (0.0f64, f64::from(constant.offset));
    let mut least = objective(slope, offset);
    for _ in 0..STEPS {
        let (mut g, mut h) = ([slope, 0.0], [1.0, 0.0, 1e-9]);
        for (margin, target, weight) in rows() {
            let z = (margin - center) / spread;
            let probability = 1.0 / (1.0 + (-(slope * z + offset)).exp());
            let (error, curvature) = (weight * (probability - target), weight * probability * (1.0 - probability));
            g = [g[0] + error * z, g[1] + error];
            h = [h[0] + curvature * z * z, h[1] + curvature * z, h[2] + curvature];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let gain = g[0] * step[0] + g[1] * step[1];
        // As good as it gets, or too flat for another step.
        if !gain.is_finite() || gain < 1e-10 * (1.0 + total) {
            break;
        }
        let mut length = 1.0;
        while objective(slope - length * step[0], offset - length * step[1]) > least - 1e-4 * length * gain {
            length *= 0.5;
            if length < 1e-9 {
                return finish(slope, offset, center, spread);
            }
        }
        (slope, offset) = (slope - length * step[0], offset - length * step[1]);
        least = objective(slope, offset);
    }
    finish(slope, offset, center, spread)
}

/// The map of margins as they come.
fn finish(slope: f64, offset: f64, center: f64, spread: f64) -> Platt {
    Platt { slope: (slope / spread) as f32, offset: (offset - slope * center / spread) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_map_is_found_and_a_wrong_one_turned_around() {
        // Every margin with its own share of successes: the map is found up to the penalty of one outcome in 20,000.
        for (slope, offset) in [(2.0f32, -0.5f32), (-1.0, 1.0), (0.0, 0.7)] {
            let rows: Vec<(f32, f32, f32)> = (0..200)
                .map(|at| (-1.0 + at as f32 / 100.0, sigmoid(slope * (-1.0 + at as f32 / 100.0) + offset), 100.0))
                .collect();
            let found = fit(&rows, 0.5);
            assert!((found.slope - slope).abs() < 0.01 && (found.offset - offset).abs() < 0.01, "{found:?}");
        }
    }

    #[test]
    fn without_evidence_the_mean_is_the_answer() {
        for rows in [vec![], vec![(0.3, 1.0, 1.0); 4], vec![(0.3, 1.0, 0.0)]] {
            let found = fit(&rows, 0.75);
            assert!((sigmoid(found.slope * 5.0 + found.offset) - 0.75).abs() < 1e-6);
        }
        // Separable margins do not give an infinite slope.
        let found = fit(&[(-1.0, 0.0, 1.0), (1.0, 1.0, 1.0)], 0.5);
        assert!(found.slope > 0.1 && found.slope < 5.0, "{found:?}");
    }
}
