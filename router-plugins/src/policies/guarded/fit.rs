//! The guard's test: from which expected gain on the router may leave the best single model.
#![allow(clippy::indexing_slicing, reason = "one entry a row, a model, a group or a threshold, allocated here")]

use std::collections::BTreeMap;

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::GuardedConfig;
use super::fitted::{Guard, GuardedPolicy, Learned};
use crate::policies::utility::Row;

/// Shares of the prompts that leave at threshold 0, at which the higher thresholds are set.
const SHARES: [f64; 12] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05];
/// Groups of near duplicates that must leave, with outcomes of the model they leave for, at a threshold that is tested: a mean of
/// fewer is not nearly normal.
const MINIMUM_GROUPS: usize = 30;
/// Outcomes that a model must have to be left for.
pub(super) const MINIMUM_OUTCOMES: usize = 30;

/// What the test found at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// The expected gain from which a prompt leaves the best single model.
    pub threshold: f64,
    /// The share of the training prompts that leave.
    pub share: f64,
    /// The mean gain over the best single model, over all training prompts and the one that is taken for lost.
    pub gain: f64,
    /// Its standard error, clustered by near duplicates.
    pub standard_error: f64,
    /// The one-sided probability of such a gain where none is expected.
    pub p_value: f64,
}

impl Policy for GuardedConfig {
    type Fitted = GuardedPolicy;

    fn needs_cross_fit(&self) -> bool {
        self.level < 1.0
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<GuardedPolicy> {
        self.check()?;
        cx.check_cancelled()?;
        let (n, m) = (evidence.set.len(), evidence.set.models().len());
        let quality = evidence.cross_fitted.map(|estimates| estimates.quality);
        let expected = evidence.cross_fitted.and_then(|estimates| estimates.cost_usd);
        let cost_usd = expected.unwrap_or(evidence.cost_usd);
        for (what, matrix) in [("expected costs", Some(cost_usd)), ("cross-fitted estimates", quality)] {
            if let Some(matrix) = matrix.filter(|matrix| (matrix.rows(), matrix.cols()) != (n, m)) {
                let found = format!("{} x {}", matrix.rows(), matrix.cols());
                return Err(Error::shape(what, format!("{n} x {m}"), found));
            }
        }

        let models = Singles::of(evidence.set.outcomes(), cost_usd, self.lambda);
        let mut learned = Learned {
            lambda: self.lambda,
            level: self.level,
            guard: if self.level >= 1.0 { Guard::Open } else { Guard::Shut },
            proven: (0..m).map(|model| models.is_proven(model)).collect(),
            ranking: models.ranking(),
            tested: Vec::new(),
        };
        if let (Some(quality), Guard::Shut) = (quality, learned.guard) {
            let gains = Gains::of(evidence.set, quality, cost_usd, &models, &learned);
            cx.check_cancelled()?;
            learned.tested = gains.test(self.level);
            if let Some(threshold) = gains.choose(&learned.tested, self.level) {
                learned.guard = Guard::From { threshold };
            }
        }
        GuardedPolicy::new(learned)
    }
}

router_core::register!(PolicyRole, GuardedConfig);

/// The realized utility of an outcome of prompt `row`.
fn realized(row: usize, outcome: &Outcome, cost_usd: MatrixView<'_>, lambda: f64) -> f64 {
    let cost = outcome.cost_usd.unwrap_or_else(|| f64::from(cost_usd.get(row, outcome.model)));
    f64::from(outcome.quality) - lambda * cost
}

/// The models as constant choices. One entry a model each.
struct Singles {
    /// Weighted mean utility; `None` without an outcome of positive weight.
    utility: Vec<Option<f64>>,
    /// Mean expected cost in US dollars.
    cost_usd: Vec<f64>,
    /// Outcomes of positive weight.
    outcomes: Vec<usize>,
    /// The sum of their weights.
    weight: Vec<f64>,
}

impl Singles {
    fn of(outcomes: &Outcomes, cost_usd: MatrixView<'_>, lambda: f64) -> Self {
        let m = outcomes.models();
        let (mut total, mut weight, mut count) = (vec![0.0; m], vec![0.0; m], vec![0; m]);
        for (row, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.weight > 0.0) {
            total[outcome.model] += f64::from(outcome.weight) * realized(row, outcome, cost_usd, lambda);
            weight[outcome.model] += f64::from(outcome.weight);
            count[outcome.model] += 1;
        }
        let mut cost = vec![0.0; m];
        for row in 0..cost_usd.rows() {
            for (sum, &value) in cost.iter_mut().zip(cost_usd.row(row)) {
                *sum += f64::from(value) / cost_usd.rows() as f64;
            }
        }
        let utility =
            total.iter().zip(&weight).map(|(total, &weight)| (weight > 0.0).then(|| total / weight)).collect();
        Self { utility, cost_usd: cost, outcomes: count, weight }
    }

