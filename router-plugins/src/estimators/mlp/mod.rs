//! A multi-layer perceptron that reads the embedding and has an output for every model.
//!
//! ```text
//! quality(x, m) = s(v_m h + c_m),   h = act(W_l ... act(W_1 z + b_1) ... + b_l),   z the standardized embedding
//! ```
//!
//! trained on the cross-entropy of the sparse, weighted outcomes with soft targets by AdamW (Loshchilov and Hutter, arXiv 1711.05101), with
//! dropout and early stopping on held-out prompts; the mean of `members` networks that hold out other prompts. Outputs start at the
//! logit of the model's mean quality. A model without outcomes gets the mean of the others' outputs. As a router: the MLP router of RouterBench
//! (arXiv 2403.12031, section 4) and of Shnitzer et al. (arXiv 2309.15789).
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and layers of width h: training takes O(`epochs` n h (d + m)) a member, a prompt
//! O(h (d + m)) a member. The artifact holds h (d + m) numbers a member.
//!
//! # When to choose it
//!
//! With some thousands of prompts, where models' abilities are no linear function of the embedding. With tasks, `moe` has heads of their own
//! for them on the same trunk; without, `moe` with `task_heads = false` is this network.
//!
//! # How it differs from others
//!
//! The papers train with mean squared error or one network a model; here one network serves all models. scikit-learn's
//! `MLPClassifier` on several outputs minimises the same cross-entropy for outcomes of 0 and 1, with Adam, and neither dropout nor graded
//! or missing outcomes.

mod config;

pub use config::{MlpConfig, MlpEstimator};

#[cfg(test)]
mod tests;
