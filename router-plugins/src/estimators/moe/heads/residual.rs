//! `residual`: a full-rank residual over the general head, each task and candidate for itself.
//!
//! The head is its general head plus w, found by ridge-logistic regression on the task's outcomes of the model with the general
//! logit as an offset: convex, solved exactly ([`crate::nn::logistic`]). FineRouter's task heads (arXiv 2603.19415, section 3.3),
//! with the shrinkage that a few hundred outcomes of h features need. A head without evidence is its general head.
//!
//! # Cost
//! c (h + 1) numbers a task; O(n c h) a product with the Hessian, tasks in parallel.

use router_core::{FitContext, ModelIndex, Result};

use super::separate::{self, Coefficients, OfTask};
use super::{Evidence, HeadKind, TaskHeads};

/// See the [module](self).
pub(super) struct Residual;

impl HeadKind for Residual {
    type Solution = Coefficients;

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
        separate::store(evidence, &heads, true)
    }
}

/// The heads of `task` under each penalty, fitted to the prompts `rows`.
pub(super) fn solve_task(
    evidence: &Evidence<'_>,
    task: usize,
    rows: &[usize],
    penalties: &[f32],
) -> Result<Vec<OfTask>> {
    let mut solutions = vec![Vec::new(); penalties.len()];
    for model in evidence.candidates(task) {
        let problem = evidence.problem(rows, model, true)?;
        if problem.is_empty() {
            continue; // the general head speaks for it
        }
        let mut residual = vec![0.0; evidence.hidden() + 1];
        for (heads, &penalty) in solutions.iter_mut().zip(penalties) {
            problem.solve(penalty, &mut residual)?;
            heads.push((model, residual.clone()));
        }
    }
    Ok(solutions)
}
