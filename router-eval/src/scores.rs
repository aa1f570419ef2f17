//! Every contestant's scores a prompt, averaged over seeds, and what they add up to.
#![allow(clippy::indexing_slicing, reason = "tables are as long as the data sets and rows they are made from")]

use std::collections::BTreeMap;

use router_core::cost::CostKind;

use crate::contest::{Contest, Series};
use crate::pick::Pick;

/// One contestant's scores.
pub(crate) struct Scores {
    /// By data set, row: mean quality over the seeds that were scored; `None` if none was.
    pub(crate) quality: Vec<Vec<Option<f64>>>,
    /// By data set, seed: mean quality over the scored rows.
    by_seed: Vec<Vec<Option<f64>>>,
    /// Mean US dollars a call, the macro mean over data sets; `None` where any is unknown or nothing was scored.
    pub(crate) cost: Option<f64>,
    pub(crate) cost_kind: CostKind,
    /// Share of the decisions by model name, the macro mean over data sets.
    pub(crate) distribution: BTreeMap<String, f64>,
    /// Decisions without a score; 0 for a reference that does not apply.
    pub(crate) unscored: usize,
    /// Decisions for no model.
    pub(crate) undecided: usize,
}

impl Scores {
    pub(crate) fn new(contest: &Contest, series: &Series) -> Self {
        let seeds = contest.seeds.len();
        let mut quality = Vec::with_capacity(contest.arenas.len());
        let mut by_seed = Vec::with_capacity(contest.arenas.len());
        let mut costs = Vec::new();
        let mut kinds = Vec::new();
        let mut shares: Vec<BTreeMap<String, f64>> = Vec::new();
        let (mut unscored, mut undecided, mut decisions) = (0, 0, 0usize);
        for (arena, picks) in contest.arenas.iter().zip(&series.picks) {
            let mut sums = vec![(0.0f64, 0.0f64, 0usize); arena.len()];
            let mut seed_sums = vec![(0.0f64, 0usize); seeds];
            let mut chosen = vec![0.0f64; arena.pool.len()];
            for (seed, picks) in picks.iter().enumerate() {
                for (row, pick) in picks.iter().enumerate() {
                    decisions += 1;
                    undecided += usize::from(*pick == Pick::Nobody);
                    pick.each_share(arena, row, |model, share| chosen[model] += share);
                    let Some(score) = pick.score(arena, row) else {
                        unscored += 1;
                        continue;
                    };
                    kinds.push(score.kind);
                    sums[row].0 += score.quality;
                    sums[row].1 += score.cost.unwrap_or(0.0);
                    sums[row].2 += 1;
                    seed_sums[seed].0 += score.quality;
                    seed_sums[seed].1 += 1;
                }
            }
            let over = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
            quality.push(sums.iter().map(|&(sum, _, count)| over((sum, count))).collect());
            costs.push(mean(sums.iter().filter_map(|&(_, cost, count)| over((cost, count)))));
            by_seed.push(seed_sums.into_iter().map(over).collect());
            let total: f64 = chosen.iter().sum();
            let named = chosen.iter().enumerate().filter(|&(_, &share)| share > 0.0);
            shares.push(named.map(|(model, share)| (arena.pool.name(model).to_owned(), share / total)).collect());
        }
        let applies = undecided < decisions;
        let cost_kind = kinds.iter().copied().max().unwrap_or(CostKind::None);
        Self {
            quality,
            by_seed,
            cost: if cost_kind == CostKind::None { None } else { mean(costs.into_iter().flatten()) },
            cost_kind,
            distribution: pooled(&shares),
            unscored: if applies { unscored } else { 0 },
            undecided: if applies { undecided } else { 0 },
        }
    }

    /// The quality under each seed alone: the macro mean over data sets.
    pub(crate) fn quality_by_seed(&self, seeds: usize) -> Vec<Option<f64>> {
        (0..seeds).map(|seed| mean(self.by_seed.iter().filter_map(|by_seed| by_seed[seed]))).collect()
    }

    /// The mean quality on each data set.
    pub(crate) fn quality_by_data(&self) -> Vec<Option<f64>> {
        self.quality.iter().map(|rows| mean(rows.iter().copied().flatten())).collect()
    }

    /// The macro mean over data sets of the quality over the rows for which `keep` (data set, row) holds.
    pub(crate) fn quality_where(&self, keep: impl Fn(usize, usize) -> bool) -> Option<f64> {
        mean(self.quality.iter().enumerate().filter_map(|(data, rows)| {
            mean(rows.iter().enumerate().filter(|&(row, _)| keep(data, row)).filter_map(|(_, quality)| *quality))
        }))
    }
}

/// The plain mean; `None` of nothing.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The sample standard deviation; `None` of fewer than two.
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values.iter().copied()).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The mean distribution over the data sets in which anything was chosen.
fn pooled(shares: &[BTreeMap<String, f64>]) -> BTreeMap<String, f64> {
    let some = shares.iter().filter(|shares| !shares.is_empty()).count();
    let mut pooled = BTreeMap::new();
    for (model, share) in shares.iter().flatten() {
        *pooled.entry(model.clone()).or_insert(0.0) += share / some as f64;
    }
    pooled
}
