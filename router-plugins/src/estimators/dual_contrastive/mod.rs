//! Dual contrastive learning: a vector for every model, a projection of the prompt, and the cosine between them.
//!
//! ```text
//! score(x, m) = cos(W z + b, k_m) / temperature,   z the standardized embedding, W of `width` x d
//! ```
//!
//! (`RouterDC`: Chen et al., arXiv 2409.19886, section 3). Two losses, both of the form -ln(e^p / (e^p + sum of e^n)) over a score p that shall be high
//! and scores n that shall be low:
//!
//! - **sample-LLM**: of a prompt, p is the score of one of its `positives` best models that is not always wrong, the n are those of its `negatives`
//!   worst models. Models that are about as good as each other do not compete, which is where a cross-entropy over "the best model" goes wrong.
//! - **sample-sample**: prompts are clustered by their embeddings (spherical k-means, `clusters`). p is the cosine to another prompt of the same
//!   cluster, the n are the cosines to `out_of_cluster` prompts of other clusters, all drawn from the batch. Weighs `lambda`.
//!
//! # Quality from scores
//!
//! The losses order models and have no level. Quality is s(`a` score + b_m): one slope for all models and an offset for each, a logistic
//! regression on the prompts that a member holds out, under half of (`a` spread of the scores)^2 and of (offset - logit of the model's mean)^2, a penalty of
//! about four outcomes each. Early stopping looks at the cross-entropy of these qualities. This calibration is ours.
//!
//! # Missing outcomes
//!
//! Models are compared within a prompt. One that has a single outcome tells nothing of that kind: it is compared by the means of its cluster
//! instead, weighted (inverse propensities) and pulled to each model's mean as in the estimator `clusters`. Equal outcomes are put in another, random, order
//! every time. A model without outcomes gets the mean vector and offset of the others.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and width r: training takes O(`epochs` n (d r + (`positives` + `negatives`) r + m log m)) a member, a prompt
//! O(r (d + m)) a member. The artifact holds r (d + m) numbers a member.
//!
//! # When to choose it
//!
//! Where several models answer most prompts well and the question is who fails; where only the order of models is known.
//! `matrix-factorization` has the same form without the norm, is trained on the level and mostly as good.
//!
//! # How it differs from the authors' code
//!
//! `RouterDC` fine-tunes a small language model; here its place is taken by a projection of any embedder's vectors. A negative counts against
//! positives that are better than it, rather than below a quality of 0.5, so that graded qualities teach too. Clusters are those of the embeddings rather than of
//! their t-SNE. Calibration, dropout on the projection, early stopping and averaging are ours; the temperature is 1 there.

mod config;
mod loss;
mod network;
mod objective;

pub use config::{DualContrastiveConfig, DualContrastiveEstimator};

#[cfg(test)]
mod tests;
