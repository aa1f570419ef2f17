//! A contestant's quality-cost curve: the calls behind every point, and their bootstrap.
#![allow(clippy::indexing_slicing, reason = "points and rows are parallel lists made here")]

use router_core::cost::CostKind;
use router_core::{Folds, Seed};

use crate::arena::Call;
use crate::bootstrap::{Mean, Stratum, resample};
use crate::contest::{Contest, Series};
use crate::metrics::cost_at_equal_quality::{CostAtEqualQuality, HeldOut, cheapest_equal};
use crate::metrics::sweep::{OperatingPoint, choose, trade_offs};
use crate::options::Options;

/// Parts that a trade-off is chosen and read on in turn.
const PARTS: usize = 10;

/// What every trade-off gives on every prompt, averaged over seeds.
pub(super) struct CurveRows {
    lambdas: Vec<f64>,
    /// By data set, those without a prompt left out.
    data: Vec<DataRows>,
    pub(super) kind: CostKind,
}

/// The prompts of one data set on which all points are known.
struct DataRows {
    groups: Vec<u32>,
    /// The best single model's (US dollars, quality), a row.
    single: Vec<(f64, f64)>,
    /// (US dollars, quality) by point, row.
    points: Vec<Vec<(f64, f64)>>,
}

impl CurveRows {
    /// The curve of `series`; `None` if it has no estimates, or no prompt has a known cost. `calls` are the observed calls by data
    /// set and row.
    pub(super) fn new(contest: &Contest, series: &Series, calls: &[Vec<Vec<Call>>]) -> Option<Self> {
        let forecasts = || series.forecasts.iter().flatten().flatten();
        let rows = forecasts().flat_map(|forecast| {
            (0..forecast.quality.rows()).map(move |row| (forecast.quality.row(row), forecast.cost_usd.row(row)))
        });
        let lambdas = trade_offs(rows);
        let mut kind = CostKind::Measured;
        let data: Vec<DataRows> = (0..contest.arenas.len())
            .filter_map(|data| data_rows(contest, series, data, &calls[data], &lambdas, &mut kind))
            .collect();
        (!data.is_empty()).then_some(Self { lambdas, data, kind })
    }

    /// Prompts.
    pub(super) fn prompts(&self) -> usize {
        self.data.iter().map(|data| data.single.len()).sum()
    }

    /// The points, macro means over data sets.
    pub(super) fn points(&self) -> Vec<OperatingPoint> {
        let points = self.lambdas.iter().enumerate().map(|(at, &lambda)| {
            let (cost_usd, quality) = macro_mean(self.data.iter().map(|data| mean(&data.points[at])));
            OperatingPoint { lambda: lambda.is_finite().then_some(lambda), quality, cost_usd }
        });
        points.collect()
    }

    /// The best single model of known cost.
    pub(super) fn single(&self) -> (f64, f64) {
        macro_mean(self.data.iter().map(|data| mean(&data.single)))
    }

    /// The cost at the best single model's quality, with its interval; `None` where that model costs nothing.
    pub(super) fn cost_at_equal_quality(&self, options: &Options) -> Option<CostAtEqualQuality> {
        let single = self.single();
        if single.0 <= 0.0 {
            return None;
        }
        let points: Vec<(f64, f64)> = self.points().iter().map(|point| (point.cost_usd, point.quality)).collect();
        let cost_usd = cheapest_equal(&points, single).map_or(single.0, |at| points[at].0);
        Some(CostAtEqualQuality {
            best_single_quality: single.1,
            best_single_cost_usd: single.0,
            cost_usd,
            share: cost_usd / single.0,
            share_ci: self.share_interval(options),
            held_out: self.held_out(&Seed::root(options.bootstrap_seed).child("cost-at-equal-quality")),
        })
    }

    /// The percentile interval of the share, the point being chosen in every resample.
    fn share_interval(&self, options: &Options) -> Option<[f64; 2]> {
        let mut strata: Vec<Stratum> = self.data.iter().map(|data| Stratum::new(&data.groups)).collect();
        let mut columns = |of: &dyn Fn(&DataRows) -> Vec<f64>| {
            let terms = strata.iter_mut().zip(&self.data).map(|(stratum, data)| {
                let values = of(data);
                let count = stratum.column(values.iter().map(|_| 1.0));
                Some((stratum.column(values), count))
            });
            Mean(terms.collect())
        };
        let mut means = vec![
            columns(&|data| data.single.iter().map(|call| call.0).collect()),
            columns(&|data| data.single.iter().map(|call| call.1).collect()),
        ];
        for at in 0..self.lambdas.len() {
            means.push(columns(&|data| data.points[at].iter().map(|call| call.0).collect()));
            means.push(columns(&|data| data.points[at].iter().map(|call| call.1).collect()));
        }
        let sums = resample(&strata, options.resamples, &Seed::root(options.bootstrap_seed).child("bootstrap"));
        let means: Vec<&Mean> = means.iter().collect();
        sums.interval(&means, options.confidence, |means| {
            let (pairs, _) = means.as_chunks::<2>();
            let mut pairs = pairs.iter().map(|&[cost, quality]| (cost, quality));
            let single = pairs.next().filter(|single| single.0 > 0.0)?;
            let points: Vec<(f64, f64)> = pairs.collect();
            Some(cheapest_equal(&points, single).map_or(1.0, |at| points[at].0 / single.0))
        })
    }

