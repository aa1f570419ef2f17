//! Phase 2: task heads on a frozen trunk.
#![allow(clippy::indexing_slicing, reason = "one entry a training prompt or model, allocated here")]

use rayon::prelude::*;
use router_core::{FitContext, Matrix, ModelIndex, Result, Tasks, TrainingSet};

use crate::estimators::moe::expert::TaskHeads;
use crate::nn::kernels::dot;
use crate::nn::logistic::{LogisticProblem, Observation};
use crate::nn::{FeedForward, ForwardScratch, Layer};

/// Penalties to choose from, from strong to weak, beside no task heads at all.
pub(super) const PENALTIES: [f32; 5] = [100.0, 30.0, 10.0, 3.0, 1.0];
/// The penalty where no prompts were held out to choose on.
const UNCHOSEN: f32 = 10.0;
/// Rows that go through the trunk together.
const BATCH: usize = 256;

/// Everything that the heads are fitted on.
pub(super) struct HeadFit<'a> {
    pub(super) set: &'a TrainingSet,
    pub(super) tasks: &'a Tasks,
    /// Whether each model was ever seen.
    pub(super) seen: &'a [bool],
    pub(super) trunk: &'a FeedForward,
    pub(super) general: &'a Layer,
    /// Rows the trunk was not trained on; empty if there are none.
    pub(super) held_out: &'a [usize],
    /// The given penalty; chosen on `held_out` otherwise.
    pub(super) penalty: Option<f32>,
}

/// What the trunk makes of the training prompts, standardised for the penalty to have a meaning: (h - mean) / scale with the
/// mean vector and the root mean square norm over the prompts, and a constant 1 for the bias. A residual logit then has a prior
/// variance of 2 / penalty on average, whatever the trunk's scale.
struct Features {
    /// n x (h + 1).
    rows: Matrix,
    mean: Vec<f32>,
    scale: f32,
    /// The general heads' logits, n x m.
    general: Matrix,
}

