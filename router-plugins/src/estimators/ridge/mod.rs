//! Ridge regression of quality on the embedding, one regression a model.
//!
//! quality(x, m) = b_m + w_m z with z = (x - mean) / s, where s makes the mean squared length of z 1 over the training prompts.
//! Weights and intercept minimise
//!
//! ```text
//! sum over the model's outcomes of weight * (quality - b_m - w_m z)^2 + penalty * |w_m|^2
//! ```
//!
//! (Hoerl and Kennard, Technometrics 12, 1970; the intercept is not penalised). Models with outcomes on the same prompts under
//! the same weights share one Gram matrix and one Cholesky factor; with complete outcomes that is all of them. A model without
//! outcomes gets the mean of the others, one with few is pulled to its own mean by the penalty.
//!
//! # How the penalty is chosen
//!
//! If it is left out, the penalty of the smallest squared error in k-fold cross-validation is taken, the same for all models,
//! ties to the larger; near duplicates share a fold. Every fold is summed up once by its Gram matrix and cross products, from
//! which both the fits on the other folds and the errors on it follow, so that a penalty costs a Cholesky factor and no pass
//! over the data. At most 16 groups of models are looked at, those with the most outcomes.
//!
//! # Variance
//!
//! Where one Gram matrix serves all models, estimates have the variance of the posterior mean,
//! sigma^2 * (1 / W + z' (G + penalty I)^-1 z), z taken from the weighted mean, W the summed weights (Bishop, Pattern
//! Recognition and Machine Learning, 2006, equation 3.59, without the noise term). sigma^2 is the mean squared training error
//! times n / (n - effective parameters). With several Gram matrices it would cost d^2 a model and prompt, and is left out.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models, g groups of equal coverage (1 if outcomes are complete, at most m): fitting takes
//! O(n d (d + m) + g d^3 + m d^2) flops in double precision, and about 45 (min(g, 16) d^3 / 3 + 4 m d^2) more where the penalty is
//! chosen. A prompt takes
//! O(m d), with variance O(d^2 / 2) more. Memory is O(d (d + m)) a
//! thread for each fold. Choose it as the cheap smooth estimator that
//! extrapolates where `neighbors` cannot, or with thousands of prompts and few of them alike.

mod config;
mod fit;
mod fitted;

pub use config::RidgeConfig;
pub use fitted::RidgeEstimator;

#[cfg(test)]
mod tests;
