//! Multidimensional item response theory: what a model can do, and what a prompt asks for.
//!
//! ```text
//! quality(x, m) = s(a(x) theta_m - b(x)),   a(x) = softplus(A z + a_0),   b(x) = B z + b_0,   z the standardized embedding
//! ```
//!
//! theta_m is the ability of model m in `dimensions` dimensions, a(x) >= 0 how much the prompt discriminates by each, b(x) how difficult it is: the
//! two-parameter logistic model of Reckase (Multidimensional item response theory, 2009) whose item parameters are predicted from the
//! prompt, as in IRT-Router (Song et al., arXiv 2506.01048, MIRT-Router, equations 1 to 4). Trained on the cross-entropy of the sparse,
//! weighted outcomes with soft targets by AdamW, with early stopping on held-out prompts; the mean of `members` fits that hold out other prompts.
//! Abilities start at the logit of the model's mean quality. A model without outcomes gets the mean ability of the others.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and k dimensions of ability: training takes O(`epochs` n k (d + m)) a member, a prompt O(k (d + m)) a
//! member. The artifact holds k (d + m) numbers a member.
//!
//! # When to choose it
//!
//! To read what was learned: [`IrtEstimator::difficulty`], [`IrtEstimator::discrimination`] and [`IrtEstimator::abilities`] say which prompts
//! are hard and what models are good at. How hard a prompt is moves all models together and so helps calibration more than choosing.
//!
//! # How it differs from the authors' code
//!
//! IRT-Router computes abilities from a text about the model, so that a new model needs no outcomes, and softens an unseen prompt's embedding
//! by its nearest neighbors ("warm-up"); here abilities are free parameters and embeddings are taken as they are. Base rates, early stopping
//! and averaging are ours. Difficulty is linear in the embedding, as theirs.

mod config;
mod network;

pub use config::{IrtConfig, IrtEstimator};

#[cfg(test)]
mod tests;