    /// The trade-off is chosen on nine parts of the prompts and read on the tenth, in turn.
    fn held_out(&self, seed: &Seed) -> Option<HeldOut> {
        let folds: Vec<Folds> =
            self.data.iter().map(|data| Folds::new(&data.groups, PARTS, seed).ok()).collect::<Option<_>>()?;
        let mut read = vec![Vec::new(); self.data.len()];
        for part in 0..PARTS {
            let over = |of: &dyn Fn(&DataRows) -> Vec<(f64, f64)>| {
                macro_mean(self.data.iter().zip(&folds).map(|(data, folds)| {
                    let kept = of(data).into_iter().zip(folds.fold_of()).filter(|(_, fold)| **fold != part);
                    mean(&kept.map(|(call, _)| call).collect::<Vec<_>>())
                }))
            };
            let points: Vec<(f64, f64)> =
                (0..self.lambdas.len()).map(|at| over(&|data| data.points[at].clone())).collect();
            let chosen = cheapest_equal(&points, over(&|data| data.single.clone()));
            for ((data, folds), read) in self.data.iter().zip(&folds).zip(&mut read) {
                let calls = chosen.map_or(&data.single, |at| &data.points[at]);
                read.extend(
                    calls.iter().zip(folds.fold_of()).filter(|(_, fold)| **fold == part).map(|(call, _)| *call),
                );
            }
        }
        let (cost, quality) = macro_mean(read.iter().map(|calls| mean(calls)));
        let single = self.single();
        Some(HeldOut { share: cost / single.0, quality_delta: quality - single.1 })
    }
}

fn data_rows(
    contest: &Contest,
    series: &Series,
    data: usize,
    calls: &[Vec<Call>],
    lambdas: &[f64],
    kind: &mut CostKind,
) -> Option<DataRows> {
    let groups = contest.arenas[data].dataset.groups();
    let mut found = DataRows { groups: Vec::new(), single: Vec::new(), points: vec![Vec::new(); lambdas.len()] };
    let forecasts: Vec<_> = series.forecasts[data].iter().map(Option::as_ref).collect::<Option<_>>()?;
    let seeds = forecasts.len() as f64;
    for (row, calls) in calls.iter().enumerate() {
        let mut sums = vec![(0.0, 0.0); lambdas.len() + 1];
        let mut kinds = *kind;
        let mut add = |sum: &mut (f64, f64), model: usize| {
            let call = calls.iter().find(|call| call.model == model)?;
            let (cost, kind) = call.cost?;
            kinds = kinds.max(kind);
            sum.0 += cost / seeds;
            sum.1 += call.quality / seeds;
            Some(())
        };
        let known = (0..forecasts.len()).try_for_each(|seed| {
            add(&mut sums[lambdas.len()], contest.priced[data][seed][row]?.best)?;
            let (quality, cost_usd) = (forecasts[seed].quality.row(row), forecasts[seed].cost_usd.row(row));
            lambdas.iter().enumerate().try_for_each(|(at, &lambda)| {
                choose(quality, cost_usd, lambda).and_then(|model| add(&mut sums[at], model))
            })
        });
        if known.is_some() {
            *kind = kinds;
            found.groups.push(groups[row]);
            found.single.extend(sums.pop());
            found.points.iter_mut().zip(sums).for_each(|(point, sum)| point.push(sum));
        }
    }
    (!found.single.is_empty()).then_some(found)
}

fn mean(calls: &[(f64, f64)]) -> (f64, f64) {
    let (cost, quality) = calls.iter().fold((0.0, 0.0), |(cost, quality), call| (cost + call.0, quality + call.1));
    (cost / calls.len() as f64, quality / calls.len() as f64)
}

fn macro_mean(means: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    mean(&means.collect::<Vec<_>>())
}
