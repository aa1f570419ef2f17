//! From what was chosen and expected to the metrics.
#![allow(clippy::indexing_slicing, reason = "scores, series, calls and picks are parallel lists")]

use std::collections::BTreeMap;

use router_core::ModelIndex;

use crate::arena::{Arena, Call};
use crate::contest::{Contest, Series, Side};
use crate::metrics::agreement::{Agreement, agreement};
use crate::metrics::aiq::{aiq, shared_range};
use crate::metrics::averages::averages;
use crate::metrics::calibration::{Calibration, ReliabilitySums};
use crate::metrics::curve::CurveRows;
use crate::metrics::llmrouterbench::{LlmRouterBench, gains, pareto_dist};
use crate::metrics::noise_ceiling::{NoiseCeiling, PromptOutcomes, noise_ceiling};
use crate::metrics::ranking::{RankingSums, SelectionSums};
use crate::metrics::routellm::{PairedCall, RouteLlm, routellm};
use crate::metrics::routerarena::Optimality;
use crate::metrics::stability::{Stability, equal_decisions};
use crate::metrics::{Curve, Metrics, SingleModel, SingleModels, routellm as pairs};
use crate::options::Options;
use crate::pick::Pick;
use crate::scores::Scores;

/// References whose decisions the routers' are compared with.
const COMPARED: [&str; 4] = ["best-single", "knn", "benchmark-label", "oracle"];

/// All metrics of an evaluation.
pub(crate) struct Measured {
    /// A series each.
    pub(crate) metrics: Vec<Metrics>,
    pub(crate) single_models: Option<SingleModels>,
    pub(crate) agreement: Vec<Agreement>,
    /// A data set each.
    pub(crate) noise_ceilings: Vec<Option<NoiseCeiling>>,
}

/// Measures everything in `contest`, whose series have `scores` and `labels`.
pub(crate) fn measure(contest: &Contest, scores: &[Scores], labels: &[String], options: &Options) -> Measured {
    let calls: Vec<Vec<Vec<Call>>> =
        contest.arenas.iter().map(|arena| (0..arena.len()).map(|row| arena.calls(row).collect()).collect()).collect();
    let benchmarks = benchmarks(contest);
    let mut metrics: Vec<Metrics> = contest
        .series
        .iter()
        .zip(scores)
        .map(|(series, scores)| {
            let (optimality, selection) = choices(contest, series, &calls);
            let (ranking, calibration) = estimates(contest, series, &calls);
            Metrics {
                averages: averages(scored(scores, &benchmarks)),
                routerarena: scores
                    .quality_where(|_, _| true)
                    .map(|quality| optimality.finish(Some(quality), scores.cost)),
                selection,
                ranking,
                calibration,
                curve: None,
                routellm: pair_of(contest, series, &calls),
                stability: stability(contest, series, scores),
            }
        })
        .collect();
    let single_models = curves(contest, &calls, &mut metrics, options);
    Measured {
        metrics,
        single_models,
        agreement: agreements(contest, labels),
        noise_ceilings: contest.arenas.iter().zip(&calls).map(|(arena, calls)| ceiling(arena, calls)).collect(),
    }
}

/// The number of every prompt's benchmark, by data set and row.
fn benchmarks(contest: &Contest) -> Vec<Vec<usize>> {
    let mut numbers: BTreeMap<(usize, Option<&str>), usize> = BTreeMap::new();
    let of = |(data, arena): (usize, &'_ Arena)| -> Vec<(usize, Option<String>)> {
        arena.dataset.prompts().iter().map(|prompt| (data, prompt.benchmark.clone())).collect()
    };
    let keys: Vec<Vec<(usize, Option<String>)>> = contest.arenas.iter().enumerate().map(of).collect();
    keys.iter()
        .map(|keys| {
            keys.iter()
                .map(|(data, benchmark)| {
                    let next = numbers.len();
                    *numbers.entry((*data, benchmark.as_deref())).or_insert(next)
                })
                .collect()
        })
        .collect()
}

/// Every scored prompt: its benchmark and its quality.
fn scored<'a>(scores: &'a Scores, benchmarks: &'a [Vec<usize>]) -> impl Iterator<Item = (usize, f64)> + 'a {
    let rows = scores.quality.iter().zip(benchmarks).flat_map(|(quality, benchmarks)| quality.iter().zip(benchmarks));
    rows.filter_map(|(quality, &benchmark)| Some((benchmark, (*quality)?)))
}

