//! Tasks as communities of a graph of prompts that read alike and rank the models alike.
//!
//! Stage 1 of FineRouter (arXiv 2603.19415): every prompt is joined to its nearest prompts, an edge weighs
//!
//! ```text
//! (1 - agreement) * cosine of the embeddings + agreement * rank-biased overlap of the model rankings
//! ```
//!
//! and the communities that Leiden finds are the tasks. Both terms are inner products (see
//! [`rank_overlap`](crate::graph::rank_overlap)), so neighbors under the joint similarity are exact, not re-ranked candidates.
//! By default the overlap has chance removed: a prompt on which all models do equally well or badly says nothing about which
//! model to choose, and lies where its words put it.
//!
//! Communities below `minimum_size` are folded into the one they are most connected with, beyond what chance would give. A
//! prompt that is connected with nothing has no task.
//!
//! # Agreement of expectations
//!
//! One outcome a pair is mostly luck, and so is the ranking of the models that it gives. With an `estimator`, the agreement of two prompts is the cosine of what
//! that estimator, fitted without them, expects of the models: held out in five folds, less each model's mean and then the prompt's. Where embeddings tell what models are good at,
//! that finds tasks that observed rankings hide; where words mislead it finds what they say. The expectations have learned from the outcomes of other
//! prompts, of those that are held out to choose a resolution too. docs/discovery.md has what it is worth.
//!
//! # How the resolution is chosen
//!
//! With `resolution = "auto"`, the default, or several to choose from, prompts are held out in three folds (of which, from 15,000 prompts on, as many are looked at as hold 10,000). The graph is built
//! once; the communities of the nodes that are not held out, by the edges between them, are the tasks of a resolution. A held-out
//! prompt goes to the task of the nearest center of embeddings, whose mean qualities, pulled to those over all prompts by empirical Bayes,
//! predict its outcomes. What counts is which models did better than others: the variance over models of the errors of
//! prediction. (Where less than half of the prompts have outcomes of several models, the quality of the model that the means choose.) The lowest resolution is taken
//! whose error lies within one standard error, of the paired
//! difference, of the lowest, two with `"auto"`: a task has to earn its place. `minimum_size` is the evidence that a task needs to exist at all.
//!
//! `"auto"` begins at 1, where parts hold more weight than chance would give them (or, for `cpm`, are as dense as the graph), and doubles until two in a row are no better
//! than the best. Modularity at 1 finds some dozens of tasks however many there are (its resolution limit: Fortunato and Barthelemy, PNAS 2007).
//!
//! # Tasks within tasks
//!
//! With `resolution = "hierarchical"` different branches are as fine as each deserves. All prompts are one branch at first. A
//! branch is cut by the coarsest of the resolutions 0.5, 1, 2, 4, 8, 16 that cuts its part of the graph at all, its parts by finer
//! ones, provided that
//!
//! - held-out prompts of the branch gain by it: of the branch as a whole and as cut by each of the resolutions that are left,
//!   found anew among the prompts of the branch that are not held out, the best must beat the whole by more than one standard error
//!   of the paired difference, judged as above. Where no part is split again and the coarse cut does not beat the whole itself, the
//!   branch is cut by the lowest resolution within one standard error of the best instead;
//! - every part has `minimum_size` prompts; smaller ones are settled as ever.
//!
//! The tree comes with the tasks ([`TaskMap::hierarchy`](router_core::TaskMap::hierarchy)), for estimators that let fine tasks borrow
//! from coarse ones. That a branch holds a prompt is known from the whole graph, held-out outcomes included; how it is cut is not.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models and D depths (at most m - 1, m D at most about 2,000): the neighbors cost
//! n^2 (d + m D) flops as blocked matrix products (two to three seconds of processor time for 20,000 prompts; beyond
//! `exact_limit` a navigable small-world graph takes O(n log n (d + m D))), Leiden O(n k log n), once, 1 to 3 times (on two thirds of the nodes) for each of
//! several resolutions and for at least three of `"auto"`, or at most 3 times for every level of the tree. An `estimator` costs five fits and n estimates besides, and m stands for m D. Memory is O(n (d + m D + k)), never n x n.
//!
//! # When to choose it
//!
//! When prompts come without labels that say what they need, and outcomes of several models are known for each. With outcomes
//! of one model a prompt there are no rankings, and the graph is of wording alone. `agreement = 0` is plain semantic
//! clustering; a high agreement finds tasks that differ in which models can do them, whatever the words, and gives the
//! classifier more to learn.

mod config;
mod discover;
mod expected;
mod hierarchical;
mod small;

pub use config::{Automatic, Edges, GraphConfig, HIERARCHICAL, Objective, Resolution, Small};
pub(super) use discover::prompt_graph;
pub use expected::Expectations;

#[cfg(test)]
mod tests;
