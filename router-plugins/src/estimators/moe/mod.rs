//! `moe`: the mixture of experts of FineRouter (arXiv 2603.19415, section 3.3).
//!
//! A shared trunk reads the prompt's embedding. On it sit a general head for every model, and task heads for each task's
//! candidate models alone, since the others have too little to gain from one. A prompt of a task is estimated by the task's
//! heads where there are some, and by the general heads otherwise; so is a prompt without a task.
//!
//! Training has two phases:
//!
//! 1. Trunk and general heads on all prompts: masked binary cross-entropy of the sparse outcomes, soft targets, weighted by the
//!    outcomes' weights, by AdamW with dropout and early stopping on held-out prompts. A general head starts at the logit of
//!    its model's mean quality and nothing else.
//! 2. Task heads on the prompts of their task, trunk and general heads frozen. By default a task head is its general head plus a
//!    residual under a ridge penalty, which makes it a convex problem a head: it is solved exactly ([`crate::nn::logistic`])
//!    rather than by another round of gradient descent, so it needs neither epochs nor a learning rate. Other kinds of heads
//!    are a choice of the configuration ([`Heads`]). The penalty is chosen on the held-out prompts if not given; "no task heads"
//!    is one of the choices. A head without evidence is its general head.
//!
//! A model that was never seen gets the mean model's head.
//!
//! With two members or more, estimates have a variance: the unbiased one between members, which differ in initial weights and in the
//! prompts they hold out (an ensemble's spread; Lakshminarayanan, Pritzel and Blundell, NIPS 2017). It says how far another training would
//! have come out elsewhere, so it ranks errors; it knows nothing of what all members have in common, and with three members it is
//! itself good for a factor of two. A Laplace approximation of the heads would need an h x h matrix a head in the artifact.
//!
//! # Cost
//! Training: O(epochs * n * h * (d + m)) and O(n * candidates * h) a product with the Hessian in phase 2 (more for other kinds of
//! [`Heads`]); times `members`.
//! Inference a prompt: O(d*h + h*m + h*c), c the candidates of its task (`hard`) or of all tasks it may belong to (`soft`).
//!
//! # When to choose it
//! With a discoverer, a few thousand prompts or more, and tasks within which different prompts want different models.
//!
//! The defaults were chosen by cross-validation within the training parts of two real sets (3,000 prompts x 9 models, 3,350 x
//! 27, lexical embeddings of 512 dimensions): a small network overfits both within a few epochs, so dropout and weight decay
//! are strong, and a mean of three members gains more than any other setting.

mod config;
mod expert;
mod fit;
mod fitted;
mod heads;
#[cfg(test)]
mod tests;

pub use config::{MoeConfig, Routing};
pub use fitted::FittedMoe;
pub use heads::Heads;