/// What the choices were worth against the best calls.
fn choices(
    contest: &Contest,
    series: &Series,
    calls: &[Vec<Vec<Call>>],
) -> (Optimality, Option<crate::metrics::ranking::Selection>) {
    let (mut optimality, mut selection) = (Optimality::default(), SelectionSums::default());
    for (picks, calls) in series.picks.iter().zip(calls).take(contest.arenas.len()) {
        for picks in picks {
            for (pick, calls) in picks.iter().zip(calls) {
                let chosen: &[(ModelIndex, f64)] = match pick {
                    // Several answers together are no choice of one call.
                    Pick::Nobody | Pick::Set(_) | Pick::Cascade(_) => continue,
                    Pick::One(model) => &[(*model, 1.0)],
                    Pick::Mix { shares, .. } => shares,
                };
                optimality.add(calls, chosen);
                selection.add(calls, chosen);
            }
        }
    }
    (optimality, selection.finish())
}

/// Ranking and calibration of the estimates, where there are any.
fn estimates(
    contest: &Contest,
    series: &Series,
    calls: &[Vec<Vec<Call>>],
) -> (Option<crate::metrics::ranking::Ranking>, Option<Calibration>) {
    let (mut ranking, mut pooled, mut chosen) =
        (RankingSums::default(), ReliabilitySums::default(), ReliabilitySums::default());
    let mut models: BTreeMap<&str, ReliabilitySums> = BTreeMap::new();
    for (data, arena) in contest.arenas.iter().enumerate() {
        for (seed, forecast) in series.forecasts[data].iter().enumerate() {
            let Some(forecast) = forecast else { continue };
            for (row, calls) in calls[data].iter().enumerate() {
                let estimates = forecast.quality.row(row);
                ranking.add(calls, estimates);
                let pick = series.picks[data][seed][row].model(arena, row);
                for call in calls {
                    let estimate = f64::from(estimates[call.model]);
                    pooled.add(estimate, call.quality);
                    models.entry(arena.pool.name(call.model)).or_default().add(estimate, call.quality);
                    if pick == Some(call.model) {
                        chosen.add(estimate, call.quality);
                    }
                }
            }
        }
    }
    let models = models.into_iter().filter_map(|(model, sums)| Some((model.to_owned(), sums.finish()?))).collect();
    let calibration = pooled.finish().map(|pooled| Calibration { pooled, chosen: chosen.finish(), models });
    (ranking.finish(), calibration)
}

/// RouteLLM's metrics: the mean over seeds of each data set, and of those.
fn pair_of(contest: &Contest, series: &Series, calls: &[Vec<Vec<Call>>]) -> Option<RouteLlm> {
    let of_data = |data: usize| {
        let seeds = series.forecasts[data].iter().enumerate().filter_map(|(seed, forecast)| {
            let forecast = forecast.as_ref()?;
            let paired = calls[data].iter().enumerate().filter_map(|(row, calls)| {
                let priced = contest.priced[data][seed][row]?;
                let quality = |model| calls.iter().find(|call| call.model == model).map(|call| call.quality);
                let estimate = |model| f64::from(forecast.quality.get(row, model));
                Some(PairedCall {
                    expected_gain: estimate(priced.best) - estimate(priced.cheapest),
                    weak: quality(priced.cheapest)?,
                    strong: quality(priced.best)?,
                })
            });
            routellm(&paired.collect::<Vec<_>>())
        });
        pairs::mean(&seeds.collect::<Vec<_>>())
    };
    pairs::mean(&(0..contest.arenas.len()).filter_map(of_data).collect::<Vec<_>>())
}

fn stability(contest: &Contest, series: &Series, scores: &Scores) -> Option<Stability> {
    let seeds = contest.seeds.len();
    let of_seed = |seed: usize| -> Vec<Option<ModelIndex>> {
        let picks = series.picks.iter().flat_map(|picks| picks[seed].iter());
        picks.map(|pick| if let Pick::One(model) = pick { Some(*model) } else { None }).collect()
    };
    let qualities: Vec<f64> = scores.quality_by_seed(seeds).into_iter().flatten().collect();
    let highest = qualities.iter().copied().reduce(f64::max)?;
    let lowest = qualities.iter().copied().reduce(f64::min)?;
    Some(Stability {
        equal_decisions: equal_decisions(&(0..seeds).map(of_seed).collect::<Vec<_>>())?,
        quality_range: highest - lowest,
        seeds,
    })
}

