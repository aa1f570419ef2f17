//! Stacking: the non-negative weights of the parts that predict held-out outcomes best.
//!
//! On the cross-fitted estimates q_p of the parts p, the weights w_p >= 0 and intercepts a_m minimise
//!
//! ```text
//! sum over outcomes of weight * (quality - a_m - sum of w_p q_p)^2 + intercept_shrinkage * sum of a_m^2
//! ```
//!
//! (Wolpert, Neural Networks 5, 1992; non-negative as advised by Breiman, Stacked regressions, Machine Learning 24, 1996). Without the
//! sign, parts that agree get huge weights of opposite sign that fit noise. The intercept takes up what a model is
//! systematically over- or underestimated, pulled to zero as if by `intercept_shrinkage` outcomes; a model without outcomes
//! has none. Intercepts are eliminated exactly and the weights found by coordinate descent from equal weights, so that parts
//! that say the same share alike. Where the set could not be split, all parts weigh the same.
//!
//! Fitting costs a cross-fit and O(outcomes * parts^2), a pair O(parts). Unlike `weighted`, which asks which mixture *routes*
//! best, this asks which *predicts* best, for which every outcome counts and not only those of the chosen models: choose it with
//! few outcomes, or where expected quality itself matters, as under a `floor`.
#![allow(
    clippy::indexing_slicing,
    reason = "sums have one entry a part or a model, allocated here; outcomes are checked"
)]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregators::parts::{add_weighted, shape};
use crate::ranges::out_of_range;

/// Passes of the coordinate descent at most; with a handful of parts some tens are needed.
const PASSES: usize = 100_000;
/// It stops where no weight moves by more.
const TOLERANCE: f64 = 1e-12;

/// Parameters of the `stacking` aggregator; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StackingConfig {
    /// A model's intercept is pulled to zero as if by this many outcomes without an error. Default 100.
    #[schemars(range(min = 0.0, max = 1.0e9))]
    pub intercept_shrinkage: f64,
}

impl Default for StackingConfig {
    fn default() -> Self {
        Self { intercept_shrinkage: 100.0 }
    }
}

impl PluginConfig for StackingConfig {
    const NAME: &'static str = "stacking";
    const SUMMARY: &'static str =
        "Non-negative least squares of held-out outcomes on the parts, and an intercept a model";
    const SOURCE: &'static str = "Breiman, Stacked regressions, Machine Learning 24 (1996)";
    const COST: &'static str = "fit a cross-fit and O(outcomes parts^2); O(parts m) a prompt";
    const EXAMPLE: &'static str = "intercept_shrinkage = 50.0\n";
}

impl Aggregator for StackingConfig {
    type Fitted = StackingAggregator;

    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        true
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<StackingAggregator> {
        if !self.intercept_shrinkage.is_finite() || self.intercept_shrinkage < 0.0 {
            return out_of_range(
                "aggregator.intercept_shrinkage",
                &self.intercept_shrinkage,
                "a finite number, at least 0",
            );
        }
        let (set, count) = (evidence.set, evidence.parts.len());
        if count == 0 {
            return Err(Error::shape("parts to aggregate", "at least 1", 0));
        }
        let m = set.models().len();
        let mut weights = vec![1.0 / count as f64; count];
        let mut intercepts = vec![0.0; m];
        if let Some(cross_fitted) = evidence.cross_fitted {
            let views: Vec<EstimatesView<'_>> = cross_fitted.iter().map(Estimates::view).collect();
            let found = shape(&views, count)?;
            if found != (set.len(), m) {
                return Err(Error::shape(
                    "cross-fitted estimates",
                    format!("{:?}", (set.len(), m)),
                    format!("{found:?}"),
                ));
            }
            let sums = Sums::of(set.outcomes(), &views, cx)?;
            sums.solve(self.intercept_shrinkage, &mut weights);
            intercepts = sums.intercepts(self.intercept_shrinkage, &weights);
        }
        StackingAggregator::new(
            weights.iter().map(|&weight| weight as f32).collect(),
            intercepts.iter().map(|&intercept| intercept as f32).collect(),
        )
    }
}

router_core::register!(AggregatorRole, StackingConfig);

/// Weighted sums over outcomes.
struct Sums {
    /// Of the products of two parts' estimates, parts x parts.
    products: Vec<f64>,
    /// Of the quality times a part's estimate.
    with_quality: Vec<f64>,
    /// By model: of the weights, of the quality, of every part's estimate.
    by_model: Vec<(f64, f64, Vec<f64>)>,
}

