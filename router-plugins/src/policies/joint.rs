//! Answers of several models to one prompt, jointly: what sets and cascades need and estimates of single models do not say.
//!
//! Models fail together on hard prompts, so that a second try is worth less than its own estimate. The one-factor model has a hidden
//! difficulty z ~ N(0, 1) of the prompt, beyond what the estimates know, given which answers are independent:
//!
//! ```text
//! P(model m answers | z) = Phi((Phi^-1(q_m) + sqrt(rho) z) / sqrt(1 - rho))
//! ```
//!
//! whose mean over z is the estimate q_m for any correlation rho (Vasicek 1987; a Gaussian copula with one factor, Li 2000). At rho = 0 answers are
//! independent. Integrals over z are sums over nine nodes (Gauss and Hermite).
#![allow(clippy::indexing_slicing, reason = "arrays of one entry a node, allocated here")]

use router_core::prelude::*;

use crate::ranges::out_of_range;

/// Nodes of the quadrature.
pub(super) const NODES: usize = 9;

/// Abscissas and weights for a standard normal z: those of Gauss and Hermite (Abramowitz and Stegun, table 25.10, n = 9) times the square root of 2, and
/// divided by that of pi.
const QUADRATURE: [(f64, f64); NODES] = [
    (-4.512_745_863_399_784, 2.234_584_400_774_66e-5),
    (-3.205_429_002_856_47, 2.789_141_321_231_765e-3),
    (-2.076_847_978_677_83, 4.991_640_676_521_788e-2),
    (-1.023_255_663_789_132_6, 2.440_975_028_949_394e-1),
    (0.0, 4.063_492_063_492_064e-1),
    (1.023_255_663_789_132_6, 2.440_975_028_949_394e-1),
    (2.076_847_978_677_83, 4.991_640_676_521_788e-2),
    (3.205_429_002_856_47, 2.789_141_321_231_765e-3),
    (4.512_745_863_399_784, 2.234_584_400_774_66e-5),
];

/// Correlations that are tried.
const CORRELATIONS: [f64; 10] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Estimates are kept this far from 0 and 1.
const MARGIN: f64 = 0.001;

/// The chance of an answer at every node.
pub(super) type Chances = [f64; NODES];

/// The one-factor model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Joint {
    correlation: f64,
}

impl Joint {
    /// # Errors
    /// [`ErrorKind::Config`] for a correlation outside [0, 0.99].
    pub(super) fn new(correlation: f64) -> Result<Self> {
        if !(0.0..=0.99).contains(&correlation) {
            return out_of_range("correlation", &correlation, "0 to 0.99");
        }
        Ok(Self { correlation })
    }

    /// The correlation of the highest likelihood of the outcomes of `set`, where `quality` gives the estimates of a row; ties to the lowest. A graded
    /// outcome is so much of an answer. O(n m) for each of ten correlations.
    pub(super) fn fit<'a>(set: &TrainingSet, quality: impl Fn(usize) -> &'a [f32]) -> Self {
        let mut best = (Self { correlation: 0.0 }, f64::NEG_INFINITY);
        for correlation in CORRELATIONS {
            let joint = Self { correlation };
            let likelihood: f64 = (0..set.len()).map(|row| joint.likelihood(set, row, quality(row))).sum();
            if likelihood > best.1 {
                best = (joint, likelihood);
            }
        }
        best.0
    }

    /// The logarithm of the likelihood of one prompt's outcomes.
    fn likelihood(self, set: &TrainingSet, row: usize, quality: &[f32]) -> f64 {
        let mut logs = [0.0; NODES];
        for outcome in set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0) {
            let chances = self.chances(quality.get(outcome.model).copied().unwrap_or(0.5));
            let seen = f64::from(outcome.quality);
            for (log, chance) in logs.iter_mut().zip(chances) {
                let chance = chance.clamp(1e-9, 1.0 - 1e-9);
                *log += seen * chance.ln() + (1.0 - seen) * (1.0 - chance).ln();
            }
        }
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        highest + logs.iter().zip(QUADRATURE).map(|(log, (_, weight))| weight * (log - highest).exp()).sum::<f64>().ln()
    }

    /// The correlation.
    pub(super) fn correlation(self) -> f64 {
        self.correlation
    }

    /// The chance that a model of this estimate answers, at every node.
    pub(super) fn chances(self, quality: f32) -> Chances {
        let quality = f64::from(quality).clamp(MARGIN, 1.0 - MARGIN);
        let place = inverse_normal(quality);
        let (load, rest) = (self.correlation.sqrt(), (1.0 - self.correlation).sqrt());
        QUADRATURE.map(|(z, _)| normal((place + load * z) / rest))
    }
}

