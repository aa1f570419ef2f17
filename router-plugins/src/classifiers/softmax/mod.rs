//! Multinomial logistic regression from embeddings to tasks, with "no task" below a confidence.
//!
//! p(task t | x) is proportional to exp((w_t x + b_t) / temperature). The weights minimise the mean cross-entropy over the
//! training prompts that have a task, plus l2 / 2 times the squared weights (not the biases), by L-BFGS (Nocedal and Wright,
//! Numerical Optimization, 2nd ed., algorithm 7.5): the objective is convex, so that there is nothing to seed or to schedule.
//!
//! # No task
//!
//! A prompt's confidence is its highest probability. Below the threshold the prompt is assigned to no task, and its
//! probabilities are scaled by confidence / threshold, so that p(no task) = 1 - confidence / threshold: 0 at the threshold,
//! growing steadily as confidence falls. Scores that mix tasks by probability thus never jump where confidence crosses it.
//! From the threshold on, p(no task) is 0.
//!
//! Temperature and threshold come from held-out rows (near duplicates kept together), by a model that has not seen them: the
//! temperature minimises the cross-entropy of the held-out prompts that have a task (Guo et al., ICML 2017; targets smoothed
//! as by Platt, 1999); the threshold maximises the quality realised when every held-out prompt goes to the best model of its
//! task, or, if it is assigned none, to the best model over all prompts. Both best models are known from the held-in rows;
//! prompts without a discovered task count too; a prompt for which one of the two outcomes is missing does not; ties go to the
//! lowest threshold. The final weights are then fitted to all rows.
//!
//! # Cost
//!
//! O(n d t) an iteration for n prompts, d dimensions and t tasks, some tens of iterations, twice; O(d t) a prompt afterwards.
//! Choose it for any discoverer: it is the usual linear probe, and hard to beat with few prompts a task. With a single task
//! every prompt is assigned to it with certainty.

mod config;
mod fit;
mod fitted;
mod lbfgs;
mod objective;

pub use config::SoftmaxConfig;
pub use fitted::SoftmaxClassifier;

#[cfg(test)]
mod tests;