impl Sums {
    fn of(outcomes: &Outcomes, parts: &[EstimatesView<'_>], cx: &FitContext) -> Result<Self> {
        let count = parts.len();
        let mut sums = Self {
            products: vec![0.0; count * count],
            with_quality: vec![0.0; count],
            by_model: vec![(0.0, 0.0, vec![0.0; count]); outcomes.models()],
        };
        let mut estimates = vec![0.0; count];
        for row in 0..outcomes.prompts() {
            if row % 1024 == 0 {
                cx.check_cancelled()?;
            }
            for outcome in outcomes.row(row) {
                let (weight, quality) = (f64::from(outcome.weight), f64::from(outcome.quality));
                for (estimate, part) in estimates.iter_mut().zip(parts) {
                    *estimate = f64::from(part.quality.get(row, outcome.model));
                }
                let of_model = &mut sums.by_model[outcome.model];
                of_model.0 += weight;
                of_model.1 += weight * quality;
                for (a, &left) in estimates.iter().enumerate() {
                    of_model.2[a] += weight * left;
                    sums.with_quality[a] += weight * left * quality;
                    for (b, &right) in estimates.iter().enumerate() {
                        sums.products[a * count + b] += weight * left * right;
                    }
                }
            }
        }
        Ok(sums)
    }

    /// The weights that minimise the sum of squares once every intercept is at its best for them, found from those given.
    fn solve(&self, shrinkage: f64, weights: &mut [f64]) {
        let count = weights.len();
        let (mut matrix, mut right) = (self.products.clone(), self.with_quality.clone());
        for (weight, quality, estimates) in &self.by_model {
            if *weight <= 0.0 {
                continue;
            }
            for a in 0..count {
                right[a] -= estimates[a] * quality / (weight + shrinkage);
                for b in 0..count {
                    matrix[a * count + b] -= estimates[a] * estimates[b] / (weight + shrinkage);
                }
            }
        }
        for _ in 0..PASSES {
            let mut moved = 0.0f64;
            for at in 0..count {
                let diagonal = matrix[at * count + at];
                // A part that is constant but for its models' means, which the intercepts carry already.
                if diagonal <= 1e-12 * self.products[at * count + at] {
                    continue;
                }
                let slope: f64 = (0..count).map(|other| matrix[at * count + other] * weights[other]).sum();
                let next = (weights[at] + (right[at] - slope) / diagonal).max(0.0);
                moved = moved.max((next - weights[at]).abs());
                weights[at] = next;
            }
            if moved <= TOLERANCE {
                break;
            }
        }
    }

    fn intercepts(&self, shrinkage: f64, weights: &[f64]) -> Vec<f64> {
        let of_model = |(weight, quality, estimates): &(f64, f64, Vec<f64>)| {
            let predicted: f64 = estimates.iter().zip(weights).map(|(estimate, weight)| estimate * weight).sum();
            if *weight > 0.0 { (quality - predicted) / (weight + shrinkage) } else { 0.0 }
        };
        self.by_model.iter().map(of_model).collect()
    }
}

/// Stacking that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct StackingAggregator {
    weights: Vec<f32>,
    intercepts: Vec<f32>,
    /// The weights over their sum; equal where all are zero.
    shares: Vec<f32>,
}

impl StackingAggregator {
    fn new(weights: Vec<f32>, intercepts: Vec<f32>) -> Result<Self> {
        if weights.is_empty() {
            return Err(Error::shape("parts to aggregate", "at least 1", 0));
        }
        let sound = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        if !sound || !intercepts.iter().all(|intercept| intercept.is_finite()) {
            return Err(Error::new(ErrorKind::NonFinite, "weights or intercepts of a stack"));
        }
        let total: f32 = weights.iter().sum();
        let share = |&weight: &f32| if total > 0.0 { weight / total } else { 1.0 / weights.len() as f32 };
        Ok(Self { shares: weights.iter().map(share).collect(), weights, intercepts })
    }

    /// The weight of every part. They need not sum to 1; [`FittedAggregator::weights`] gives their shares, which do.
    pub fn part_weights(&self) -> &[f32] {
        &self.weights
    }

    /// What is added for every model.
    pub fn intercepts(&self) -> &[f32] {
        &self.intercepts
    }
}

impl FittedAggregator for StackingAggregator {
    /// Parts of weight zero are not looked at. Variance is that of a weighted sum of independent parts, where every part has one;
    /// expected cost is the mean of the parts that know it.
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        let (n, m) = shape(parts, self.weights.len())?;
        if m != self.intercepts.len() {
            return Err(Error::shape("models of estimates", self.intercepts.len(), m));
        }
        out.reset(n, m);
        for row in 0..n {
            out.quality_mut().row_mut(row).copy_from_slice(&self.intercepts);
        }
        add_weighted(parts, &self.weights, out);
        Ok(())
    }

    fn weights(&self) -> Option<&[f32]> {
        Some(&self.shares)
    }
}

