//! Quality by the cluster that a prompt falls into: k-means on embeddings, and every model's mean quality in every cluster.
//!
//! # The method
//!
//! Training prompts are clustered by spherical k-means. Cluster c scores model m
//!
//! ```text
//! score(c, m) = (sum over prompts of c of weight * quality + shrinkage * mean(m)) / (sum of weight + shrinkage)
//! ```
//!
//! and a prompt's estimate is the mean of the scores of the `nearest` clusters whose centers are most similar to it. This is the
//! router of Avengers (Zhang et al., arXiv 2505.19797) and, with several clusters a prompt, Avengers-Pro (arXiv 2508.12631). The
//! row of a model over all clusters is the representation of UniRoute (Jitkrittum et al., arXiv 2502.08773, section 5.1): a model
//! that was never trained on is placed by it ([`ClustersEstimator::represent`], [`ClustersEstimator::with_model`]), which takes
//! outcomes on a few prompts and no new fit.
//!
//! # Efficiency
//!
//! Avengers-Pro ranks models by alpha * p + (1 - alpha) * (1 - q), p and q being quality and cost in the cluster, both scaled to
//! [0, 1] over the models. With `efficiency` = 1 - alpha above 0, scores are charged for cost in the unit of quality,
//!
//! ```text
//! score(c, m) - efficiency / (1 - efficiency) * (best score in c - worst score in c) * q(c, m)
//! ```
//!
//! which orders the models of a cluster as the paper's formula does; estimates are then utilities and no longer qualities. Left at 0,
//! as it is by default, cost is the policy's business.
//!
//! # How parameters are chosen
//!
//! Whatever of `k` and `nearest` is left out is chosen by cross-validation, by the quality that the best-estimated model in fact had
//! on held-out prompts; ties go to the larger.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models: fitting takes 2 n k d flops an iteration of k-means as blocked matrix products, times
//! iterations and `restarts`, and O(n m) for the scores; choosing k costs about `folds` times the sum over the k that are tried, one
//! start each. A prompt takes O(k d + `nearest` m). The artifact holds k (d + m) numbers.
//!
//! # When to choose it
//!
//! As the smallest router that is any good: a table of k x m numbers that can be read, updated and given to a new model. Where
//! prompts are many `neighbors` says more.
//!
//! # How it differs from the authors' code
//!
//! The papers fix k (64 in Avengers, 60 in Avengers-Pro) and do not shrink; here both are parameters. Avengers-Pro adds scores that were scaled cluster by
//! cluster, here they are averaged in the unit of quality, which is the same for one cluster a prompt. Avengers also samples answers and votes on them,
//! which a router before the call does not.

mod config;
mod fit;
mod fitted;

pub use config::ClustersConfig;
pub use fitted::ClustersEstimator;

pub(in crate::estimators) use fit::{pulled, qualities};

#[cfg(test)]
mod tests;
