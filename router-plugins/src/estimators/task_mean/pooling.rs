//! How far a model's means on tasks are pulled to its mean over all: empirical Bayes.

use router_core::prelude::*;

/// Pseudo-outcomes where empirical Bayes has nothing to go by: fewer than two tasks with outcomes, or one outcome a task.
const UNINFORMED_SHRINKAGE: f64 = 10.0;
/// Pseudo-outcomes of a model that differs between tasks no more than chance would have it.
const LARGEST_SHRINKAGE: f64 = 1e6;

/// Weighted sums over outcomes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    weight: f64,
    squared_weight: f64,
    quality: f64,
    squared_quality: f64,
}

impl Sums {
    /// Adds an outcome.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.add_value(f64::from(outcome.weight), f64::from(outcome.quality));
    }

    /// Adds a number that is not an outcome's quality.
    pub(crate) fn add_value(&mut self, weight: f64, quality: f64) {
        self.weight += weight;
        self.squared_weight += weight * weight;
        self.quality += weight * quality;
        self.squared_quality += weight * quality * quality;
    }

    /// The summed weights.
    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    /// How many outcomes of equal weight would be worth as much (Kish's effective sample size): their number, if the weights
    /// are equal.
    pub(crate) fn count(&self) -> f64 {
        if self.squared_weight > 0.0 { self.weight * self.weight / self.squared_weight } else { 0.0 }
    }

    /// The weighted mean quality; 0 without weight.
    pub(crate) fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.quality / self.weight } else { 0.0 }
    }

    /// Mean squared distance from the mean.
    pub(crate) fn spread(&self) -> f64 {
        if self.weight > 0.0 { (self.squared_quality / self.weight - self.mean() * self.mean()).max(0.0) } else { 0.0 }
    }
}

/// The pseudo-outcomes that the mean over all should count: the variance within tasks over that between them, by the method of
/// moments for groups of unequal size (Searle, Casella and McCulloch, Variance Components, 1992, section 3.6). `groups` are one
/// model's sums on every task.
pub(crate) fn empirical_bayes(groups: &[Sums]) -> f64 {
    let groups: Vec<&Sums> = groups.iter().filter(|sums| sums.count() > 0.0).collect();
    let total: f64 = groups.iter().map(|sums| sums.count()).sum();
    let (between_freedom, within_freedom) = (groups.len() as f64 - 1.0, total - groups.len() as f64);
    if between_freedom < 1.0 || within_freedom < 1.0 {
        return UNINFORMED_SHRINKAGE;
    }
    let mean = groups.iter().map(|sums| sums.count() * sums.mean()).sum::<f64>() / total;
    let within = groups.iter().map(|sums| sums.count() * sums.spread()).sum::<f64>() / within_freedom;
    let squares: f64 = groups.iter().map(|sums| sums.count() * (sums.mean() - mean).powi(2)).sum();
    let typical_size = (total - groups.iter().map(|sums| sums.count().powi(2)).sum::<f64>() / total) / between_freedom;
    let between = (squares / between_freedom - within) / typical_size;
    if between > 0.0 { (within / between).min(LARGEST_SHRINKAGE) } else { LARGEST_SHRINKAGE }
}