    /// The models by falling mean utility, those with too few outcomes after the others; ties to the cheaper, then to the lowest
    /// index.
    fn ranking(&self) -> Vec<ModelIndex> {
        let mut ranking: Vec<ModelIndex> = (0..self.utility.len()).collect();
        let utility = |model: ModelIndex| self.utility[model].unwrap_or(f64::NEG_INFINITY);
        ranking.sort_by(|&a, &b| {
            (self.is_proven(b).cmp(&self.is_proven(a)))
                .then_with(|| utility(b).total_cmp(&utility(a)))
                .then_with(|| self.cost_usd[a].total_cmp(&self.cost_usd[b]))
                .then_with(|| a.cmp(&b))
        });
        ranking
    }

    /// Whether there are outcomes enough of `model` to show anything about it.
    fn is_proven(&self, model: ModelIndex) -> bool {
        self.outcomes[model] >= MINIMUM_OUTCOMES
    }
}

/// A training prompt that the unguarded router would send elsewhere than to the best single model.
struct Leaving {
    /// Its group of near duplicates, counted from 0.
    group: usize,
    /// Expected utility of the other model less that of the best single one.
    expected: f64,
    /// The same as realized.
    realized: f64,
    /// Whether there is an outcome of the other model.
    seen: bool,
}

/// What leaving the best single model gains on the training prompts.
struct Gains {
    leaving: Vec<Leaving>,
    /// Prompts of every group.
    sizes: Vec<usize>,
    /// All prompts.
    prompts: usize,
}

impl Gains {
    fn of(
        set: &TrainingSet,
        quality: MatrixView<'_>,
        cost_usd: MatrixView<'_>,
        models: &Singles,
        learned: &Learned,
    ) -> Self {
        let n = set.len();
        let mut numbers = BTreeMap::new();
        let mut gains = Self { leaving: Vec::new(), sizes: Vec::new(), prompts: n };
        for at in 0..n {
            let next = numbers.len();
            let group = *numbers.entry(set.group(at)).or_insert(next);
            gains.sizes.resize(numbers.len(), 0);
            gains.sizes[group] += 1;
            let row = Row { quality: quality.row(at), cost_usd: cost_usd.row(at), lambda: learned.lambda };
            let Some(&single) = learned.ranking.first() else { continue };
            let may = (0..learned.proven.len()).filter(|&model| learned.proven[model] || model == single);
            let Some(chosen) = may.min_by(|&a, &b| row.order(a, b)).filter(|&model| model != single) else { continue };
            // Doubly robust: what the outcome adds to the estimate, by the inverse of the share of cells that were seen.
            let seen = |model: ModelIndex| set.outcomes().get(at, model).filter(|outcome| outcome.weight > 0.0);
            let utility = |model: ModelIndex| {
                let expected = row.utility(model);
                seen(model).map_or(expected, |outcome| {
                    let share = f64::from(outcome.weight) * n as f64 / models.weight[model];
                    expected + share * (realized(at, outcome, cost_usd, learned.lambda) - expected)
                })
            };
            gains.leaving.push(Leaving {
                group,
                expected: row.utility(chosen) - row.utility(single),
                realized: utility(chosen) - utility(single),
                seen: seen(chosen).is_some(),
            });
        }
        gains
    }

