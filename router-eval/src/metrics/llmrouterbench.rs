//! LLMRouterBench's metrics of a quality-cost curve (Li et al., LLMRouterBench, arXiv 2601.07206, section on the
//! performance-cost setting).
//!
//! - PerfGain: the largest improvement of quality over the best single model, over the points of the curve,
//!   `max(quality) / quality(best single) - 1`
//! - CostSave: the largest share of the best single model's cost that is saved by a point of no less quality,
//!   `1 - min(cost) / cost(best single)`; none where no point has that quality. Negative where quality costs more than that
//! - ParetoDist: the mean distance of the curve's points to the Pareto frontier of all points in the evaluation, those of
//!   other routers and of single models included; lower is better, 0 if every point is on it
//!
//! The paper tells the three in words. Where they leave the scale open, it is chosen here: the two gains are relative to the
//! best single model, and distances are Euclidean after cost and quality were both brought to [0, 1] over all points.

use serde::{Deserialize, Serialize};

/// The three metrics of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LlmRouterBench {
    /// The largest relative improvement of quality over the best single model; negative where no point reaches it.
    pub perf_gain: f64,
    /// The largest share of the best single model's cost saved at no less quality.
    pub cost_save: Option<f64>,
    /// Mean distance to the Pareto frontier of the evaluation.
    pub pareto_dist: Option<f64>,
}

/// PerfGain and CostSave of `curve`, (US dollars, quality) a point, against the best single model's point; `None` without a
/// point, or where the best single model has quality 0.
///
/// ```
/// use router_eval::metrics::llmrouterbench::gains;
/// let (perf_gain, cost_save) = gains(&[(1.0, 0.5), (2.0, 0.8), (4.0, 0.88)], (8.0, 0.8)).unwrap();
/// assert!((perf_gain - 0.1).abs() < 1e-12);
/// assert_eq!(cost_save, Some(0.75));
/// ```
pub fn gains(curve: &[(f64, f64)], best_single: (f64, f64)) -> Option<(f64, Option<f64>)> {
    let best = curve.iter().map(|point| point.1).reduce(f64::max)?;
    let reaching = curve.iter().filter(|point| point.1 >= best_single.1 - 1e-12).map(|point| point.0).reduce(f64::min);
    let cost_save = reaching.filter(|_| best_single.0 > 0.0).map(|cost| 1.0 - cost / best_single.0);
    (best_single.1 > 0.0).then(|| (best / best_single.1 - 1.0, cost_save))
}

/// ParetoDist of `curve` among `all` points (US dollars, quality), its own included; `None` without a point. O(p q) for p
/// points of the curve and q of the frontier.
///
/// ```
/// use router_eval::metrics::llmrouterbench::pareto_dist;
/// // The frontier is (0, 0.2), (1, 0.6) and (2, 1.0); brought to [0, 1]: (0, 0), (0.5, 0.5), (1, 1).
/// // The curve's second point, (1, 0.2) or (0.5, 0), is 0.5 away from the two nearest, its first is on the frontier.
/// let curve = [(1.0, 0.6), (1.0, 0.2)];
/// let all = [(0.0, 0.2), (2.0, 1.0), (1.0, 0.6), (1.0, 0.2)];
/// assert!((pareto_dist(&curve, &all).unwrap() - 0.25).abs() < 1e-12);
/// ```
pub fn pareto_dist(curve: &[(f64, f64)], all: &[(f64, f64)]) -> Option<f64> {
    let frontier = frontier(all);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = all.iter().map(of);
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        // Where all are equal there is no distance.
        if high > low { high - low } else { f64::INFINITY }
    };
    let (width, height) = (range(|point| point.0), range(|point| point.1));
    let distance = |point: &(f64, f64)| {
        let distances = frontier.iter().map(|other| ((point.0 - other.0) / width).hypot((point.1 - other.1) / height));
        distances.reduce(f64::min)
    };
    let sum: f64 = curve.iter().map(distance).sum::<Option<f64>>()?;
    (!curve.is_empty()).then(|| sum / curve.len() as f64)
}

/// The points that no other beats in one of cost and quality without losing in the other, by rising cost.
pub fn frontier(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut best = f64::NEG_INFINITY;
    sorted.retain(|point| {
        let kept = point.1 > best;
        best = best.max(point.1);
        kept
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_reach_the_best_single_model_saves_nothing() {
        let (perf_gain, cost_save) = gains(&[(1.0, 0.4)], (2.0, 0.8)).unwrap();
        assert_eq!((perf_gain, cost_save), (-0.5, None));
        // The same quality at a higher price is a negative saving.
        assert_eq!(gains(&[(3.0, 0.8)], (2.0, 0.8)).unwrap().1, Some(-0.5));
        assert_eq!(gains(&[], (2.0, 0.8)), None);
    }

    #[test]
    fn a_beaten_point_is_not_on_the_frontier() {
        assert_eq!(frontier(&[(2.0, 0.5), (1.0, 0.5), (3.0, 0.9), (3.0, 0.8)]), [(1.0, 0.5), (3.0, 0.9)]);
        assert_eq!(pareto_dist(&[(1.0, 0.5)], &[(1.0, 0.5)]), Some(0.0));
        assert_eq!(pareto_dist(&[], &[(1.0, 0.5)]), None);
    }
}