impl Persist for StackingAggregator {
    const FORMAT: &'static str = "stacking-aggregator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("weights", &self.weights)?;
        writer.put_f32("intercepts", &self.intercepts)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_f32("weights")?, reader.get_f32("intercepts")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::RngExt;
    use router_core::Model;

    use super::*;

    const N: usize = 200;

    /// `parts` x N x 2 random estimates, and outcomes `quality(row, model, estimates of the pair)`; every third is missing.
    fn world(parts: usize, quality: impl Fn(usize, usize, &[f32]) -> f32) -> (TrainingSet, Vec<Estimates>) {
        let mut stream = FitContext::new(8).stream("stack");
        let estimates: Vec<Estimates> = (0..parts)
            .map(|_| {
                let mut estimates = Estimates::new();
                estimates.reset(N, 2);
                estimates.quality_mut().as_mut_slice().fill_with(|| stream.random_range(0.0f32..1.0));
                estimates
            })
            .collect();
        let rows = (0..N)
            .map(|row| {
                let of_pair = |model: usize| {
                    let pair: Vec<f32> = estimates.iter().map(|part| part.quality().get(row, model)).collect();
                    Outcome::new(model, quality(row, model, &pair))
                };
                (0..2).filter(|model| (row + model) % 3 != 0).map(of_pair).collect()
            })
            .collect();
        let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
        let prompts = (0..N).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
        let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows).unwrap()).unwrap();
        (TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(N, 1))).unwrap(), estimates)
    }

    fn fit(shrinkage: f64, set: &TrainingSet, estimates: &[Estimates]) -> StackingAggregator {
        let info = |at| PartInfo { slot: format!("estimators/{at}"), name: "part".into(), stage: Stage::Prompt };
        let parts: Vec<PartInfo> = (0..estimates.len()).map(info).collect();
        let evidence = AggregatorEvidence { set, parts: &parts, cross_fitted: Some(estimates) };
        StackingConfig { intercept_shrinkage: shrinkage }.fit(&evidence, &FitContext::new(0)).unwrap()
    }

    fn near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} where {expected:?} belongs");
    }

    #[test]
    fn planted_weights_and_intercepts_are_found() {
        let (set, estimates) = world(3, |_, model, pair| 0.5 * pair[0] + 0.25 * pair[2] + [0.0, 0.2][model]);
        let fitted = fit(0.0, &set, &estimates);
        near(fitted.part_weights(), &[0.5, 0.0, 0.25]);
        near(fitted.intercepts(), &[0.0, 0.2]);
        near(FittedAggregator::weights(&fitted).unwrap(), &[2.0 / 3.0, 0.0, 1.0 / 3.0]);
    }

    #[test]
    fn a_part_that_misleads_gets_nothing() {
        let (set, estimates) = world(2, |_, _, pair| 0.5 + 0.4 * pair[0] - 0.3 * pair[1]);
        assert_eq!(fit(10.0, &set, &estimates).part_weights()[1], 0.0);
    }

    #[test]
    fn equal_parts_share_alike() {
        let (set, mut estimates) = world(1, |_, _, pair| pair[0]);
        estimates.push(estimates[0].clone());
        near(fit(1e6, &set, &estimates).part_weights(), &[0.5, 0.5]);
    }

    #[test]
    fn the_gradient_vanishes_where_a_weight_is_positive_and_points_away_where_it_is_zero() {
        let shrinkage = 20.0;
        let (set, estimates) = world(4, |row, model, pair| {
            (0.6 * pair[1] + 0.3 * pair[3] - 0.2 * pair[0] + 0.1 * ((row * 7 + model) % 3) as f32).clamp(0.0, 1.0)
        });
        let fitted = fit(shrinkage, &set, &estimates);
        let views: Vec<EstimatesView<'_>> = estimates.iter().map(Estimates::view).collect();
        let mut out = Estimates::new();
        fitted.aggregate(&views, &mut out).unwrap();
        let error = |row: usize, outcome: &Outcome| f64::from(out.quality().get(row, outcome.model) - outcome.quality);
        for (part, estimates) in estimates.iter().enumerate() {
            let gradient: f64 = set
                .outcomes()
                .iter()
                .map(|(row, outcome)| error(row, outcome) * f64::from(estimates.quality().get(row, outcome.model)))
                .sum();
            let positive = fitted.part_weights()[part] > 0.0;
            assert!(if positive { gradient.abs() < 1e-3 } else { gradient > -1e-3 }, "part {part}: {gradient}");
        }
        for (model, &intercept) in fitted.intercepts().iter().enumerate() {
            let errors = set.outcomes().iter().filter(|(_, outcome)| outcome.model == model);
            let gradient: f64 = errors.map(|(row, outcome)| error(row, outcome)).sum();
            assert!((gradient + shrinkage * f64::from(intercept)).abs() < 1e-3);
        }
    }
}
