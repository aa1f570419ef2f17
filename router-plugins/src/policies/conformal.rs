//! Lower bounds of an outcome's quality, by conformal prediction.
//!
//! The residual of an outcome is its cross-fitted estimate less its quality. Of n residuals of prompts that a new prompt is exchangeable
//! with, at least a share `confidence` of the (n + 1)-th is at most the ceil((n + 1) * confidence)-th smallest; the estimate less that one is a
//! bound that the quality reaches with probability `confidence`, whatever the estimates are worth (Vovk, Gammerman and Shafer, Algorithmic
//! Learning in a Random World, 2005; Lei et al., JASA 113, 2018, section 2.2). Residuals are kept apart by model and, within a model, by
//! where the estimate lies (up to five bins of equal numbers, of 50 outcomes at least): Mondrian conformal prediction (the book's section
//! 4.5), which holds the promise in every bin. A bin of too few outcomes promises nothing: its bound is 0.
//!
//! What is bounded is the outcome of one call, not its expectation. Where outcomes are 0 or 1, a bound is therefore above 0 only where
//! at least a share `confidence` of the answers is right, and bins matter: in one of them nearly all answers may be.
//!
//! Two things are approximate. Residuals come from parts fitted on other folds and the bound is used with parts fitted on all
//! prompts (cross-conformal prediction; Vovk, Annals of Mathematics and Artificial Intelligence 74, 2015), which are a little better
//! as a rule; and near duplicates are not exchangeable with a new prompt. Outcomes count by their weights (Tibshirani et al., NeurIPS 2019),
//! the new one by their mean.

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Bins of a model at most.
const BINS: usize = 5;
/// Outcomes of a bin at least, where there is more than one.
const OUTCOMES: usize = 50;

/// Bounds of every model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LowerBounds {
    models: Vec<Bins>,
}

/// The bins of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bins {
    /// The lowest estimate of every bin but the first, rising.
    edges: Vec<f64>,
    /// What an estimate of every bin must give up; nothing is promised without one.
    margins: Vec<Option<f64>>,
}

/// An outcome: estimate, residual, weight.
type Point = (f64, f64, f64);

impl LowerBounds {
    /// Learns from the cross-fitted estimates `quality`, n x m, of the prompts of `outcomes`. O(outcomes log outcomes).
    pub(super) fn fit(outcomes: &Outcomes, quality: MatrixView<'_>, confidence: f64) -> Self {
        let mut points: Vec<Vec<Point>> = vec![Vec::new(); outcomes.models()];
        for (row, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.weight > 0.0) {
            let estimate = f64::from(quality.get(row, outcome.model));
            if let Some(points) = points.get_mut(outcome.model) {
                points.push((estimate, estimate - f64::from(outcome.quality), f64::from(outcome.weight)));
            }
        }
        Self { models: points.into_iter().map(|points| Bins::of(points, confidence)).collect() }
    }

    /// No promise for any of `models` models.
    pub(super) fn none(models: usize) -> Self {
        Self { models: vec![Bins { edges: Vec::new(), margins: vec![None] }; models] }
    }

    /// The same with no promise for one more model.
    pub(super) fn with_model(mut self) -> Self {
        self.models.extend(Self::none(1).models);
        self
    }

    /// The quality, in [0, 1], that an outcome of `model` reaches with the confidence fitted for, if `estimate` is expected.
    /// O(1) and without allocation.
    pub(super) fn bound(&self, model: ModelIndex, estimate: f64) -> f64 {
        let margin = self.models.get(model).and_then(|bins| *bins.margins.get(bins.number(estimate))?);
        margin.map_or(0.0, |margin| (estimate - margin).clamp(0.0, 1.0))
    }

    /// Number of models.
    pub(super) fn models(&self) -> usize {
        self.models.len()
    }

    /// The share of the bins in which something is promised, over all models.
    pub(super) fn promising(&self) -> f64 {
        let margins = || self.models.iter().flat_map(|bins| &bins.margins);
        margins().flatten().count() as f64 / margins().count().max(1) as f64
    }

    /// # Errors
    /// [`ErrorKind::Config`] if these are no bounds.
    pub(super) fn check(&self) -> Result<()> {
        let sound = self.models.iter().all(|bins| {
            bins.margins.len() == bins.edges.len() + 1
                && bins.edges.iter().chain(bins.margins.iter().flatten()).all(|value| value.is_finite())
        });
        if sound {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Config, "the lower bounds are not finite numbers by bins"))
        }
    }
}

impl Bins {
    fn of(mut points: Vec<Point>, confidence: f64) -> Self {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = (points.len() / OUTCOMES).clamp(1, BINS);
        let lowest = points.first().map_or(0.0, |point| point.0);
        let mut edges: Vec<f64> = (1..count)
            .filter_map(|bin| points.get(bin * points.len() / count))
            .map(|point| point.0)
            .filter(|&edge| edge > lowest)
            .collect();
        edges.dedup();
        let mut bins = Self { margins: vec![None; edges.len() + 1], edges };
        let mut residuals: Vec<Vec<(f64, f64)>> = vec![Vec::new(); bins.margins.len()];
        for (estimate, residual, weight) in points {
            if let Some(residuals) = residuals.get_mut(bins.number(estimate)) {
                residuals.push((residual, weight));
            }
        }
        bins.margins = residuals.into_iter().map(|residuals| margin(residuals, confidence)).collect();
        bins
    }

