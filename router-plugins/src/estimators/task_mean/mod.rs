//! Task means: what a model scored on the task that a prompt belongs to.
//!
//! Stage 1 of FineRouter (arXiv 2603.19415): quality = sum over tasks of p(task) * score(task, model) + p(no task) * mean(model),
//! where a task's score is the mean quality of the model on the task's training prompts, shrunk toward the model's mean over
//! all prompts as if by `shrinkage` more outcomes. If `shrinkage` is left out, empirical Bayes sets it for each model: the
//! variance within tasks over the variance between them, by the method of moments of the one-way random-effects model
//! (Searle, Casella and McCulloch, Variance Components, 1992, section 3.6). A model that does as well on one task as on another
//! is then pooled, one with strong and weak tasks is not.
//!
//! Fitting costs O(outcomes), a prompt O(tasks * m). Choose it beside every discoverer: it is cheap, its scores can be read
//! off the task cards, and it has a variance.

mod config;
mod fit;
mod fitted;
pub(crate) mod pooling;

pub use config::{Assignment, TaskMeanConfig};
pub use fitted::TaskMeanEstimator;

#[cfg(test)]
mod tests;
