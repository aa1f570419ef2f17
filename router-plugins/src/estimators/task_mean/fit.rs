//! Means, shrinkage and posterior variances.
#![allow(
    clippy::indexing_slicing,
    reason = "one entry a task and a model, allocated here; outcomes and tasks are checked"
)]

use router_core::prelude::*;

use crate::estimators::task_mean::config::TaskMeanConfig;
use crate::estimators::task_mean::fitted::TaskMeanEstimator;

/// Pseudo-outcomes where empirical Bayes has nothing to go by: fewer than two tasks with outcomes, or one outcome a task.
const UNINFORMED_SHRINKAGE: f64 = 10.0;
/// Pseudo-outcomes of a model that differs between tasks no more than chance would have it.
const LARGEST_SHRINKAGE: f64 = 1e6;

/// Weighted sums over outcomes.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    squared_weight: f64,
    quality: f64,
    squared_quality: f64,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        let (weight, quality) = (f64::from(outcome.weight), f64::from(outcome.quality));
        self.weight += weight;
        self.squared_weight += weight * weight;
        self.quality += weight * quality;
        self.squared_quality += weight * quality * quality;
    }

    /// How many outcomes of equal weight would be worth as much (Kish's effective sample size): their number, if the weights
    /// are equal.
    fn count(&self) -> f64 {
        if self.squared_weight > 0.0 { self.weight * self.weight / self.squared_weight } else { 0.0 }
    }

    fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.quality / self.weight } else { 0.0 }
    }

    /// Mean squared distance from the mean.
    fn spread(&self) -> f64 {
        if self.weight > 0.0 { (self.squared_quality / self.weight - self.mean() * self.mean()).max(0.0) } else { 0.0 }
    }
}

pub(super) fn fit(config: &TaskMeanConfig, set: &TrainingSet, tasks: &Tasks) -> Result<TaskMeanEstimator> {
    let (task_count, models) = (tasks.count(), set.models().len());
    let mut all = vec![Sums::default(); models];
    let mut by_task = vec![Sums::default(); task_count * models];
    for (row, outcome) in set.outcomes().iter() {
        all[outcome.model].add(outcome);
        if let Some(task) = tasks.assigned()[row] {
            by_task[task.index() * models + outcome.model].add(outcome);
        }
    }
    let global = tasks.global();
    let mut scores = Matrix::zeros(task_count + 1, models);
    let mut variances = Matrix::zeros(task_count + 1, models);
    let mut shrinkages = Vec::with_capacity(models);
    for model in 0..models {
        let prior = global[model];
        let prior_variance = beta_variance(prior, all[model].count());
        let groups: Vec<Sums> = (0..task_count).map(|task| by_task[task * models + model]).collect();
        let shrinkage = config.shrinkage.unwrap_or_else(|| empirical_bayes(&groups));
        for (task, sums) in groups.iter().enumerate() {
            let count = sums.count();
            let of_prior = if count + shrinkage > 0.0 { shrinkage / (count + shrinkage) } else { 1.0 };
            let score = (1.0 - of_prior) * sums.mean() + of_prior * prior;
            // The prior's mean is itself an estimate, and as far as the score leans on it shares its variance.
            let variance = beta_variance(score, count + shrinkage) + of_prior * of_prior * prior_variance;
            scores.set(task, model, score as f32);
            variances.set(task, model, variance as f32);
        }
        scores.set(task_count, model, prior as f32);
        variances.set(task_count, model, prior_variance as f32);
        shrinkages.push(shrinkage);
    }
    TaskMeanEstimator::new(config.assignment, scores, variances, shrinkages)
}

/// The variance of a Beta distribution of mean `mean` worth `count` outcomes. For graded qualities, which vary less than 0/1
/// ones of the same mean, it is conservative.
fn beta_variance(mean: f64, count: f64) -> f64 {
    (mean * (1.0 - mean)).max(0.0) / (count + 1.0)
}

/// The variance within tasks over that between them, by the method of moments for groups of unequal size.
fn empirical_bayes(groups: &[Sums]) -> f64 {
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
