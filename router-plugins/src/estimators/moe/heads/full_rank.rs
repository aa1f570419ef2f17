//! `full-rank`: a head of its own for each task and candidate, which knows nothing of the general one.
//!
//! Without evidence to the contrary it is a constant, the model's rate of success in the task (as if one more outcome had the
//! model's rate over all prompts); its weights, and the bias beyond that rate, are shrunk to zero. What a trunk with independent
//! heads would be, and the measure of what `residual` gains from the general head.
//!
//! # Cost
//! As [`residual`](super::residual): c (h + 1) numbers a task; O(n c h) a product with the Hessian, tasks in parallel.
#![allow(clippy::indexing_slicing, reason = "global has an entry a model, a head h + 1")]

use router_core::{FitContext, ModelIndex, Result};

use super::separate::{self, Coefficients, OfTask};
use super::{Evidence, HeadKind, TaskHeads};
use crate::nn::logistic::{LogisticProblem, Observation};

/// The nearest to 0 and 1 that a rate comes.
const EDGE: f64 = 1e-3;

/// See the [module](self).
pub(super) struct FullRank;

impl HeadKind for FullRank {
    type Solution = Coefficients;

    const ADDS_TO_GENERAL: bool = false;

    fn solve(
        &self,
        evidence: &Evidence<'_>,
        rows: &[Vec<usize>],
        penalties: &[f32],
        cx: &FitContext,
    ) -> Result<Vec<Coefficients>> {
        separate::by_penalty(rows, penalties, cx, |task, rows| solve_task(evidence, task, rows, penalties))
    }

    fn coefficients(&self, heads: &Coefficients, task: usize, model: ModelIndex) -> Option<Vec<f32>> {
        separate::find(heads, task, model)
    }

    fn store(&self, evidence: &Evidence<'_>, heads: Coefficients) -> Result<TaskHeads> {
        separate::store(evidence, &heads, false)
    }
}

fn solve_task(evidence: &Evidence<'_>, task: usize, rows: &[usize], penalties: &[f32]) -> Result<Vec<OfTask>> {
    let mut solutions = vec![Vec::new(); penalties.len()];
    for model in evidence.candidates(task) {
        let mut observations: Vec<Observation> =
            rows.iter().filter_map(|&row| evidence.observation(row, model, false)).collect();
        if observations.is_empty() {
            continue; // the general head speaks for it
        }
        let base = base_logit(&observations, evidence.tasks.global()[model]);
        for seen in &mut observations {
            seen.offset = base;
        }
        let problem = LogisticProblem::new(&evidence.features.rows, observations)?;
        let mut head = vec![0.0; evidence.hidden() + 1];
        for (heads, &penalty) in solutions.iter_mut().zip(penalties) {
            problem.solve(penalty, &mut head)?;
            let mut coefficients = head.clone();
            coefficients[evidence.hidden()] += base;
            heads.push((model, coefficients));
        }
    }
    Ok(solutions)
}

/// The logit of the rate of success, as if one more outcome had the rate `overall`.
fn base_logit(observations: &[Observation], overall: f64) -> f32 {
    let (mut total, mut weight) = (overall, 1.0);
    for seen in observations {
        total += f64::from(seen.weight) * f64::from(seen.target);
        weight += f64::from(seen.weight);
    }
    let rate = (total / weight).clamp(EDGE, 1.0 - EDGE);
    (rate / (1.0 - rate)).ln() as f32
}
