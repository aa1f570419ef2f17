//! Fitting heads of any kind: the penalty that held-out prompts choose, then the heads under it.
#![allow(clippy::indexing_slicing, reason = "one entry a task or training prompt, allocated here")]

use rayon::prelude::*;
use router_core::{FitContext, Result, Tasks, TrainingSet};

use super::core_space::CoreSpace;
use super::evidence::Evidence;
use super::full_rank::FullRank;
use super::low_rank::LowRank;
use super::pyramid::Pyramid;
use super::residual::Residual;
use super::stored::TaskHeads;
use super::{HeadKind, Heads};
use crate::nn::{FeedForward, Layer};

/// The penalty where no prompts were held out to choose on.
const UNCHOSEN: f32 = 10.0;

/// Everything that the heads are fitted on.
pub(in crate::estimators::moe) struct HeadFit<'a> {
    pub(in crate::estimators::moe) set: &'a TrainingSet,
    pub(in crate::estimators::moe) tasks: &'a Tasks,
    /// Whether each model was ever seen.
    pub(in crate::estimators::moe) seen: &'a [bool],
    pub(in crate::estimators::moe) trunk: &'a FeedForward,
    pub(in crate::estimators::moe) general: &'a Layer,
    /// Rows the trunk was not trained on; empty if there are none.
    pub(in crate::estimators::moe) held_out: &'a [usize],
    /// The given penalty; chosen on `held_out` otherwise.
    pub(in crate::estimators::moe) penalty: Option<f32>,
    /// The rank of kinds that have one.
    pub(in crate::estimators::moe) rank: Option<usize>,
}

impl HeadFit<'_> {
    /// Fits heads of kind `heads` for every task's candidates.
    pub(in crate::estimators::moe) fn fit(&self, heads: Heads, cx: &FitContext) -> Result<TaskHeads> {
        match heads {
            Heads::Residual => self.fit_kind(&Residual, cx),
            Heads::FullRank => self.fit_kind(&FullRank, cx),
            Heads::LowRank => self.fit_kind(&LowRank::of(self.rank), cx),
            Heads::CoreSpace => self.fit_kind(&CoreSpace::of(self.rank), cx),
            Heads::Pyramid => self.fit_kind(&Pyramid, cx),
        }
    }

    fn fit_kind<K: HeadKind>(&self, kind: &K, cx: &FitContext) -> Result<TaskHeads> {
        let (tasks, hidden) = (self.tasks.count(), self.trunk.outputs());
        if tasks == 0 {
            return Ok(TaskHeads::none(0, hidden));
        }
        let evidence = Evidence::of(self.set, self.tasks, self.seen, self.trunk, self.general);
        // As a new prompt will be assigned, not as outcomes grouped the training prompts.
        let members = self.tasks.assigned_members();
        let penalty = match self.penalty {
            Some(penalty) => Some(penalty),
            None if self.held_out.is_empty() => Some(UNCHOSEN),
            None => choose_penalty(kind, &evidence, &members, self.held_out, cx)?,
        };
        let Some(penalty) = penalty else { return Ok(TaskHeads::none(tasks, hidden)) };
        match kind.solve(&evidence, &members, &[penalty], cx)?.pop() {
            Some(solution) => kind.store(&evidence, solution),
            None => Ok(TaskHeads::none(tasks, hidden)),
        }
    }
}

/// The penalty under which heads fitted to the other prompts predict the held-out ones best; `None` if none beats the
/// general heads. Ties go to the stronger.
fn choose_penalty<K: HeadKind>(
    kind: &K,
    evidence: &Evidence<'_>,
    members: &[Vec<usize>],
    held_out: &[usize],
    cx: &FitContext,
) -> Result<Option<f32>> {
    let (held_out, rows) = split(members, held_out, evidence.set.len());
    let solutions = kind.solve(evidence, &rows, K::PENALTIES, cx)?;
    let mut totals = vec![general_loss(evidence, &held_out, cx)?];
    for solution in &solutions {
        totals.push(held_out_loss(kind, evidence, solution, &held_out, cx)?);
    }
    let mut best = 0;
    for (at, total) in totals.iter().enumerate() {
        if *total < totals[best] {
            best = at;
        }
    }
    Ok(best.checked_sub(1).map(|at| K::PENALTIES[at]))
}

/// The prompts of every task, in those that are held out and the others.
fn split(members: &[Vec<usize>], held_out: &[usize], prompts: usize) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut is_held_out = vec![false; prompts];
    for &row in held_out {
        is_held_out[row] = true;
    }
    members.iter().map(|rows| rows.iter().partition(|&&row| is_held_out[row])).unzip()
}

/// The summed loss of the general heads on the outcomes of `rows` that belong to a task's candidates.
pub(super) fn general_loss(evidence: &Evidence<'_>, rows: &[Vec<usize>], cx: &FitContext) -> Result<f64> {
    let nothing = vec![0.0; evidence.features.rows.cols()];
    sum_over_tasks(rows.len(), cx, |task| {
        let mut loss = 0.0;
        for model in evidence.candidates(task) {
            loss += evidence.problem(&rows[task], model, true)?.loss(&nothing);
        }
        Ok(loss)
    })
}

/// The summed loss of `solution` on the outcomes of `rows` that belong to a task's candidates.
pub(super) fn held_out_loss<K: HeadKind>(
    kind: &K,
    evidence: &Evidence<'_>,
    solution: &K::Solution,
    rows: &[Vec<usize>],
    cx: &FitContext,
) -> Result<f64> {
    let nothing = vec![0.0; evidence.features.rows.cols()];
    sum_over_tasks(rows.len(), cx, |task| {
        let mut loss = 0.0;
        for model in evidence.candidates(task) {
            loss += match kind.coefficients(solution, task, model) {
                Some(head) => evidence.problem(&rows[task], model, K::ADDS_TO_GENERAL)?.loss(&head),
                None => evidence.problem(&rows[task], model, true)?.loss(&nothing),
            };
        }
        Ok(loss)
    })
}

/// The sum of what tasks, in parallel, come to; added up in their order.
fn sum_over_tasks(tasks: usize, cx: &FitContext, of: impl Fn(usize) -> Result<f64> + Sync) -> Result<f64> {
    let parts = (0..tasks)
        .into_par_iter()
        .map(|task| {
            cx.check_cancelled()?;
            of(task)
        })
        .collect::<Result<Vec<f64>>>()?;
    Ok(parts.iter().sum())
}
