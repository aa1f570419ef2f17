//! A new model joins a fitted router without training, from a handful of its outcomes.
//!
//! What the router expects of the models that it knows says a lot about a newcomer: it will find hard what they find hard, and
//! share the strengths of some of them. So its quality on a prompt is taken for the mean expected quality of the known models plus a
//! deviation d, which is a Gaussian process over prompts (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 2.25 to
//! 2.30): between two prompts its prior covariance is
//!
//! ```text
//! level + strengths * s.s' + tasks * p.p'
//! ```
//!
//! where s holds by how much each known model's expected quality on the prompt differs from the mean of them, p the probabilities of the
//! tasks, and `level`, `strengths` and `tasks` are variances, chosen by marginal likelihood among a few. The kernel is linear in s
//! and p, so the posterior mean is a weight a model and a shift a task: a [`Placement`](router_core::Placement), which costs O(m + tasks) a prompt.
//!
//! [`choose`] says which prompts to ask the newcomer: one after the other, that whose outcome is expected to lower the variance
//! of d most, summed over all prompts (Cohn, Ghahramani and Jordan, Active Learning with Statistical Models, Journal of Artificial
//! Intelligence Research 4, 1996, for this kernel). The choice needs no outcome, so all prompts can be asked at once. [`place`] makes
//! the placement.
//!
//! # Cost
//!
//! With c candidates (2,000 at most: more are sampled), `choose` takes O(c^2) a prompt chosen and c^2 numbers; `place` takes O(n^3) for n outcomes.

mod choose;
mod kernel;
mod place;

pub use choose::choose;
pub use place::{Placed, place};

#[cfg(test)]
mod tests;
