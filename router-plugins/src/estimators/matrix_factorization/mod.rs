//! Matrix factorization: a vector for every model, a projection of the prompt into the same space, and their inner product.
//!
//! ```text
//! score(x, m) = v_m (W z + b) + c_m,   z the standardized embedding, W of `rank` x d
//! ```
//!
//! # What it is trained on
//!
//! `loss = "outcomes"` (default): the cross-entropy of every outcome with s(score), as in EmbedLLM (Zhuang et al., arXiv 2410.02223,
//! section 3; the inner product of model and question embeddings).
//!
//! `loss = "pairs"`: the models of a prompt compared with each other, -ln s(score of the better - score of the worse), as in RouteLLM (Ong et
//! al., arXiv 2406.18665, section 4.2, the score being bilinear in the embeddings of model and prompt; Bradley and Terry 1952). Pairs
//! are weighted by how far the outcomes lie apart, ties say nothing; of a prompt with many outcomes about 64 pairs an epoch are compared.
//! Such scores have no level: quality is s(logit of the mean quality + score - mean score of the prompt), and a prompt with one
//! outcome teaches nothing.
//!
//! Trained by AdamW with early stopping on held-out prompts; the mean of `members` factorizations that hold out other prompts. A model without outcomes
//! gets the mean vector of the others.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and rank r: training takes O(`epochs` n r (d + m)) a member, a prompt O(r (d + m)) a member. The
//! artifact holds r (d + m) numbers a member.
//!
//! # When to choose it
//!
//! With many models whose abilities have few dimensions, and with sparse outcomes: what one model's outcomes tell about a prompt helps all.
//! [`MatrixFactorizationEstimator::model_embeddings`] tells which models are alike.
//!
//! # How it differs from the authors' code
//!
//! RouteLLM multiplies the two embeddings and applies one more linear layer; its weights are part of v_m here, which is the same set of functions. EmbedLLM's
//! decoder has two outputs and a softmax, which is one logit. Both look up or fix a model table in the same way.
//! Base rates, dropout on the projection, early stopping and averaging are ours.

mod config;
mod network;

pub use config::{FactorizationLoss, MatrixFactorizationConfig, MatrixFactorizationEstimator};

#[cfg(test)]
mod tests;
