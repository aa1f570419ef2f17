//! Similarity-weighted Elo: for every prompt a ranking of its own, from all training outcomes as battles between models, those on similar
//! prompts counting more.
//!
//! Two models that both answered a training prompt have fought a battle, which the better answer won: model a scores
//! (1 + quality_a - quality_b) / 2, which is 1, 1/2 or 0 for outcomes of 0 and 1. A prompt of cosine similarity S weighs
//!
//! ```text
//! omega = gamma^(1 + S / max S)
//! ```
//!
//! and the strengths xi maximise the weighted likelihood of Bradley and Terry (1952), P(a beats b) = s(xi_a - xi_b): the router sw-ranking of
//! RouteLLM (Ong et al., arXiv 2406.18665, section 4.2, equations 5 and 6).
//!
//! RouteLLM has two tiers of models and asks which wins; a pool of models needs the level of quality too. So every outcome is also a battle with the
//! prompt itself, which the model wins by its quality, as in rating systems of puzzles; the prompt's strength is 0, and an estimate is
//! s(xi), the chance to beat the prompt. Each model has also fought `shrinkage` such battles at its mean quality on a prompt as near as the
//! nearest, which keeps strengths finite. With one outcome a prompt these battles are all there are.
//!
//! # How gamma is chosen
//!
//! If it is left out, among 10 (RouteLLM's), 10^2, 10^4, 10^8 and 10^16, by the quality that the best-estimated model in fact had on held-out
//! prompts; ties go to the largest.
//!
//! # Cost
//!
//! With n prompts, d dimensions and m models: fitting is choosing gamma, O(n^2 (d + m)) as blocked matrix products for complete outcomes, of at most
//! 5,000 held-out prompts. A prompt takes O(n (d + m)) and, for the strengths, O(t m^2), t up to 100; where outcomes are missing or weights differ,
//! O(sum over training prompts of the square of their outcomes) more. The artifact holds the n x d embeddings and all outcomes.
//!
//! # When to choose it
//!
//! With comparisons that are missing in a way that flatters some models: a strength is judged by whom a model was compared with. Where
//! outcomes are complete its order of models is that of their similarity-weighted means, pulled a little toward their means over all (a balanced tournament; a test holds it), so that
//! `neighbors` with all prompts does the same for less.
//!
//! # How it differs from the authors' code
//!
//! Any number of models instead of two tiers; battles by outcomes instead of human preferences; gamma can be chosen; the prompt takes part.

mod config;
mod fitted;
mod strengths;

pub use config::SimilarityWeightedEloConfig;
pub use fitted::SimilarityWeightedEloEstimator;

#[cfg(test)]
mod tests;
