//! A forest of extremely randomized trees that splits prompts where the models' order changes.
//!
//! Every tree cuts the space of embeddings by one number at a time and ends in leaves of at least `minimum_leaf` prompts; the
//! estimate is the mean, over the trees, of every model's mean quality in the prompt's leaf. At a node each number that is looked at gets
//! one threshold, drawn uniformly between its least and greatest value there, and the best of these cuts is taken (Geurts,
//! Ernst and Wehenkel, Extremely randomized trees, Machine Learning 63, 2006). One tree serves all models.
//!
//! # What a good cut is
//!
//! A cut gains |S_L|^2 / n_L + |S_R|^2 / n_R, where S sums the n prompts' target vectors: the reduction of their squared error. With
//! `relative`, which is the default, a prompt's target is how far each model was above its own mean, less the mean of that over the
//! prompt's models: how hard a prompt is moves all models together and says nothing about which one to choose, so no
//! cut is spent on it. A prompt with a single outcome has nothing to be compared with, and keeps its target as it is; a missing outcome
//! counts as the model's mean.
//!
//! With more than 32 models, each tree looks at 32 random projections of the targets instead (Joly, Geurts and Wehenkel, Random
//! forests with random projections of the output space for high dimensional multi-label classification, 2014): the gain is
//! unbiased, and a cut costs the same for 30 models and for 1,000.
//!
//! # What a leaf says
//!
//! Its models' mean qualities, weighted as the outcomes are, each pulled toward its mean in the node above as if by `prior`
//! outcomes, from the root down (Agarwal, Tan, Ronen, Singh and Yu, Hierarchical Shrinkage, ICML 2022, in the form of a chain of pseudo
//! counts). A model without outcomes gets the mean of the others.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and T trees: fitting takes O(T n d min(m, 32) log n) flops for the cuts
//! and O(T n m log n) for the leaves; a prompt O(T (log n + m)). A forest has about T n / `minimum_leaf` leaves of m numbers.
//! Trees are grown in parallel.
//!
//! # When to choose it
//!
//! With thousands of prompts of several kinds, and above all with plain `features` beside an encoder: it finds the few numbers
//! of many that matter, in whatever unit they are.

mod config;
mod fitted;
mod grow;
mod sums;
mod targets;

pub use config::ForestConfig;
pub use fitted::ForestEstimator;

#[cfg(test)]
mod tests;
