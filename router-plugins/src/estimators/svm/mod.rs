//! Linear support vector machines: for every model the hyperplane between the prompts that it answers and the others.
//!
//! f(x, m) = b_m + w_m z with z = (x - mean) / r, where r makes the mean squared length of z 1 over the training prompts. Weights and
//! intercept minimise the squared hinge loss
//!
//! ```text
//! sum over the model's outcomes of weight * (q * max(0, 1 - f)^2 + (1 - q) * max(0, 1 + f)^2)  +  penalty / 2 * |w_m|^2
//! ```
//!
//! (Cortes and Vapnik, Support-vector networks, 1995; in the primal with the squared hinge: Keerthi and DeCoste, JMLR 6, 2005). An
//! outcome of 0.7 counts as 0.7 of a success and 0.3 of a failure. The intercept is not penalised. Quality is a logistic function of
//! the margin, s(slope * f + offset), fitted to margins of held-out folds (Platt, Probabilistic outputs for support vector machines,
//! 1999). In routing: the SVM baseline of RouterBench (arXiv 2403.12031) and GraphRouter (arXiv 2410.03834).
//!
//! The solver is that of `logistic`, with the bound 2 on the curvature. If it is left out, the penalty of the smallest held-out loss is taken. A
//! model without outcomes gets the mean of the others.
//!
//! # Cost
//!
//! That of `logistic` with more steps, and `folds` fits more for the margins. A prompt takes O(m d).
//!
//! # When to choose it
//!
//! To compare with papers that do. `logistic` is simpler, faster and fits probabilities at once.
//!
//! # How it differs from others
//!
//! scikit-learn's `LinearSVC(C = 1 / penalty)` on embeddings so scaled has the same solution for outcomes of 0 and 1, but that it
//! penalises the intercept (a test holds both together). The papers train one classifier of the best model; here every model has its own, so that
//! policies can weigh cost.

mod config;
mod fitted;

pub use config::SvmConfig;
pub use fitted::SvmEstimator;

#[cfg(test)]
mod tests;
