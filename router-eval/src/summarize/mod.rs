//! From what was chosen to the summary.
#![allow(clippy::indexing_slicing, reason = "scores, series and strata are parallel lists made here")]

mod entries;
mod leakage;
mod robustness;

use std::collections::{BTreeMap, BTreeSet};

use router_core::Result;

use crate::contest::{Contest, Side};
use crate::decisions::DecisionRow;
use crate::metrics::{Measured, measure};
use crate::notes::notes;
use crate::options::Options;
use crate::scores::{Scores, mean};
use crate::summary::{BenchmarkSummary, BootstrapSummary, DataSummary, Summary};

/// What the summary says beside the scores.
pub(crate) struct Circumstances {
    pub(crate) train: Option<DataSummary>,
    pub(crate) unpriced_models: Vec<String>,
    pub(crate) nominal_output_tokens: u32,
    pub(crate) leaks: Option<Leaks>,
}

/// Which test prompts stand in the training data, by data set and row.
pub(crate) struct Leaks {
    /// Word for word.
    pub(crate) exact: Vec<Vec<bool>>,
    /// As near duplicates, if somebody looked.
    pub(crate) near: Option<Vec<Vec<bool>>>,
}

/// The summary and all decisions of `contest`.
pub(crate) fn summarize(
    contest: &Contest,
    circumstances: Circumstances,
    options: &Options,
) -> Result<(Summary, Vec<DecisionRow>)> {
    let scores: Vec<Scores> = contest.series.iter().map(|series| Scores::new(contest, series)).collect();
    let mut entries = entries::entries(contest, &scores, options)?;
    let labels: Vec<String> = entries.iter().map(|entry| entry.label(contest.first_router())).collect();
    let Measured { metrics, single_models, agreement, noise_ceilings } = measure(contest, &scores, &labels, options);
    for (entry, metrics) in entries.iter_mut().zip(metrics) {
        entry.metrics = metrics;
    }
    let names: BTreeSet<&str> =
        contest.arenas.iter().flat_map(|arena| arena.pool.models().iter().map(|model| model.name.as_str())).collect();
    let test: Vec<DataSummary> = contest
        .arenas
        .iter()
        .map(|arena| DataSummary {
            name: arena.name.clone(),
            prompts: arena.len(),
            models: arena.dataset.models().len(),
            groups: arena.dataset.groups().iter().collect::<BTreeSet<_>>().len(),
            fingerprint: arena.dataset.fingerprint(),
        })
        .collect();
    let leakage = match &circumstances.leaks {
        Some(leaks) => Some(leakage::leakage(contest, leaks, &scores, &labels, options)?),
        None => None,
    };
    let decisions = decisions(contest, &labels);
    let split = contest.series.iter().filter(|series| series.side == Side::Router).count();
    let (routers, references) = entries.split_at(split);
    let mut summary = Summary {
        data: contest.arenas.iter().map(|arena| arena.name.clone()).collect(),
        folds: contest.folds,
        leave_benchmark_out: contest.leave_benchmark_out,
        seeds: contest.seeds.clone(),
        prompts: contest.arenas.iter().map(crate::arena::Arena::len).sum(),
        models: names.len(),
        unscored: routers.first().map_or(0, |router| router.unscored),
        routers: routers.to_vec(),
        references: references.to_vec(),
        nominal_output_tokens: circumstances.nominal_output_tokens,
        unpriced_models: circumstances.unpriced_models,
        notes: Vec::new(),
        leakage,
        train: circumstances.train,
        test,
        benchmarks: benchmarks(contest, &scores, &labels),
        bootstrap: BootstrapSummary {
            resamples: options.resamples,
            confidence: options.confidence,
            seed: options.bootstrap_seed,
        },
        single_models,
        agreement,
        noise_ceilings,
        robustness: robustness::robustness(contest, &scores, options),
    };
    summary.notes = notes(&summary, contest, &scores);
    Ok((summary, decisions))
}

fn benchmarks(contest: &Contest, scores: &[Scores], labels: &[String]) -> Vec<BenchmarkSummary> {
    let mut summaries = Vec::new();
    for (data, arena) in contest.arenas.iter().enumerate() {
        let mut rows: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        for (row, prompt) in arena.dataset.prompts().iter().enumerate() {
            rows.entry(prompt.benchmark.as_deref()).or_default().push(row);
        }
        for (benchmark, rows) in rows {
            let quality = labels.iter().zip(scores).filter_map(|(label, scores)| {
                Some((label.clone(), mean(rows.iter().filter_map(|&row| scores.quality[data][row]))?))
            });
            summaries.push(BenchmarkSummary {
                data: arena.name.clone(),
                benchmark: benchmark.map(str::to_owned),
                prompts: rows.len(),
                quality: quality.collect(),
            });
        }
    }
    summaries
}

/// Every decision: by contestant, data set, seed and prompt.
fn decisions(contest: &Contest, labels: &[String]) -> Vec<DecisionRow> {
    let mut rows = Vec::new();
    for (series, label) in contest.series.iter().zip(labels) {
        for (data, arena) in contest.arenas.iter().enumerate() {
            for (seed, picks) in series.picks[data].iter().enumerate() {
                for ((row, pick), prompt) in picks.iter().enumerate().zip(arena.dataset.prompts()) {
                    let score = pick.drawn_score(arena, row);
                    rows.push(DecisionRow {
                        router: label.clone(),
                        data: arena.name.clone(),
                        fold: contest.folds.map(|_| contest.fold_of[data][seed][row]),
                        seed: contest.seeds[seed],
                        prompt_id: prompt.id.clone(),
                        model: pick.model(arena, row).map(|model| arena.pool.name(model).to_owned()),
                        score: score.map(|score| score.quality),
                        cost_usd: score.and_then(|score| score.cost),
                    });
                }
            }
        }
    }
    rows
}
