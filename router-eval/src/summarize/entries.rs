//! Quality, cost and differences of every contestant, with intervals.
#![allow(clippy::indexing_slicing, reason = "scores, series and strata are parallel lists made here")]

use router_core::{Result, Seed};

use crate::bootstrap::{Mean, Stratum, Sums, resample};
use crate::contest::{Contest, Series, Side};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::scores::{Scores, standard_deviation};
use crate::significance::{Claim, correct};
use crate::summary::{Difference, Entry};

/// The least lead of the oracle over the best single model at which a share of it means anything.
const LEAST_GAP: f64 = 0.005;

/// The means that one entry's statistics are made of.
struct Means {
    own: Mean,
    /// This one, best single and the oracle where this one and best single were scored.
    beside_best_single: [Mean; 3],
    /// This one and the nearest neighbors where both were scored.
    beside_knn: [Mean; 2],
}

/// Every contestant's entry but for its further metrics.
pub(super) fn entries(contest: &Contest, scores: &[Scores], options: &Options) -> Result<Vec<Entry>> {
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
    let sums = resample(&strata, options.resamples, &bootstrap_seed(options));
    let mut entries: Vec<Entry> = contest
        .series
        .iter()
        .zip(scores)
        .zip(&means)
        .map(|((series, scores), means)| entry(contest, series, scores, means, &sums, options.confidence))
        .collect();
    correct(&mut entries.iter_mut().filter_map(|entry| entry.claim_vs_best_single.as_mut()).collect::<Vec<_>>());
    correct(&mut entries.iter_mut().filter_map(|entry| entry.claim_vs_knn.as_mut()).collect::<Vec<_>>());
    Ok(entries)
}

pub(super) fn bootstrap_seed(options: &Options) -> Seed {
    Seed::root(options.bootstrap_seed).child("bootstrap")
}

/// The mean quality of `of` over the rows in which all of `scored` have a score.
pub(super) fn mean_of(strata: &mut [Stratum], of: &Scores, scored: &[&Scores]) -> Mean {
    mean_where(strata, of, scored, |_, _| true)
}

/// The same over the rows for which `keep` (data set, row) holds.
pub(super) fn mean_where(
    strata: &mut [Stratum],
    of: &Scores,
    scored: &[&Scores],
    keep: impl Fn(usize, usize) -> bool,
) -> Mean {
    let terms = strata.iter_mut().enumerate().map(|(data, stratum)| {
        let both = |row| keep(data, row) && scored.iter().all(|one| one.quality[data][row].is_some());
        let mask: Vec<bool> = (0..of.quality[data].len()).map(both).collect();
        let values = of.quality[data].iter().zip(&mask).map(|(quality, &both)| quality.filter(|_| both).unwrap_or(0.0));
        mask.contains(&true).then(|| {
            let values = stratum.column(values);
            (values, stratum.column(mask.iter().map(|&both| f64::from(u8::from(both)))))
        })
    });
    Mean(terms.collect())
}

/// The paired difference of two means with its interval, and how far it goes.
pub(super) fn difference(
    sums: &Sums,
    [a, b]: [&Mean; 2],
    prompts: usize,
    confidence: f64,
) -> Option<(Difference, Claim)> {
    let delta = sums.point(a)? - sums.point(b)?;
    let found = sums.distribution(&[a, b], |means| Some(means.first()? - means.get(1)?))?;
    let claim = Claim::new(delta, found.p_value(), found.standard_error(), prompts, confidence);
    Some((Difference { delta, ci: found.interval(confidence) }, claim))
}

fn entry(contest: &Contest, series: &Series, scores: &Scores, means: &Means, sums: &Sums, confidence: f64) -> Entry {
    let prompts = contest.arenas.iter().map(crate::arena::Arena::len).sum();
    let against = |a: &Mean, b: &Mean| {
        let (difference, claim) = difference(sums, [a, b], prompts, confidence).unzip();
        (difference, claim.filter(|_| series.side == Side::Router))
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
    let (vs_best_single, claim_vs_best_single) = against(own, best_single);
    let (vs_knn, claim_vs_knn) = against(&means.beside_knn[0], &means.beside_knn[1]);
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
        vs_best_single,
        vs_knn,
        distribution: scores.distribution.clone(),
        microseconds_per_prompt: series.seconds_per_prompt().map(|seconds| seconds * 1e6),
        unscored: scores.unscored,
        quality_seed_sd: standard_deviation(&known),
        quality_by_seed,
        quality_by_data: scores.quality_by_data(),
        claim_vs_best_single,
        claim_vs_knn,
        latency: series.latency.finish(),
        metrics: Metrics::default(),
    }
}
