//! What the linear estimators share: one scale for every embedder, models grouped by coverage, normal equations, and convex
//! regressions of many models at once.

mod coverage;
mod majorized;
mod models;
mod normal_equations;
mod scaling;

pub(super) use coverage::{Group, groups};
pub(super) use majorized::Loss;
pub(super) use models::{Parameters, check, fit_all, held_out_scores};
pub(super) use normal_equations::{Solution, Sums};
pub(super) use scaling::Scaling;
