//! What test prompts that were trained on change.
#![allow(clippy::indexing_slicing, reason = "scores, series and strata are parallel lists made here")]

use router_core::Result;

use super::Leaks;
use super::entries::{bootstrap_seed, difference, mean_where};
use crate::bootstrap::{Mean, Stratum, resample};
use crate::contest::{Contest, Side};
use crate::options::Options;
use crate::scores::Scores;
use crate::summary::Leakage;

pub(super) fn leakage(
    contest: &Contest,
    leaks: &Leaks,
    scores: &[Scores],
    labels: &[String],
    options: &Options,
) -> Result<Leakage> {
    let Leaks { exact, near } = leaks;
    let count = |rows: &[Vec<bool>]| rows.iter().flatten().filter(|&&leaked| leaked).count();
    let kept = |data: usize, row: usize| {
        !exact[data][row] && near.as_ref().is_none_or(|near| !near[data].get(row).copied().unwrap_or(false))
    };
    let mut found = Leakage { exact: count(exact), near: near.as_ref().map(|near| count(near)), ..Leakage::default() };
    if (0..exact.len()).all(|data| (0..exact[data].len()).all(|row| kept(data, row))) {
        return Ok(found);
    }
    let best_single = &scores[contest.reference("best-single")?];
    let mut strata: Vec<Stratum> = contest.arenas.iter().map(|arena| Stratum::new(arena.dataset.groups())).collect();
    let routers: Vec<(&String, [Mean; 2])> = contest
        .series
        .iter()
        .zip(scores)
        .zip(labels)
        .filter(|((series, _), _)| series.side == Side::Router)
        .map(|((_, own), label)| {
            (label, [own, best_single].map(|of| mean_where(&mut strata, of, &[own, best_single], kept)))
        })
        .collect();
    let sums = resample(&strata, options.resamples, &bootstrap_seed(options));
    for (label, [own, best_single]) in &routers {
        let without = difference(&sums, [own, best_single], 0, options.confidence);
        found.vs_best_single_without.extend(without.map(|(difference, _)| ((*label).clone(), difference)));
    }
    let quality = labels.iter().zip(scores);
    found.quality_without =
        quality.filter_map(|(label, scores)| Some((label.clone(), scores.quality_where(kept)?))).collect();
    Ok(found)
}
