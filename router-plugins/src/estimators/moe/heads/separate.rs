//! Heads that are plain weights, each for itself: as fitted, and as stored.
#![allow(clippy::indexing_slicing, reason = "weights have a row a head, checked at construction")]

use rayon::prelude::*;
use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{FitContext, Matrix, ModelIndex, Result};

use super::Evidence;
use super::stored::{HeadIndex, TaskHeads};
use crate::nn::kernels::dot;

/// The fitted heads of a task: the model, and its h + 1 coefficients on the standardised features.
pub(super) type OfTask = Vec<(ModelIndex, Vec<f32>)>;
/// Those of every task.
pub(super) type Coefficients = Vec<OfTask>;

/// The coefficients of the head of `model` in `task`.
pub(super) fn find(heads: &Coefficients, task: usize, model: ModelIndex) -> Option<Vec<f32>> {
    heads.get(task)?.iter().find(|(of, _)| *of == model).map(|(_, coefficients)| coefficients.clone())
}

/// The heads of all tasks under each of `penalties`. `solve` gives those of a task, whose number and prompts it is told, under
/// each penalty; tasks run in parallel.
///
/// # Errors
/// [`router_core::ErrorKind::Cancelled`]; whatever `solve` reports.
pub(super) fn by_penalty<T: Clone + Send>(
    rows: &[Vec<usize>],
    penalties: &[f32],
    cx: &FitContext,
    solve: impl Fn(usize, &[usize]) -> Result<Vec<T>> + Sync,
) -> Result<Vec<Vec<T>>> {
    let of_tasks = rows.par_iter().enumerate().map(|(task, rows)| {
        cx.check_cancelled()?;
        solve(task, rows)
    });
    let mut solutions = vec![Vec::with_capacity(rows.len()); penalties.len()];
    for of_task in of_tasks.collect::<Result<Vec<_>>>()? {
        for (solution, heads) in solutions.iter_mut().zip(of_task) {
            solution.push(heads);
        }
    }
    Ok(solutions)
}

/// The heads on the trunk's own outputs, added to the general heads or standing for themselves.
pub(super) fn store(evidence: &Evidence<'_>, heads: &Coefficients, over_general: bool) -> Result<TaskHeads> {
    let models: Vec<Vec<ModelIndex>> =
        heads.iter().map(|heads| heads.iter().map(|&(model, _)| model).collect()).collect();
    let index = HeadIndex::new(models.iter().map(Vec::as_slice));
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for (model, coefficients) in heads.iter().flatten() {
        let (of_head, bias_of_head) = evidence.unstandardise(coefficients, *model, over_general);
        weights.extend_from_slice(&of_head);
        bias.push(bias_of_head);
    }
    let weights = Matrix::from_vec(index.len(), evidence.hidden(), weights)?;
    Ok(TaskHeads::Separate(SeparateHeads { index, weights, bias }))
}

/// Stored heads: weights and a bias each.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators::moe) struct SeparateHeads {
    pub(super) index: HeadIndex,
    /// heads x h.
    weights: Matrix,
    bias: Vec<f32>,
}

impl SeparateHeads {
    /// No head for any of `tasks` tasks, on a trunk of `hidden` outputs.
    pub(super) fn none(tasks: usize, hidden: usize) -> Self {
        let index = HeadIndex::new(std::iter::repeat_n(&[][..], tasks));
        Self { index, weights: Matrix::zeros(0, hidden), bias: Vec::new() }
    }

    pub(super) fn parameters(&self) -> usize {
        self.weights.as_slice().len() + self.bias.len()
    }

    /// Calls `write` with model and logit for every head of `task`.
    pub(super) fn each(&self, task: usize, hidden: &[f32], mut write: impl FnMut(ModelIndex, f32)) {
        for head in self.index.of(task) {
            write(self.index.model(head), dot(self.weights.row(head), hidden) + self.bias[head]);
        }
    }

    pub(super) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        writer.put_matrix(&format!("{name}/weights"), &self.weights)?;
        writer.put_f32(&format!("{name}/bias"), &self.bias)
    }

    pub(super) fn load(reader: &SlotReader<'_>, name: &str, index: HeadIndex, hidden: usize) -> Result<Self> {
        let weights = reader.get_matrix_of(&format!("{name}/weights"), index.len(), hidden)?;
        let bias = reader.get_f32_of(&format!("{name}/bias"), index.len())?;
        Ok(Self { index, weights, bias })
    }
}