/// The mean over the nodes.
pub(super) fn mean(values: &Chances) -> f64 {
    values.iter().zip(QUADRATURE).map(|(value, (_, weight))| weight * value).sum()
}

/// The chance at every node that a model answers where so far nobody did: what asking it too gains.
pub(super) fn gained(failed: &Chances, chances: &Chances) -> Chances {
    std::array::from_fn(|node| failed[node] * chances[node])
}

/// The chance at every node that nobody answered, after a model of these chances was asked too.
pub(super) fn failed_too(failed: &Chances, chances: &Chances) -> Chances {
    std::array::from_fn(|node| failed[node] * (1.0 - chances[node]))
}

/// The distribution function of the standard normal.
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// The inverse of [`normal`], to about 1e-9 (Acklam's rational approximation and a step of Halley's method).
fn inverse_normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    const LOW: f64 = 0.024_25;
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    };
    let x = if p < LOW {
        tail(p)
    } else if p > 1.0 - LOW {
        -tail(1.0 - p)
    } else {
        let (q, r) = (p - 0.5, (p - 0.5) * (p - 0.5));
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    };
    let error = normal(x) - p;
    let step = error * (2.0 * std::f64::consts::PI).sqrt() * (0.5 * x * x).exp();
    x - step / (1.0 + 0.5 * x * step)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::RngExt;
    use router_core::{Model, Seed};

    use super::*;

    #[test]
    fn the_normal_distribution_has_its_tabulated_values() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.001, -3.090_232_306_167_813)] {
            assert!((inverse_normal(p) - x).abs() < 1e-8 && (normal(x) - p).abs() < 1e-12, "{p}");
        }
    }

    #[test]
    fn the_nodes_integrate_polynomials_exactly() {
        // The moments of the standard normal: 1, 0, 1, 0, 3, 0, 15, 0, 105.
        for (power, moment) in [(0, 1.0), (1, 0.0), (2, 1.0), (4, 3.0), (6, 15.0), (8, 105.0)] {
            let found: f64 = QUADRATURE.iter().map(|&(z, weight)| weight * z.powi(power)).sum();
            assert!((found - moment).abs() < 1e-6 * moment.max(1.0), "{power}: {found}");
        }
    }

    #[test]
    fn the_mean_chance_is_the_estimate_and_correlation_makes_a_second_try_worth_less() {
        for correlation in [0.0, 0.3, 0.6] {
            let joint = Joint::new(correlation).unwrap();
            for quality in [0.1f32, 0.5, 0.8] {
                let found = mean(&joint.chances(quality));
                assert!((found - f64::from(quality)).abs() < 0.005, "{correlation} {quality}: {found}");
            }
            let chances = joint.chances(0.5);
            let second = mean(&gained(&failed_too(&[1.0; NODES], &chances), &chances));
            // Of two normal variables with this correlation, one above and one below 0: 1/4 - asin(rho) / (2 pi).
            let expected = 0.25 - correlation.asin() / (2.0 * std::f64::consts::PI);
            assert!((second - expected).abs() < 0.01, "{correlation}: {second} {expected}");
        }
        assert_eq!(Joint::new(1.0).unwrap_err().field(), Some("correlation"));
    }

    #[test]
    fn a_planted_correlation_is_recovered() {
        for planted in [0.0, 0.5] {
            let mut stream = Seed::root(5).stream("world");
            let mut normal_draw = || (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0;
            let rows = (0..1500)
                .map(|_| {
                    let z = normal_draw();
                    let mut right =
                        |_| f64::sqrt(planted) * z + f64::sqrt(1.0 - planted) * normal_draw() > -0.253_347_1;
                    (0..6).map(|model| Outcome::new(model, f32::from(u8::from(right(model))))).collect()
                })
                .collect();
            let pool = ModelPool::new((0..6).map(|m| Model::new(format!("m{m}"))).collect()).unwrap();
            let prompts = (0..1500).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
            let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(6, rows).unwrap()).unwrap();
            let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(1500, 1))).unwrap();
            let found = Joint::fit(&set, |_| &[0.6; 6]).correlation();
            assert!((found - planted).abs() < 0.11, "{found} for {planted}");
        }
    }
}
