//! Logistic regression of quality on the embedding, one regression a model.
//!
//! quality(x, m) = s(b_m + w_m z), s the logistic function and z = (x - mean) / r, where r makes the mean squared length of z 1 over
//! the training prompts. Weights and intercept minimise
//!
//! ```text
//! sum over the model's outcomes of weight * cross_entropy(quality, s(b_m + w_m z))  +  penalty / 2 * |w_m|^2
//! ```
//!
//! (Berkson 1944; Cox 1958; for graded outcomes: Papke and Wooldridge, Econometric methods for fractional response variables, 1996).
//! The intercept is not penalised. In routing it is the linear baseline of RouterBench (arXiv 2403.12031) and of most papers since.
//!
//! Models with outcomes on the same prompts under the same weights are solved together, by a quadratic bound that they share
//! (Böhning and Lindsay 1988, with momentum): with complete outcomes one Cholesky factor serves all models and steps. A model without
//! outcomes gets the mean of the others.
//!
//! If it is left out, the penalty of the smallest held-out cross-entropy is taken, the same for all models, ties to the larger; near
//! duplicates share a fold.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models, g groups of equal coverage (1 if outcomes are complete, at most m) and t steps (10 to 40
//! are usual): fitting takes O(n d^2 + g d^3 / 3 + t (n m d + m d^2)) flops, and about nine times `folds` more where the penalty is
//! chosen, of fewer steps each. A prompt takes O(m d). The artifact holds m (d + 1) numbers.
//!
//! # When to choose it
//!
//! Before `ridge` where qualities are mostly 0 or 1 and estimates shall be probabilities; it is about as good at choosing. `ridge` is
//! faster and has a variance.
//!
//! # How it differs from others
//!
//! scikit-learn's `LogisticRegression` with `C = 1 / penalty` on embeddings so scaled has the same solution for outcomes of 0 and 1
//! (a test holds both together); it does not take graded ones.

mod config;
mod fitted;

pub(super) use config::CrossEntropy;
pub use config::LogisticConfig;
pub use fitted::LogisticEstimator;

#[cfg(test)]
mod tests;