    /// The bin of `estimate`.
    fn number(&self, estimate: f64) -> usize {
        self.edges.iter().filter(|&&edge| edge <= estimate).count()
    }
}

/// The smallest residual up to which the weights reach the share `confidence` of all, a new outcome of mean weight included; `None` if
/// they never do.
fn margin(mut residuals: Vec<(f64, f64)>, confidence: f64) -> Option<f64> {
    residuals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = residuals.iter().map(|(_, weight)| weight).sum();
    // The slack is for the rounding of the sums.
    let wanted = confidence * (total + total / residuals.len() as f64) * (1.0 - 1e-12);
    let mut reached = 0.0;
    residuals.into_iter().find_map(|(residual, weight)| {
        reached += weight;
        (reached >= wanted).then_some(residual)
    })
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;
    use router_core::SeedStream;

    use super::*;

    #[test]
    fn the_margin_is_the_order_statistic_of_one_more() {
        let residuals = |count: usize| (1..=count).map(|at| (at as f64, 2.0)).collect::<Vec<_>>();
        // ceil((9 + 1) * 0.9) = 9, ceil((19 + 1) * 0.9) = 18, ceil((20 + 1) * 0.9) = 19; of 8 there is no ninth.
        assert_eq!(margin(residuals(9), 0.9), Some(9.0));
        assert_eq!(margin(residuals(19), 0.9), Some(18.0));
        assert_eq!(margin(residuals(20), 0.9), Some(19.0));
        assert_eq!(margin(residuals(8), 0.9), None);
        assert_eq!(margin(Vec::new(), 0.9), None);
        // One outcome that counts for three moves the quantile.
        assert_eq!(margin(vec![(1.0, 1.0), (2.0, 3.0), (3.0, 1.0)], 0.5), Some(2.0));
    }

    /// n estimates of one model and their outcomes: graded, or right and wrong; the estimate is off, and more so where it is low.
    fn draw(stream: &mut SeedStream, n: usize, graded: bool) -> Vec<(f64, f64)> {
        (0..n)
            .map(|_| {
                let truth: f64 = stream.random_range(0.3..1.0);
                let estimate = truth + (1.0 - truth) * stream.random_range(0.0..0.8);
                let quality = if graded {
                    (truth + stream.random_range(-0.3..0.3)).clamp(0.0, 1.0)
                } else {
                    f64::from(stream.random_bool(truth.powi(2)))
                };
                (estimate, quality)
            })
            .collect()
    }

    fn fit(data: &[(f64, f64)], confidence: f64) -> LowerBounds {
        let rows = data.iter().map(|&(_, quality)| vec![Outcome::new(0, quality as f32)]).collect();
        let estimates = data.iter().map(|&(estimate, _)| estimate as f32).collect();
        let quality = Matrix::from_vec(data.len(), 1, estimates).unwrap();
        LowerBounds::fit(&Outcomes::from_rows(1, rows).unwrap(), quality.view(), confidence)
    }

    /// Over worlds, the share of new outcomes that reach their bound is the confidence, at most 1 / (n + 1) more (and ties of 0 and 1
    /// more), in every part of the range of estimates; and the bounds are worth something.
    #[test]
    fn bounds_are_reached_as_often_as_promised() {
        for (graded, confidence) in [(true, 0.9), (true, 0.8), (false, 0.8)] {
            let (mut reached, mut height, mut count) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            for seed in 0..200 {
                let mut stream = FitContext::new(seed).stream("world");
                let bounds = fit(&draw(&mut stream, 400, graded), confidence);
                for (estimate, quality) in draw(&mut stream, 100, graded) {
                    let bound = bounds.bound(0, estimate);
                    let half = usize::from(estimate > 0.8);
                    reached[half] += f64::from(quality as f32 >= bound as f32 - 1e-6);
                    height[half] += bound;
                    count[half] += 1.0;
                }
            }
            for half in 0..2 {
                let share = reached[half] / count[half];
                // Three standard errors of 100 outcomes in each of 200 worlds are below 0.01; a bin's own edge lies inside a half.
                assert!(share > confidence - 0.015, "{graded} {confidence} half {half}: {share}");
                assert!(!graded || share < confidence + 0.04, "{graded} {confidence} half {half}: {share}");
            }
            assert!(height[1] / count[1] > 0.2, "{graded} {confidence}: {}", height[1] / count[1]);
        }
    }

    #[test]
    fn what_has_too_few_outcomes_promises_nothing() {
        let mut stream = FitContext::new(1).stream("world");
        let bounds = fit(&draw(&mut stream, 8, true), 0.9);
        assert_eq!((bounds.bound(0, 0.99), bounds.bound(7, 0.99), bounds.promising()), (0.0, 0.0, 0.0));
        assert_eq!(LowerBounds::none(2).bound(1, 0.9), 0.0);
        assert_eq!(fit(&draw(&mut stream, 400, true), 0.9).promising(), 1.0);
    }

    #[test]
    fn every_prompt_of_equal_estimates_is_in_one_bin() {
        let data: Vec<(f64, f64)> = (0..500).map(|at| (0.5, f64::from(u8::from(at % 10 != 0)))).collect();
        let bounds = fit(&data, 0.85);
        assert!((bounds.bound(0, 0.5) - 1.0).abs() < 1e-6, "nine of ten are right");
        assert_eq!(fit(&data, 0.95).bound(0, 0.5), 0.0);
    }
}