    /// 0 and the quantiles of the expected gains, rising.
    fn thresholds(&self) -> Vec<f64> {
        let mut expected: Vec<f64> = self.leaving.iter().map(|leaving| leaving.expected).collect();
        expected.sort_unstable_by(|a, b| b.total_cmp(a));
        let at =
            |share: f64| expected.get(((share * expected.len() as f64).ceil() as usize).saturating_sub(1)).copied();
        let mut thresholds = vec![0.0];
        for threshold in SHARES.into_iter().filter_map(at) {
            if thresholds.last().is_some_and(|&last| threshold > last) {
                thresholds.push(threshold);
            }
        }
        thresholds
    }

    /// Tests threshold after threshold, rising, until one fails at `level`; that one is the last of the list. Empty if too few
    /// prompts leave for a test.
    fn test(&self, level: f64) -> Vec<Tested> {
        let mut tested = Vec::new();
        for threshold in self.thresholds() {
            let leaving = || self.leaving.iter().filter(|leaving| leaving.expected >= threshold);
            let mut groups: Vec<usize> =
                leaving().filter(|leaving| leaving.seen).map(|leaving| leaving.group).collect();
            groups.sort_unstable();
            groups.dedup();
            if groups.len() < MINIMUM_GROUPS {
                break;
            }
            // As if one more group of average size had come, and one prompt's worth of quality been lost in each of its prompts.
            let size = self.prompts as f64 / self.sizes.len() as f64;
            let (gain, standard_error) =
                self.mean(leaving().map(|leaving| (leaving.group, leaving.realized)), Some((-size, size)));
            let p_value = normal_upper_tail(gain / standard_error);
            tested.push(Tested {
                threshold,
                share: leaving().count() as f64 / self.prompts as f64,
                gain,
                standard_error,
                p_value,
            });
            if p_value > level {
                break;
            }
        }
        tested
    }

    /// Of the thresholds that passed, the lowest whose mean gain is within one standard error of the highest; `None` if none did.
    fn choose(&self, tested: &[Tested], level: f64) -> Option<f64> {
        let passed = || tested.iter().filter(|tested| tested.p_value <= level);
        // The first of the highest.
        let best = passed().reduce(|best, other| if other.gain > best.gain { other } else { best })?;
        let within = |lower: &&Tested| {
            let between = self
                .leaving
                .iter()
                .filter(|leaving| leaving.expected >= lower.threshold && leaving.expected < best.threshold);
            let (lost, standard_error) = self.mean(between.map(|leaving| (leaving.group, -leaving.realized)), None);
            lost <= standard_error
        };
        passed().find(within).map(|tested| tested.threshold)
    }

    /// The mean over all prompts of `values`, each of a group, and its standard error clustered by groups; with the sum and the
    /// size of one group more, if there is one.
    fn mean(&self, values: impl Iterator<Item = (usize, f64)>, more: Option<(f64, f64)>) -> (f64, f64) {
        let mut sums = vec![0.0; self.sizes.len()];
        for (group, value) in values {
            sums[group] += value;
        }
        let clusters = || sums.iter().zip(&self.sizes).map(|(&sum, &size)| (sum, size as f64)).chain(more);
        let (total, prompts, count) =
            clusters().fold((0.0, 0.0, 0.0), |all, (sum, size)| (all.0 + sum, all.1 + size, all.2 + 1.0));
        let mean = total / prompts;
        let squares: f64 = clusters().map(|(sum, size)| (sum - size * mean).powi(2)).sum();
        let correction = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        (mean, (correction * squares).sqrt() / prompts)
    }
}

/// The probability that a standard normal variable is at least `z`.
fn normal_upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gains(values: &[(usize, f64, f64)], sizes: &[usize]) -> Gains {
        let leaving = values
            .iter()
            .map(|&(group, expected, realized)| Leaving { group, expected, realized, seen: true })
            .collect();
        Gains { leaving, sizes: sizes.to_vec(), prompts: sizes.iter().sum() }
    }

    #[test]
    fn tails_are_those_of_the_tables() {
        for (z, tail) in [(0.0, 0.5), (1.644_853_627, 0.05), (1.959_963_985, 0.025), (-1.281_551_566, 0.9)] {
            assert!((normal_upper_tail(z) - tail).abs() < 1e-9, "{z}");
        }
    }

