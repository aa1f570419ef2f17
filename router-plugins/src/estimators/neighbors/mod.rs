//! Quality by the outcomes of the nearest training prompts.
//!
//! The k training prompts of highest cosine similarity s vote on every model with weight exp((s - s_nearest) / temperature), and
//! the vote is shrunk toward the model's mean over all training prompts, as if by `shrinkage` more outcomes as near as the
//! nearest:
//!
//! ```text
//! estimate = (sum of weight * quality + shrinkage * mean) / (sum of weight + shrinkage)
//! ```
//!
//! Nearest neighbors with softmax weights are the strong simple reference of routing (Hu et al. 2024, RouterBench; Li 2025,
//! "Rethinking Predictive Modeling for LLM Routing"), provided they are tuned: whatever of k, temperature and shrinkage the
//! configuration leaves out is chosen together by cross-validation, by what routing wants: the quality that the best-estimated
//! model in fact had on held-out prompts. Ties go to the larger k, then the higher temperature, then the stronger shrinkage.
//!
//! Sentence encoders put all texts into a narrow cone; with `metric = "centered"` the mean embedding of training is taken off before cosines
//! are, and `automatic` chooses between both.
//!
//! Missing outcomes take no part, and weights of outcomes multiply. In cross-validation a chosen model without an outcome
//! counts with its mean, corrected by the weighted mean surprise where there are outcomes (a self-normalized doubly robust
//! estimate, Dudik, Langford and Li 2011), so that complete outcomes give the plain mean.
//!
//! # Cost
//!
//! Fitting compares at most 20,000 held-out prompts h with all others, O(h n d) as blocked matrix products, and needs a second
//! copy of the embeddings; choosing all three parameters costs O(640 h m) more, since up to 640 neighbors vote on every model, and a copy of the outcomes
//! at 12 bytes each. Models are taken in tiles whose votes stay in the nearest cache, so that this holds for thousands of models too.
//! With parameters that are given, fitting costs nothing. A prompt costs O(n d + k m) up to `exact_limit` training prompts and O(d log n + k m) beyond it. The
//! artifact holds the n x d embeddings and all outcomes.
//!
//! # When to choose it
//!
//! As a first estimator and as a reference to beat. It needs no training, keeps up with new data at once, and says which
//! prompts it judged by; it is as good as the embedding's idea of what is near.

mod ballots;
mod config;
mod fit;
mod fitted;

pub use config::{Metric, NeighborsConfig};
pub use fitted::NeighborsEstimator;

#[cfg(test)]
mod tests;
