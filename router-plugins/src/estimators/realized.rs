//! What choosing a model on held-out prompts was worth: the measure by which estimators that route well are tuned.

use router_core::prelude::*;

/// The worth of choices on held-out prompts, summed.
///
/// A chosen model without an outcome counts with its mean, corrected by the weighted mean surprise where there are outcomes (a
/// self-normalized doubly robust estimate: Dudik, Langford and Li, Doubly robust policy evaluation and learning, ICML 2011), so
/// that complete outcomes give the plain mean of what the chosen models reached.
#[derive(Clone, Copy, Default)]
pub(super) struct Worth {
    /// The mean quality of the chosen model.
    mean: f64,
    /// Weight of its outcome on the prompt, 0 where there is none.
    weight: f64,
    /// Weight times what its outcome exceeds the mean by.
    surprise: f64,
}

impl Worth {
    /// Of choosing `model`, whose mean quality in training is `mean`, for prompt `row` of `set`.
    pub(super) fn of(set: &TrainingSet, row: usize, model: usize, mean: f32) -> Self {
        let mean = f64::from(mean);
        set.outcomes().get(row, model).map_or(Self { mean, ..Self::default() }, |outcome| {
            let weight = f64::from(outcome.weight);
            Self { mean, weight, surprise: weight * (f64::from(outcome.quality) - mean) }
        })
    }

    /// Adds the worth of other choices.
    pub(super) fn add(&mut self, other: &Self) {
        self.mean += other.mean;
        self.weight += other.weight;
        self.surprise += other.surprise;
    }

    /// The mean worth of a choice, where `count` were added up.
    pub(super) fn average(&self, count: usize) -> f64 {
        self.mean / count.max(1) as f64 + if self.weight > 0.0 { self.surprise / self.weight } else { 0.0 }
    }
}

/// The position of the highest average, ties (up to rounding) to the last.
pub(super) fn last_best(totals: &[Worth], count: usize) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, worth) in totals.iter().enumerate() {
        let average = worth.average(count);
        if average >= best.1 - 1e-12 {
            best = (at, average.max(best.1));
        }
    }
    best.0
}

/// The model of the highest estimate, ties to the lowest.
pub(super) fn best_model(estimates: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (model, &estimate) in estimates.iter().enumerate() {
        if estimate > best.1 {
            best = (model, estimate);
        }
    }
    best.0
}

/// The mean quality of every model among the `outcomes` of the prompts `rows`; of the mean model for one without.
pub(super) fn means<'a>(outcomes: &Outcomes, rows: impl IntoIterator<Item = &'a usize>) -> Vec<f32> {
    let of = rows.into_iter().flat_map(|&row| outcomes.row(row));
    means_of(outcomes.models(), of.map(|outcome| (outcome.model, outcome.quality, outcome.weight)))
}

/// As [`means`], of outcomes as (model, quality, weight).
pub(super) fn means_of(models: usize, outcomes: impl Iterator<Item = (ModelIndex, f32, f32)>) -> Vec<f32> {
    let mut sums = vec![(0.0f64, 0.0f64); models];
    for (model, quality, weight) in outcomes {
        if let Some(sum) = sums.get_mut(model) {
            sum.0 += f64::from(quality) * f64::from(weight);
            sum.1 += f64::from(weight);
        }
    }
    let known = || sums.iter().filter(|sum| sum.1 > 0.0).map(|(total, weight)| total / weight);
    // Without any weight behind any model there is nothing to tell them apart.
    let count = known().count();
    let fallback = if count == 0 { 0.5 } else { known().sum::<f64>() / count as f64 };
    sums.iter().map(|(total, weight)| (if *weight > 0.0 { total / weight } else { fallback }) as f32).collect()
}
