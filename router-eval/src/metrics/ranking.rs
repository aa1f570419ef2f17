//! How well a router ranks: recall of an optimal model, and regret.
//!
//! - recall at k: the share of prompts on which one of the k models of the highest estimates has the best observed quality
//!   (recall at 1 of the choice itself: whether it has). Prompts on which all observed models did equally well say nothing and
//!   are left out. Li et al. (LLMRouterBench, arXiv 2601.07206) find model recall to be what separates routers from the oracle
//! - chance: the same for k models drawn without looking, `1 - C(n - b, k) / C(n, k)` where b of n models are best
//! - regret: the mean of `best observed quality - quality of the choice`, over all scored prompts: what is left to the oracle

use router_core::ModelIndex;
use serde::{Deserialize, Serialize};

use crate::arena::Call;

/// The numbers of models looked at.
pub const RANKS: [usize; 3] = [1, 3, 5];

/// How often the choice was the best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Share of decisions for a model of the best observed quality, over prompts on which models differ; `None` if there is none.
    pub recall: Option<f64>,
    /// Mean quality lost against the best observed call, over all scored decisions.
    pub regret: f64,
    /// Scored decisions.
    pub decisions: usize,
}

/// Recall of the ranking by estimates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Recall at [`RANKS`].
    pub recall: Vec<Recall>,
    /// Decisions on which models differ.
    pub decisions: usize,
}

/// Recall at one rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Models looked at.
    pub k: usize,
    /// Share of prompts with a best model among them.
    pub recall: f64,
    /// The same for models drawn without looking.
    pub chance: f64,
}

/// Sums for [`Selection`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SelectionSums {
    differing: usize,
    best: f64,
    decisions: usize,
    regret: f64,
}

impl SelectionSums {
    /// Adds a decision for the models of `chosen` with these shares where `calls` were observed; what was not observed does
    /// not count.
    pub(crate) fn add(&mut self, calls: &[Call], chosen: &[(ModelIndex, f64)]) {
        let Some((best, worst)) = ends(calls) else { return };
        let observed = |&(model, share): &(ModelIndex, f64)| {
            calls.iter().find(|call| call.model == model).map(|call| (call.quality, share))
        };
        let observed: Vec<(f64, f64)> = chosen.iter().filter_map(observed).collect();
        let total: f64 = observed.iter().map(|(_, share)| share).sum();
        if total <= 0.0 {
            return;
        }
        self.decisions += 1;
        self.regret += observed.iter().map(|(quality, share)| share * (best - quality)).sum::<f64>() / total;
        if best > worst {
            self.differing += 1;
            let right = observed.iter().filter(|(quality, _)| *quality >= best);
            self.best += right.map(|(_, share)| share).sum::<f64>() / total;
        }
    }

    pub(crate) fn finish(&self) -> Option<Selection> {
        (self.decisions > 0).then(|| Selection {
            recall: (self.differing > 0).then(|| self.best / self.differing as f64),
            regret: self.regret / self.decisions as f64,
            decisions: self.decisions,
        })
    }
}

/// Sums for [`Ranking`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RankingSums {
    decisions: usize,
    recalled: [f64; RANKS.len()],
    chance: [f64; RANKS.len()],
}

impl RankingSums {
    /// Adds a prompt of which `calls` were observed, with the estimates of all models.
    pub(crate) fn add(&mut self, calls: &[Call], estimates: &[f32]) {
        let Some((best, worst)) = ends(calls) else { return };
        if best <= worst {
            return;
        }
        let estimate = |call: &Call| estimates.get(call.model).copied().unwrap_or(f32::NEG_INFINITY);
        let mut order: Vec<&Call> = calls.iter().collect();
        order.sort_by(|a, b| estimate(b).total_cmp(&estimate(a)).then(a.model.cmp(&b.model)));
        let first = order.iter().position(|call| call.quality >= best).unwrap_or(order.len());
        let optimal = calls.iter().filter(|call| call.quality >= best).count();
        self.decisions += 1;
        for ((&k, recalled), chance) in RANKS.iter().zip(&mut self.recalled).zip(&mut self.chance) {
            *recalled += f64::from(u8::from(first < k));
            *chance += 1.0 - missed(calls.len(), optimal, k);
        }
    }

    pub(crate) fn finish(&self) -> Option<Ranking> {
        let n = self.decisions as f64;
        let recall = RANKS.iter().zip(self.recalled).zip(self.chance);
        (self.decisions > 0).then(|| Ranking {
            recall: recall
                .map(|((&k, recalled), chance)| Recall { k, recall: recalled / n, chance: chance / n })
                .collect(),
            decisions: self.decisions,
        })
    }
}

/// The chance that k of n models, of which `optimal` are best, hold none of the best.
fn missed(n: usize, optimal: usize, k: usize) -> f64 {
    (0..k).map(|drawn| n.saturating_sub(optimal + drawn) as f64 / n.saturating_sub(drawn).max(1) as f64).product()
}

/// The best and the worst observed quality.
fn ends(calls: &[Call]) -> Option<(f64, f64)> {
    let qualities = || calls.iter().map(|call| call.quality);
    Some((qualities().reduce(f64::max)?, qualities().reduce(f64::min)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(qualities: &[f64]) -> Vec<Call> {
        qualities.iter().enumerate().map(|(model, &quality)| Call { model, quality, cost: None }).collect()
    }

    #[test]
    fn a_choice_is_held_against_the_best() {
        let mut sums = SelectionSums::default();
        sums.add(&calls(&[1.0, 0.0]), &[(0, 1.0)]);
        sums.add(&calls(&[0.25, 0.75]), &[(0, 1.0)]);
        sums.add(&calls(&[0.0, 0.0]), &[(0, 1.0)]); // no difference: counts for regret alone
        sums.add(&calls(&[1.0, 0.0]), &[(0, 0.5), (1, 0.5)]);
        sums.add(&calls(&[1.0]), &[(3, 1.0)]); // not observed
        let found = sums.finish().unwrap();
        assert_eq!(found.recall, Some(1.5 / 3.0));
        assert_eq!((found.regret, found.decisions), ((0.0 + 0.5 + 0.0 + 0.5) / 4.0, 4));
        assert_eq!(SelectionSums::default().finish(), None);
    }

    #[test]
    fn a_ranking_is_read_from_the_top() {
        let mut sums = RankingSums::default();
        // The best, model 3, stands second; model 0 of 6 is first elsewhere.
        sums.add(&calls(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), &[0.9, 0.1, 0.2, 0.5, 0.3, 0.4]);
        sums.add(&calls(&[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), &[0.9, 0.1, 0.2, 0.5, 0.3, 0.4]);
        sums.add(&calls(&[1.0, 1.0]), &[0.9, 0.1]);
        let found = sums.finish().unwrap();
        assert_eq!(found.decisions, 2);
        let recall: Vec<f64> = found.recall.iter().map(|one| one.recall).collect();
        assert_eq!(recall, [0.5, 1.0, 1.0]);
        // One of six: 1/6, 1/2, 5/6. Two of six: 1/3, 1 - (4*3*2)/(6*5*4) = 0.8, 1.
        let chance = [f64::midpoint(1.0 / 6.0, 1.0 / 3.0), f64::midpoint(0.5, 0.8), f64::midpoint(5.0 / 6.0, 1.0)];
        for (one, expected) in found.recall.iter().zip(chance) {
            assert!((one.chance - expected).abs() < 1e-12, "{one:?} {expected}");
        }
    }
}