/// Fills in every series' curve; gives the single models' points.
fn curves(
    contest: &Contest,
    calls: &[Vec<Vec<Call>>],
    metrics: &mut [Metrics],
    options: &Options,
) -> Option<SingleModels> {
    let rows: Vec<Option<CurveRows>> =
        contest.series.iter().map(|series| CurveRows::new(contest, series, calls)).collect();
    let plain = |rows: &CurveRows| -> Vec<(f64, f64)> {
        rows.points().iter().map(|point| (point.cost_usd, point.quality)).collect()
    };
    let models = single_models(contest, calls);
    let singles: Vec<(f64, f64)> = models.iter().map(|model| (model.cost_usd, model.quality)).collect();
    let mut all: Vec<Vec<(f64, f64)>> = rows.iter().flatten().map(plain).collect();
    all.push(singles.clone());
    let range = shared_range(&all);
    let everything: Vec<(f64, f64)> = all.into_iter().flatten().collect();
    for (rows, metrics) in rows.iter().zip(metrics) {
        let Some(rows) = rows else { continue };
        let points = plain(rows);
        metrics.curve = Some(Curve {
            aiq: range.and_then(|(from, to)| aiq(&points, from, to)),
            llmrouterbench: gains(&points, rows.single()).map(|(perf_gain, cost_save)| LlmRouterBench {
                perf_gain,
                cost_save,
                pareto_dist: pareto_dist(&points, &everything),
            }),
            cost_at_equal_quality: rows.cost_at_equal_quality(options),
            points: rows.points(),
            cost_kind: rows.kind,
            prompts: rows.prompts(),
        });
    }
    (!models.is_empty()).then(|| SingleModels { models, aiq: range.and_then(|(from, to)| aiq(&singles, from, to)) })
}

/// The points of the models that every data set has, where their cost is known.
fn single_models(contest: &Contest, calls: &[Vec<Vec<Call>>]) -> Vec<SingleModel> {
    let Some(first) = contest.arenas.first() else { return Vec::new() };
    let point = |name: &str| {
        let mut sum = (0.0, 0.0);
        for (arena, calls) in contest.arenas.iter().zip(calls) {
            let model = arena.pool.index_of(name).ok()?;
            let mut own = calls.iter().flatten().filter(|call| call.model == model);
            let (cost, quality, count) = own.try_fold((0.0, 0.0, 0usize), |(cost, quality, count), call| {
                Some((cost + call.cost?.0, quality + call.quality, count + 1))
            })?;
            if count == 0 {
                return None;
            }
            sum.0 += cost / count as f64;
            sum.1 += quality / count as f64;
        }
        let sets = contest.arenas.len() as f64;
        Some(SingleModel { model: name.to_owned(), quality: sum.1 / sets, cost_usd: sum.0 / sets })
    };
    first.pool.models().iter().filter_map(|model| point(&model.name)).collect()
}

/// Every router against every later router and the references that are compared.
fn agreements(contest: &Contest, labels: &[String]) -> Vec<Agreement> {
    let mut found = Vec::new();
    for (at, series) in contest.series.iter().enumerate().filter(|(_, series)| series.side == Side::Router) {
        for (other, against) in contest.series.iter().enumerate().skip(at + 1) {
            if against.side == Side::Reference && !COMPARED.contains(&against.name.as_str()) {
                continue;
            }
            // Models of different data sets are different, whatever their numbers.
            let mut offset = 0;
            let mut pairs = Vec::new();
            for (data, arena) in contest.arenas.iter().enumerate() {
                let both = series.picks[data].iter().flatten().zip(against.picks[data].iter().flatten());
                pairs.extend(both.filter_map(|(a, b)| match (a, b) {
                    (Pick::One(a), Pick::One(b)) => Some((a + offset, b + offset)),
                    _ => None,
                }));
                offset += arena.pool.len();
            }
            if let Some((share, kappa)) = agreement(&pairs) {
                let (a, b) = (labels[at].clone(), labels[other].clone());
                found.push(Agreement { a, b, share, kappa, decisions: pairs.len() });
            }
        }
    }
    found
}

fn ceiling(arena: &Arena, calls: &[Vec<Call>]) -> Option<NoiseCeiling> {
    let mut numbers: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let prompts: Vec<PromptOutcomes> = arena
        .dataset
        .prompts()
        .iter()
        .zip(calls)
        .map(|(prompt, calls)| {
            let next = numbers.len();
            let mut outcomes = vec![None; arena.pool.len()];
            for call in calls {
                outcomes[call.model] = Some(call.quality);
            }
            let benchmark = *numbers.entry(prompt.benchmark.as_deref()).or_insert(next);
            PromptOutcomes { benchmark, outcomes }
        })
        .collect();
    noise_ceiling(&prompts)
}