    #[test]
    fn the_standard_error_is_clustered() {
        // Without groups: the plain standard error of 0.5, -0.5, 0, 0 (variance 1/6). As two pairs: sums 0 and 0, no spread.
        let alone = gains(&[(0, 0.1, 0.5), (1, 0.1, -0.5)], &[1, 1, 1, 1]);
        let values = |gains: &Gains| gains.leaving.iter().map(|l| (l.group, l.realized)).collect::<Vec<_>>();
        let (mean, error) = alone.mean(values(&alone).into_iter(), None);
        assert!(mean == 0.0 && (error - (1.0f64 / 6.0 / 4.0).sqrt()).abs() < 1e-12, "{error}");
        let paired = gains(&[(0, 0.1, 0.5), (0, 0.1, -0.5)], &[2, 2]);
        assert_eq!(paired.mean(values(&paired).into_iter(), None), (0.0, 0.0));
        // Copies of a prompt are no evidence: every prompt twice gives the same standard error, group by group.
        let once = gains(&[(0, 0.1, 1.0), (1, 0.1, 0.0), (2, 0.1, -1.0)], &[1; 5]);
        let twice: Vec<(usize, f64, f64)> = [0, 1, 2, 0, 1, 2].iter().map(|&at| (at, 0.1, 1.0 - at as f64)).collect();
        let twice = gains(&twice, &[2; 5]);
        let (a, b) = (once.mean(values(&once).into_iter(), None), twice.mean(values(&twice).into_iter(), None));
        assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12);
    }

    #[test]
    fn the_lost_prompt_is_counted() {
        // 100 of 100 prompts gain 0.01 and none was lost: mean (1 - 1) / 101.
        let values: Vec<(usize, f64, f64)> = (0..100).map(|at| (at, 0.02, 0.01)).collect();
        let tested = gains(&values, &[1; 100]).test(0.05);
        assert_eq!(tested.len(), 1);
        assert!(tested[0].gain.abs() < 1e-12 && (tested[0].p_value - 0.5).abs() < 1e-9, "{tested:?}");
        assert_eq!((tested[0].threshold, tested[0].share), (0.0, 1.0));
        // 100 times as many show it.
        let values: Vec<(usize, f64, f64)> = (0..10_000).map(|at| (at, 0.02, 0.01)).collect();
        assert!(gains(&values, &vec![1; 10_000]).test(0.05)[0].p_value < 1e-6);
    }

    #[test]
    fn thresholds_are_quantiles_of_what_leaves_and_the_sequence_ends_at_the_first_failure() {
        let values: Vec<(usize, f64, f64)> = (0..100).map(|at| (at, 0.01 * (at + 1) as f64, 1.0)).collect();
        let gains = gains(&values, &[1; 200]);
        let thresholds = gains.thresholds();
        assert_eq!(thresholds.len(), 13);
        for (found, expected) in thresholds.iter().zip([0.0, 0.11, 0.21, 0.31, 0.41, 0.51]) {
            assert!((found - expected).abs() < 1e-9, "{thresholds:?}");
        }
        // All pass, down to where fewer than 30 leave; of equal losses the lowest is chosen.
        let tested = gains.test(0.05);
        assert_eq!(tested.len(), 8);
        assert_eq!(gains.choose(&tested, 0.05), Some(0.0));
        // A level of nothing passes nothing.
        let tested = gains.test(0.0);
        assert_eq!((tested.len(), gains.choose(&tested, 0.0)), (1, None));
    }

    #[test]
    fn a_harmful_lower_part_is_cut_off_and_a_harmless_one_kept() {
        // The upper half gains 1 each, the lower half loses: half of it outright, or nothing on balance.
        let of = |lower: fn(usize) -> f64| {
            let values: Vec<(usize, f64, f64)> =
                (0..1_000).map(|at| (at, 0.001 * (at + 1) as f64, if at < 500 { lower(at) } else { 1.0 })).collect();
            let gains = gains(&values, &[1; 1_000]);
            gains.choose(&gains.test(0.05), 0.05).unwrap()
        };
        assert!((of(|at| -f64::from(at % 2 == 0)) - 0.501).abs() < 1e-9);
        assert_eq!(of(|at| if at % 2 == 0 { -1.0 } else { 1.0 }), 0.0);
    }
}
