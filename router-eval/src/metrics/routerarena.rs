//! RouterArena's score and optimality ratios (Lu et al., RouterArena, arXiv 2510.00202, section 4).
//!
//! **Score.** `S = (1 + beta) * A * C / (beta * A + C)` with beta = 0.1, A the mean quality and C the cost on a logarithmic scale,
//! `C = (log2(200) - log2(c)) / (log2(200) - log2(0.0044))`, c being US dollars for a thousand prompts, held within 0.0044 and 200.
//!
//! **Optimality.** A call is optimal if it has the best observed quality of its prompt at the lowest cost of that quality.
//!
//! - optimal selection: the share of prompts that got an optimal call
//! - optimal cost: `sum of optimal costs over the prompts that got the best quality / sum of the router's costs over all`
//! - optimal quality: `sum of the router's quality / sum of the best quality`
//!
//! Two things make such ratios 1 by construction, and both are kept out. If only the router's own call of a prompt is known,
//! it is the optimum of itself: prompts count only where at least two models were observed at known cost, some of them with a
//! quality above 0, and not all of them alike optimal. And if only prompts with a right answer enter the ratio of costs, always
//! choosing the cheapest model scores 1: here a wrong answer costs and earns nothing, so that the ratio is 1 only for a router
//! whose every call is optimal. The reference `random` shows what chance gives.

use router_core::ModelIndex;
use serde::{Deserialize, Serialize};

use crate::arena::Call;

/// Weight of cost against quality.
const BETA: f64 = 0.1;
/// US dollars for a thousand prompts at which the cost term is 0.
const DEAREST: f64 = 200.0;
/// The same at which it is 1.
const CHEAPEST: f64 = 0.0044;

/// RouterArena's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RouterArena {
    /// The score in [0, 1]; `None` where the cost is unknown.
    pub score: Option<f64>,
    /// Share of prompts that got an optimal call; `None` if no prompt counts.
    pub optimal_selection: Option<f64>,
    /// Optimal cost by actual cost, at most 1.
    pub optimal_cost: Option<f64>,
    /// Actual quality by the best one, at most 1.
    pub optimal_quality: Option<f64>,
    /// Decisions that count for the three ratios.
    pub prompts: usize,
}

/// The score of a mean quality in [0, 1] at a mean cost in US dollars a call.
///
/// ```
/// use router_eval::metrics::routerarena::score;
/// // 0.2 dollars for a thousand: C = log2(1000) / log2(200 / 0.0044) = 0.6440.
/// // S = 1.1 * 0.7 * 0.6440 / (0.07 + 0.6440) = 0.6945.
/// assert!((score(0.7, 0.0002) - 0.6945).abs() < 5e-5);
/// assert_eq!(score(0.7, 1.0), 0.0);
/// ```
pub fn score(quality: f64, cost_usd: f64) -> f64 {
    let cost = (cost_usd * 1000.0).clamp(CHEAPEST, DEAREST);
    let normalized = (DEAREST.log2() - cost.log2()) / (DEAREST.log2() - CHEAPEST.log2());
    let divisor = BETA * quality + normalized;
    if divisor > 0.0 { (1.0 + BETA) * quality * normalized / divisor } else { 0.0 }
}

/// Sums for the three ratios.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Optimality {
    prompts: usize,
    selected: f64,
    optimal_cost: f64,
    cost: f64,
    best_quality: f64,
    quality: f64,
}

impl Optimality {
    /// Adds a prompt whose observed calls are `calls`, of which the models of `chosen` were taken with these shares.
    pub(crate) fn add(&mut self, calls: &[Call], chosen: &[(ModelIndex, f64)]) {
        let priced = || calls.iter().filter_map(|call| Some((call.model, call.quality, call.cost?.0)));
        let Some(best) = priced().map(|call| call.1).reduce(f64::max).filter(|best| *best > 0.0) else { return };
        let cheapest = priced().filter(|call| call.1 >= best).map(|call| call.2).fold(f64::INFINITY, f64::min);
        let is_optimal = |quality: f64, cost: f64| quality >= best && cost <= cheapest;
        if priced().all(|call| is_optimal(call.1, call.2)) {
            return;
        }
        let of = |model: ModelIndex| priced().find(|call| call.0 == model);
        let Some(taken) = chosen.iter().map(|&(model, share)| Some((of(model)?, share))).collect::<Option<Vec<_>>>()
        else {
            return;
        };
        if taken.is_empty() {
            return;
        }
        self.prompts += 1;
        self.best_quality += best;
        for ((_, quality, cost), share) in taken {
            self.quality += share * quality;
            self.cost += share * cost;
            if quality >= best {
                self.optimal_cost += share * cheapest;
            }
            if is_optimal(quality, cost) {
                self.selected += share;
            }
        }
    }

