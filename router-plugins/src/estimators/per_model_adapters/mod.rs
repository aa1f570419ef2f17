//! An adapter for every model on a shared, frozen reading of the prompt.
//!
//! A trunk, one or more layers on the embedding, is trained on the outcomes of all models together, then frozen. On what it makes of a prompt, h(x), every model
//! has an adapter of its own,
//!
//! ```text
//! quality(x, m) = s(u_m h(x) + c_m)
//! ```
//!
//! a logistic regression under the penalty `penalty` / 2 |u_m|^2, solved to its optimum: no adapter knows of another, so that a new model is added
//! by [`PerModelAdaptersEstimator::adapt`] and [`PerModelAdaptersEstimator::with_adapter`] from its outcomes alone, and nothing that was there changes. This is
//! the quality estimator of IPR (Feng et al., arXiv 2509.06274, section 3: frozen encoder, an adapter and a head a model); its rule, the cheapest
//! model within a tolerance of the best, is the policy `cheapest-above`.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and a trunk of width h: fitting takes O(`epochs` n h (d + m)) for the trunk and O(n h^2 + h^3 / 3 + steps m (n h + h^2)) for
//! the adapters, a new adapter O(n h^2); a prompt O(h (d + m)). The artifact holds h (d + m) numbers.
//!
//! # When to choose it
//!
//! Where models come and go, and the trunk shall stay. `mlp` averages several networks and is a little better where the pool stands.
//!
//! # How it differs from the authors' code
//!
//! IPR fine-tunes a language model as its encoder before freezing it, and its adapters are layers; here the encoder is any embedder, the trunk stands for its fine-tuning, and
//! adapters are linear, which makes each a convex problem. The penalty is given, not chosen: the trunk has seen the outcomes that a choice would be judged by.

mod config;
mod fitted;

pub use config::PerModelAdaptersConfig;
pub use fitted::{Adapter, PerModelAdaptersEstimator};

#[cfg(test)]
mod tests;