impl HeadFit<'_> {
    /// Fits the heads of every task's candidates. Tasks run in parallel.
    pub(super) fn fit(&self, cx: &FitContext) -> Result<TaskHeads> {
        let (tasks, hidden) = (self.tasks.count(), self.trunk.outputs());
        if tasks == 0 {
            return Ok(TaskHeads::none(0, hidden));
        }
        let features = self.features();
        // As a new prompt will be assigned, not as outcomes grouped the training prompts.
        let members = self.tasks.assigned_members();
        let penalty = match self.penalty {
            Some(penalty) => Some(penalty),
            None if self.held_out.is_empty() => Some(UNCHOSEN),
            None => self.choose_penalty(&features, &members, cx)?,
        };
        let Some(penalty) = penalty else { return Ok(TaskHeads::none(tasks, hidden)) };
        let heads = (0..tasks)
            .into_par_iter()
            .map(|task| {
                cx.check_cancelled()?;
                let mut heads = Vec::new();
                for model in self.candidates(task) {
                    let problem = self.problem(&features, &members[task], model)?;
                    if problem.is_empty() {
                        continue; // the general head speaks for it
                    }
                    let mut residual = vec![0.0; hidden + 1];
                    problem.solve(penalty, &mut residual)?;
                    let (weights, bias) = features.unstandardise(&residual, self.general, model);
                    heads.push((model, weights, bias));
                }
                Ok(heads)
            })
            .collect::<Result<Vec<_>>>()?;
        TaskHeads::new(hidden, heads)
    }

    fn candidates(&self, task: usize) -> impl Iterator<Item = ModelIndex> {
        self.tasks.profiles()[task].candidates.iter().copied().filter(|&model| self.seen[model])
    }

    fn problem<'a>(&self, features: &'a Features, rows: &[usize], model: ModelIndex) -> Result<LogisticProblem<'a>> {
        let observations = rows
            .iter()
            .filter_map(|&row| {
                let outcome = self.set.outcomes().get(row, model).filter(|outcome| outcome.weight > 0.0)?;
                let offset = features.general.get(row, model);
                Some(Observation { row, target: outcome.quality, weight: outcome.weight, offset })
            })
            .collect();
        LogisticProblem::new(&features.rows, observations)
    }

    /// The penalty under which heads fitted to the other prompts predict the held-out ones best; `None` if none beats the
    /// general heads. Ties go to the stronger.
    fn choose_penalty(&self, features: &Features, members: &[Vec<usize>], cx: &FitContext) -> Result<Option<f32>> {
        let mut is_held_out = vec![false; self.set.len()];
        for &row in self.held_out {
            is_held_out[row] = true;
        }
        let losses = (0..members.len())
            .into_par_iter()
            .map(|task| {
                cx.check_cancelled()?;
                let (held_out, rows): (Vec<usize>, Vec<usize>) =
                    members[task].iter().partition(|&&row| is_held_out[row]);
                let mut losses = [0.0f64; PENALTIES.len() + 1];
                for model in self.candidates(task) {
                    let test = self.problem(features, &held_out, model)?;
                    if test.is_empty() {
                        continue;
                    }
                    let problem = self.problem(features, &rows, model)?;
                    let mut residual = vec![0.0; features.rows.cols()];
                    losses[0] += test.loss(&residual);
                    for (loss, &penalty) in losses[1..].iter_mut().zip(&PENALTIES) {
                        problem.solve(penalty, &mut residual)?;
                        *loss += test.loss(&residual);
                    }
                }
                Ok(losses)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut totals = [0.0f64; PENALTIES.len() + 1];
        for losses in &losses {
            for (total, loss) in totals.iter_mut().zip(losses) {
                *total += loss;
            }
        }
        let mut best = 0;
        for (at, total) in totals.iter().enumerate() {
            if *total < totals[best] {
                best = at;
            }
        }
        Ok(best.checked_sub(1).map(|at| PENALTIES[at]))
    }

    fn features(&self) -> Features {
        let (n, h, m) = (self.set.len(), self.trunk.outputs(), self.general.outputs());
        let (mut rows, mut general) = (Matrix::zeros(n, h + 1), Matrix::zeros(n, m));
        let mut scratch = ForwardScratch::default();
        let mut logits = Matrix::default();
        for start in (0..n).step_by(BATCH) {
            let end = n.min(start + BATCH);
            let hidden = self.trunk.forward(self.set.embeddings().slice_rows(start, end), &mut scratch);
            self.general.forward(hidden.view(), &mut logits);
            for row in start..end {
                rows.row_mut(row)[..h].copy_from_slice(hidden.row(row - start));
                rows.row_mut(row)[h] = 1.0;
                general.row_mut(row).copy_from_slice(logits.row(row - start));
            }
        }
        let mut sums = vec![0.0f64; h];
        for row in 0..n {
            for (sum, &value) in sums.iter_mut().zip(rows.row(row)) {
                *sum += f64::from(value);
            }
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n as f64) as f32).collect();
        let mut squares = 0.0f64;
        for row in 0..n {
            let row = &mut rows.row_mut(row)[..h];
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
            squares += f64::from(dot(row, row));
        }
        let norm = (squares / n as f64).sqrt();
        // All prompts look the same to the trunk: only the bias can tell anything.
        let scale = if norm > 1e-12 { (1.0 / norm) as f32 } else { 0.0 };
        for row in 0..n {
            rows.row_mut(row)[..h].iter_mut().for_each(|value| *value *= scale);
        }
        Features { rows, mean, scale, general }
    }
}

impl Features {
    /// The head on the trunk's own outputs that is the general head of `model` plus `residual` on these features.
    fn unstandardise(&self, residual: &[f32], general: &Layer, model: ModelIndex) -> (Vec<f32>, f32) {
        let h = self.mean.len();
        let mut bias = f64::from(general.bias()[model]) + f64::from(residual[h]);
        let mut weights = general.weights().row(model).to_vec();
        for ((weight, &residual), &mean) in weights.iter_mut().zip(residual).zip(&self.mean) {
            let added = residual * self.scale;
            *weight += added;
            bias -= f64::from(added) * f64::from(mean);
        }
        (weights, bias as f32)
    }
}
