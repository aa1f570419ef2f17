//! Adapters of one model as the pool: a few tasks are found by their similarity to the prompt, and each names its best adapters.
//!
//! # The method
//!
//! Of a base model there may be thousands of low-rank adapters, each made for a task and evaluated on a few prompts. LORAUTER (arXiv
//! 2601.21795) retrieves *tasks*, not adapters: a task is represented by the mean embedding of a few of its examples, a prompt's `retrieved` nearest tasks are
//! weighed by a softmax of their similarity over `temperature`, and only the adapters that these tasks list are looked at. A task lists at most `adapters` models,
//! those of the highest score
//!
//! ```text
//! score(t, a) = (sum over prompts of t of weight * quality + shrinkage * mean(a)) / (sum of weight + shrinkage)
//! quality(a)  = sum over retrieved t of share(t) * (score(t, a) if t lists a, else unlisted(a))
//! unlisted(a) = min(mean(a), sum over retrieved t of share(t) * lowest score that t lists)
//! ```
//!
//! An adapter that was evaluated on its own tasks alone has a mean that says nothing about others: where it is not listed, it is taken to be no better than the worst that is.
//! Tasks are those of the router's discovery, by the assignments of unseen prompts; without discovery, clusters of the embeddings.
//!
//! # Parameters
//!
//! Whatever of `retrieved` and `temperature` is left out is chosen by cross-validation, by the quality that the best-estimated adapter in fact had on
//! held-out prompts.
//!
//! # New adapters
//!
//! [`AdapterRetrievalEstimator::with_adapter`] adds one by its outcomes on a few prompts, as it is done with the adapters of the fit; nothing is fitted anew.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m adapters, T tasks that list L adapters at most, and o outcomes: fitting takes O(n T d) an iteration of k-means (without discovery)
//! and O(o log o) for the lists; a prompt takes O(T d) to find its tasks and O(`retrieved` L) for its adapters. What remains of m is one pass that writes
//! an estimate for every model. The artifact holds T (d + 2 L) + m numbers.
//!
//! # When to choose it
//!
//! With hundreds of models or more, of which each is good at little and evaluated on little: adapters. With a few general models it is `clusters`.
//!
//! # How it differs from the authors' code
//!
//! Their tasks are data sets that somebody named; here they are found. Adapters are merged there, by the shares of their tasks; a router names one, or a policy a set.
//! They choose a task's adapter by successive halving over inference; here outcomes are given. Shrinkage, the rule for unlisted adapters and the choice of parameters are
//! ours.

mod config;
mod fit;
mod fitted;
mod lists;

pub use config::AdapterRetrievalConfig;
pub use fitted::AdapterRetrievalEstimator;

#[cfg(test)]
mod tests;
