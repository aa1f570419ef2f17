//! Means, shrinkage and posterior variances.
#![allow(
    clippy::indexing_slicing,
    reason = "one entry a task and a model, allocated here; outcomes and tasks are checked"
)]

use router_core::prelude::*;

use crate::estimators::task_mean::config::TaskMeanConfig;
use crate::estimators::task_mean::fitted::TaskMeanEstimator;
use crate::estimators::task_mean::pooling::{Sums, empirical_bayes};

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
