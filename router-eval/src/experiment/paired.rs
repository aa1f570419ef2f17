//! Scores of two sides on the same prompts: their means and their difference, with a paired bootstrap interval and p-value.

use router_core::Seed;

use crate::bootstrap::{Column, Distribution, Mean, Stratum, Sums, resample};

/// Coverage of intervals, and one less the level of significance.
pub(super) const CONFIDENCE: f64 = 0.95;

/// A data set's prompts: the group of near duplicates of each, and what both sides scored on it.
pub(super) struct Scores {
    pub(super) groups: Vec<u32>,
    pub(super) scores: Vec<(f64, f64)>,
}

/// A difference, the first side less the second.
pub(super) struct Paired {
    pub(super) first: f64,
    pub(super) second: f64,
    pub(super) delta: f64,
    /// 95%.
    pub(super) ci: [f64; 2],
    /// Two-sided.
    pub(super) p: f64,
}

/// Resamples of several data sets, groups resampled together within each.
pub(super) struct Resamples {
    sums: Sums,
    /// Of every data set: sums of the first side, the second and the difference, and the number of prompts.
    columns: Vec<([Column; 3], Column)>,
}

impl Resamples {
    pub(super) fn of<'a>(data: impl IntoIterator<Item = &'a Scores>, resamples: usize, seed: &Seed) -> Self {
        let (mut strata, mut columns) = (Vec::new(), Vec::new());
        for Scores { groups, scores } in data {
            let mut stratum = Stratum::new(groups);
            let count = stratum.column(scores.iter().map(|_| 1.0));
            let sums = [
                stratum.column(scores.iter().map(|(first, _)| *first)),
                stratum.column(scores.iter().map(|(_, second)| *second)),
                stratum.column(scores.iter().map(|(first, second)| first - second)),
            ];
            strata.push(stratum);
            columns.push((sums, count));
        }
        Self { sums: resample(&strata, resamples, seed), columns }
    }

    /// The difference on one data set, by its place.
    pub(super) fn on(&self, data: usize) -> Paired {
        self.difference(|at| at == data)
    }

    /// The difference over all data sets: the plain mean of theirs.
    pub(super) fn pooled(&self) -> Paired {
        self.difference(|_| true)
    }

    fn difference(&self, is_meant: impl Fn(usize) -> bool) -> Paired {
        let [first, second, delta] = [0, 1, 2].map(|side: usize| {
            let of_data = self.columns.iter().enumerate();
            Mean(of_data.map(|(at, (sums, count))| Some((*sums.get(side)?, *count)).filter(|_| is_meant(at))).collect())
        });
        let point = |mean: &Mean| self.sums.point(mean).unwrap_or(f64::NAN);
        let deltas = self.sums.distribution(&[&delta], |means| means.first().copied());
        Paired {
            first: point(&first),
            second: point(&second),
            delta: point(&delta),
            ci: deltas.as_ref().map_or([f64::NAN; 2], |deltas| deltas.interval(CONFIDENCE)),
            p: deltas.as_ref().map_or(1.0, Distribution::p_value),
        }
    }
}
