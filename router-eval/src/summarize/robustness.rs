//! What changed prompts do to decisions and quality.
#![allow(clippy::indexing_slicing, reason = "scores, series and strata are parallel lists made here")]

use super::entries::{bootstrap_seed, difference, mean_of};
use crate::bootstrap::{Stratum, resample};
use crate::contest::{Contest, Series, Side};
use crate::options::Options;
use crate::robustness::{Perturbation, Robustness};
use crate::scores::Scores;

/// What every perturbation does to every router.
pub(super) fn robustness(contest: &Contest, scores: &[Scores], options: &Options) -> Vec<Robustness> {
    let mut strata: Vec<Stratum> = contest.arenas.iter().map(|arena| Stratum::new(arena.dataset.groups())).collect();
    let compared: Vec<_> = contest
        .perturbed
        .iter()
        .filter_map(|changed| {
            let perturbation = Perturbation::ALL.into_iter().find(|one| one.name() == changed.name)?;
            let of = |series: &Series| Some(&series.name) == changed.matched_to.as_ref();
            let at = contest.series.iter().position(|series| series.side == Side::Router && of(series))?;
            let (new, old) = (Scores::new(contest, changed), &scores[at]);
            let means = [&new, old].map(|of| mean_of(&mut strata, of, &[&new, old]));
            Some((perturbation, &contest.series[at], changed, new, means))
        })
        .collect();
    let sums = resample(&strata, options.resamples, &bootstrap_seed(options));
    compared
        .iter()
        .map(|(perturbation, series, changed, new, [own, old])| {
            let decisions = series.picks.iter().flatten().flatten().count();
            let pairs = series.picks.iter().flatten().flatten().zip(changed.picks.iter().flatten().flatten());
            let equal = pairs.filter(|(before, after)| before == after).count();
            Robustness {
                router: series.name.clone(),
                perturbation: *perturbation,
                unchanged: equal as f64 / decisions.max(1) as f64,
                quality: new.quality_where(|_, _| true),
                vs_unchanged: difference(&sums, [own, old], 0, options.confidence).map(|(found, _)| found),
                decisions,
            }
        })
        .collect()
}