    /// The metrics, with the mean quality and cost over all prompts for the score.
    pub(crate) fn finish(&self, quality: Option<f64>, cost_usd: Option<f64>) -> RouterArena {
        let some = self.prompts > 0;
        RouterArena {
            score: quality.zip(cost_usd).map(|(quality, cost)| score(quality, cost)),
            optimal_selection: some.then(|| self.selected / self.prompts as f64),
            optimal_cost: (some && self.cost > 0.0).then(|| self.optimal_cost / self.cost),
            optimal_quality: some.then(|| self.quality / self.best_quality),
            prompts: self.prompts,
        }
    }
}

#[cfg(test)]
mod tests {
    use router_core::cost::CostKind;

    use super::*;

    fn calls(of: &[(f64, f64)]) -> Vec<Call> {
        let call = |(model, &(quality, cost)): (usize, &(f64, f64))| Call {
            model,
            quality,
            cost: (cost >= 0.0).then_some((cost, CostKind::Measured)),
        };
        of.iter().enumerate().map(call).collect()
    }

    /// Three prompts: model 0 costs 1, model 1 costs 4; both right, only the dear one right, only the cheap one right.
    fn world() -> [Vec<Call>; 3] {
        [calls(&[(1.0, 1.0), (1.0, 4.0)]), calls(&[(0.0, 1.0), (1.0, 4.0)]), calls(&[(1.0, 1.0), (0.0, 4.0)])]
    }

    fn of(choices: [&[(ModelIndex, f64)]; 3]) -> RouterArena {
        let mut sums = Optimality::default();
        for (calls, chosen) in world().iter().zip(choices) {
            sums.add(calls, chosen);
        }
        sums.finish(None, None)
    }

    const CHEAP: &[(ModelIndex, f64)] = &[(0, 1.0)];
    const DEAR: &[(ModelIndex, f64)] = &[(1, 1.0)];

    #[test]
    fn always_the_cheapest_is_not_optimal_by_construction() {
        let found = of([CHEAP; 3]);
        // Optimal on the first and the third; costs 3, of which 2 were for optimal answers.
        assert_eq!(found.optimal_selection, Some(2.0 / 3.0));
        assert_eq!(found.optimal_cost, Some(2.0 / 3.0));
        assert_eq!(found.optimal_quality, Some(2.0 / 3.0));
        // Always the dear one: right at the optimal cost of 1 on the first and of 4 on the second, for 12.
        let found = of([DEAR; 3]);
        assert_eq!((found.optimal_selection, found.optimal_cost), (Some(1.0 / 3.0), Some(5.0 / 12.0)));
    }

    #[test]
    fn only_the_oracle_has_1() {
        let found = of([CHEAP, DEAR, CHEAP]);
        assert_eq!((found.optimal_selection, found.optimal_cost), (Some(1.0), Some(1.0)));
        // A coin between both: half of it.
        let coin: &[(ModelIndex, f64)] = &[(0, 0.5), (1, 0.5)];
        let found = of([coin; 3]);
        assert_eq!(found.optimal_selection, Some(0.5));
        assert_eq!(found.optimal_cost, Some((1.0 + 2.0 + 0.5) / 7.5));
    }

    #[test]
    fn what_is_not_known_or_cannot_go_wrong_does_not_count() {
        let mut sums = Optimality::default();
        sums.add(&calls(&[(1.0, 1.0)]), CHEAP); // its own optimum
        sums.add(&calls(&[(0.0, 1.0), (0.0, 2.0)]), CHEAP); // nobody is right
        sums.add(&calls(&[(1.0, 1.0), (1.0, 1.0)]), CHEAP); // everybody is optimal
        sums.add(&calls(&[(1.0, -1.0), (1.0, 2.0), (0.0, 1.0)]), CHEAP); // the choice has no cost
        let found = sums.finish(Some(0.5), None);
        assert_eq!((found.prompts, found.optimal_selection, found.score), (0, None, None));
    }
}
