//! Gradient-boosted trees: for every model a sum of small trees, each fitted to what those before it got wrong.
//!
//! quality(x, m) = s(F_m(x)), where F_m begins at the logit of the model's mean quality and every tree adds `learning_rate` times the value
//! of the leaf that x falls into. With g the derivative of an outcome's cross-entropy by F and h its second derivative, weighted, a leaf's value is
//! -G / (H + `penalty`), G and H being sums over its prompts, and a cut gains
//!
//! ```text
//! G_below^2 / (H_below + penalty) + G_beyond^2 / (H_beyond + penalty) - G^2 / (H + penalty)
//! ```
//!
//! (Friedman, Greedy function approximation, Annals of Statistics 29, 2001; with second derivatives: Chen and Guestrin, XGBoost, arXiv 1603.02754,
//! equations 5 to 7; on histograms: Ke et al., LightGBM, NIPS 2017). Every number of the embedding is put into at most `bins` bins of about
//! equally many prompts, and cuts lie between bins. A tree looks at a share of the numbers, drawn for it. A model without outcomes gets the mean of the
//! others.
//!
//! # How many trees
//!
//! If `trees` is left out, a fifth of the prompts is held out (near duplicates together), and the number of trees, the same for all models and 200 at
//! most, is that of the smallest held-out cross-entropy, looked for until 30 trees more have not made it smaller; then all prompts are fitted with it.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models, T trees of depth D that look at a share f of the numbers: fitting takes O(m T D f n d) additions in the
//! worst case, about half of them where the larger of two children is had by subtraction, and as much again where T is chosen. A prompt takes O(m T D). Models are
//! fitted in parallel.
//!
//! # When to choose it
//!
//! With plain `features` or few principal components rather than the hundreds of equal numbers of an encoder, which no single cut makes much of; `forest`
//! needs less care and serves all models with one tree. To compare with papers that use XGBoost or LightGBM.
//!
//! # How it differs from others
//!
//! scikit-learn's `HistGradientBoostingClassifier` with the same depth, leaves, penalty and learning rate grows the same kind of trees for
//! outcomes of 0 and 1, looking at all numbers. Graded outcomes are soft targets here. No crate was found that is pure Rust, maintained and repeats bit for
//! bit at any thread count.

mod bins;
mod boost;
mod config;
mod fitted;
mod grow;

pub use config::TreesConfig;
pub use fitted::TreesEstimator;

#[cfg(test)]
mod tests;
