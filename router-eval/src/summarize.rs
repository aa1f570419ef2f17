//! From what was chosen to the summary.
#![allow(clippy::indexing_slicing, reason = "scores, series and strata are parallel lists made here")]

use std::collections::{BTreeMap, BTreeSet};

use router_core::{Result, Seed};

use crate::bootstrap::{Mean, Stratum, Sums, resample};
use crate::contest::{Contest, Series, Side};
use crate::decisions::DecisionRow;
use crate::metrics::{Measured, Metrics, measure};
use crate::notes::notes;
use crate::options::Options;
use crate::scores::{Scores, mean, standard_deviation};
use crate::summary::{BenchmarkSummary, BootstrapSummary, DataSummary, Difference, Entry, Leakage, Summary};

/// The least lead of the oracle over the best single model at which a share of it means anything.
const LEAST_GAP: f64 = 0.005;

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
    let mut entries = entries(contest, &scores, options)?;
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
    let leakage = circumstances.leaks.as_ref().map(|leaks| leakage(leaks, &scores, &labels));
    let decisions = decisions(contest, &labels);
    let split = contest.series.iter().filter(|series| series.side == Side::Router).count();
    let (routers, references) = entries.split_at(split);
    let mut summary = Summary {
        data: contest.arenas.iter().map(|arena| arena.name.clone()).collect(),
        folds: contest.folds,
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
    };
    summary.notes = notes(&summary, contest, &scores);
    Ok((summary, decisions))
}

/// The means that one entry's statistics are made of.
struct Means {
    own: Mean,
    /// This one, best single and the oracle where this one and best single were scored.
    beside_best_single: [Mean; 3],
    /// This one and the nearest neighbors where both were scored.
    beside_knn: [Mean; 2],
}

fn entries(contest: &Contest, scores: &[Scores], options: &Options) -> Result<Vec<Entry>> {
    let best_single = &scores[contest.reference("best-single")?];
    let knn = &scores[contest.reference("knn")?];
    let oracle = &scores[contest.reference("oracle")?];
    let mut strata: Vec<Stratum> = contest.arenas.iter().map(|arena| Stratum::new(arena.dataset.groups())).collect();
    let means: Vec<Means> = scores
        .iter()
        .map(|own| Means {
            own: mean_of(&mut strata, own, &[own]),
            beside_best_single: [own, best_single, oracle]
                .map(|of| mean_of(&mut strata, of, &[own, best_single, oracle])),
            beside_knn: [own, knn].map(|of| mean_of(&mut strata, of, &[own, knn])),
        })
        .collect();
    let seed = Seed::root(options.bootstrap_seed).child("bootstrap");
    let sums = resample(&strata, options.resamples, &seed);
    Ok(contest
        .series
        .iter()
        .zip(scores)
        .zip(&means)
        .map(|((series, scores), means)| entry(contest, series, scores, means, &sums, options.confidence))
        .collect())
}

/// The mean quality of `of` over the rows in which all of `scored` have a score.
fn mean_of(strata: &mut [Stratum], of: &Scores, scored: &[&Scores]) -> Mean {
    let terms = strata.iter_mut().enumerate().map(|(data, stratum)| {
        let mask: Vec<bool> =
            (0..of.quality[data].len()).map(|row| scored.iter().all(|one| one.quality[data][row].is_some())).collect();
        let values = of.quality[data].iter().zip(&mask).map(|(quality, &both)| quality.filter(|_| both).unwrap_or(0.0));
        mask.contains(&true).then(|| {
            let values = stratum.column(values);
            (values, stratum.column(mask.iter().map(|&both| f64::from(u8::from(both)))))
        })
    });
    Mean(terms.collect())
}

fn entry(contest: &Contest, series: &Series, scores: &Scores, means: &Means, sums: &Sums, confidence: f64) -> Entry {
    let difference = |a: &Mean, b: &Mean| {
        let delta = sums.point(a)? - sums.point(b)?;
        let ci = sums.interval(&[a, b], confidence, |means| Some(means.first()? - means.get(1)?))?;
        Some(Difference { delta, ci })
    };
    let [own, best_single, oracle] = &means.beside_best_single;
    let gap = |own: f64, best_single: f64, oracle: f64| {
        let lead = oracle - best_single;
        (lead > 0.0).then(|| (own - best_single) / lead)
    };
    let lead = sums.point(oracle).zip(sums.point(best_single)).map(|(oracle, best_single)| oracle - best_single);
    let wide_enough = lead.is_some_and(|lead| lead >= LEAST_GAP);
    let gap_closed =
        wide_enough.then(|| gap(sums.point(own)?, sums.point(best_single)?, sums.point(oracle)?)).flatten();
    let gap_closed_ci = gap_closed.and_then(|_| {
        sums.interval(&[own, best_single, oracle], confidence, |means| match means {
            &[own, best_single, oracle] => gap(own, best_single, oracle),
            _ => None,
        })
    });
    let quality_by_seed = scores.quality_by_seed(contest.seeds.len());
    let known: Vec<f64> = quality_by_seed.iter().copied().flatten().collect();
    Entry {
        name: series.name.clone(),
        matched_to: series.matched_to.clone(),
        quality: sums.point(&means.own),
        quality_ci: sums.interval(&[&means.own], confidence, |means| means.first().copied()),
        cost_usd: scores.cost,
        cost_kind: scores.cost_kind,
        gap_closed,
        gap_closed_ci,
        vs_best_single: difference(own, best_single),
        vs_knn: difference(&means.beside_knn[0], &means.beside_knn[1]),
        distribution: scores.distribution.clone(),
        microseconds_per_prompt: series.seconds_per_prompt().map(|seconds| seconds * 1e6),
        unscored: scores.unscored,
        quality_seed_sd: standard_deviation(&known),
        quality_by_seed,
        quality_by_data: scores.quality_by_data(),
        metrics: Metrics::default(),
    }
}

fn leakage(leaks: &Leaks, scores: &[Scores], labels: &[String]) -> Leakage {
    let Leaks { exact, near } = leaks;
    let count = |rows: &[Vec<bool>]| rows.iter().flatten().filter(|&&leaked| leaked).count();
    let leaked = |data: usize, row: usize| {
        exact[data][row] || near.as_ref().is_some_and(|near| near[data].get(row).copied().unwrap_or(false))
    };
    let any = (0..exact.len()).any(|data| (0..exact[data].len()).any(|row| leaked(data, row)));
    let quality_without = labels
        .iter()
        .zip(scores)
        .filter_map(|(label, scores)| Some((label.clone(), scores.quality_where(|data, row| !leaked(data, row))?)));
    Leakage {
        exact: count(exact),
        near: near.as_ref().map(|near| count(near)),
        quality_without: if any { quality_without.collect() } else { BTreeMap::new() },
    }
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
