//! How far estimates mean what they say.

use serde::{Deserialize, Serialize};

use super::map::Point;

/// Bins of equal mass over which calibration is measured.
const BINS: usize = 10;

/// Reliability of estimates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reliability {
    /// Weighted mean squared error of the estimates: the Brier score where outcomes are 0 or 1.
    pub brier: f64,
    /// Expected calibration error: the weighted mean over bins of the distance between mean estimate and mean quality. Noise
    /// alone makes it about 0.8 * sqrt(bins * variance of an outcome / outcomes).
    pub error: f64,
}

impl Reliability {
    /// Of the points of every model, each model binned by itself. `None` without a point.
    pub(super) fn of(models: &[Vec<Point>]) -> Option<Self> {
        let (mut squares, mut gaps, mut weight) = (0.0, 0.0, 0.0);
        for points in models {
            let mut points = points.clone();
            points.sort_by(|a, b| a.estimate.total_cmp(&b.estimate));
            let mass: f64 = points.iter().map(|point| point.weight).sum();
            // The bin of a point is that of the middle of its mass.
            let mut before = 0.0;
            let mut bins = [(0.0, 0.0); BINS];
            for point in &points {
                let bin = ((before + 0.5 * point.weight) / mass * BINS as f64) as usize;
                before += point.weight;
                squares += point.weight * (point.estimate - point.quality).powi(2);
                if let Some(bin) = bins.get_mut(bin.min(BINS - 1)) {
                    bin.0 += point.weight * point.estimate;
                    bin.1 += point.weight * point.quality;
                }
            }
            gaps += bins.iter().map(|(estimate, quality)| (estimate - quality).abs()).sum::<f64>();
            weight += mass;
        }
        (weight > 0.0).then(|| Self { brier: squares / weight, error: gaps / weight })
    }
}
