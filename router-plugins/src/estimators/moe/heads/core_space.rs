//! `core-space`: residuals in a basis that all tasks share. The residual logits of task t are V C x, x = U'z, with U ((h + 1) x r)
//! and V (m x r) common to all tasks and a core C (r x r) of the task's own; z is the trunk's output and a constant 1.
//!
//! Core space experts of CoMoL (arXiv 2603.00573): what is shared is learnt from all outcomes, and a task has r^2 numbers to
//! learn, whatever h and its number of candidates. With soft routing the cores are merged by the task distribution before they
//! are used, which adds up residual logits rather than estimates. A task's residual is read for its candidates alone, as with every
//! kind.
//!
//! The heads minimise
//!
//! ```text
//! sum over outcomes of cross_entropy(general logit + v_m'C_t U'z, q)  +  penalty / 2 * sum over tasks of |V C_t U'|^2
//! ```
//!
//! in which the penalty is the sum of |C_t|^2 while U and V are orthonormal. The start is the higher-order singular value
//! decomposition (De Lathauwer et al. 2000) of the residuals that `residual` finds. Then cores, U, and V are solved for in turn,
//! the other two held in a basis in which the penalty is a plain ridge: every step is convex and solved exactly, and the
//! objective never rises.
//!
//! # Cost
//! r^2 numbers a task and r (h + 1 + m) for all; the fit of `residual`, and in each of at most [`ROUNDS`] rounds O(n r h) a
//! product with the Hessian for U, O(n r^2) for cores and V. Inference: O(r h) a prompt, O(r^2 + c r) a task.
#![allow(clippy::indexing_slicing, reason = "heads, tasks and models are numbered here, rows has an entry a task")]

use rayon::prelude::*;
use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{FitContext, Matrix, ModelIndex, Result};

use super::separate::OfTask;
use super::stored::{HeadIndex, TaskHeads};
use super::{ENOUGH, Evidence, HeadKind, ROUNDS, WEAKER_PENALTIES, residual, separate};
use crate::linear_algebra::dense::{leading_right, orthonormal_columns, times_transposed, transpose};
use crate::nn::Layer;
use crate::nn::bilinear::{Bilinear, Pair};
use crate::nn::kernels::{add_scaled, dot};
use crate::nn::logistic::{LogisticProblem, Observation};

/// The rank if none is given.
pub(super) const RANK: usize = 8;

/// See the [module](self).
pub(super) struct CoreSpace {
    pub(super) rank: usize,
    /// Rounds after the first cores; fewer than [`ROUNDS`] to see what they are worth.
    pub(super) rounds: usize,
}

impl CoreSpace {
    pub(super) fn of(rank: Option<usize>) -> Self {
        Self { rank: rank.unwrap_or(RANK), rounds: ROUNDS }
    }
}

/// The heads of all tasks on the standardised features.
#[derive(Debug, Clone)]
pub(super) struct Cores {
    /// The models of every task's heads.
    models: Vec<Vec<ModelIndex>>,
    /// U', r x (h + 1), rows orthonormal.
    inputs: Matrix,
    /// V, m x r, columns orthonormal.
    outputs: Matrix,
    /// C of every task, r x r; zero for one without a head.
    inner: Vec<Matrix>,
}

impl HeadKind for CoreSpace {
    type Solution = Cores;

    const PENALTIES: &'static [f32] = &WEAKER_PENALTIES;

    fn solve(
        &self,
        evidence: &Evidence<'_>,
        rows: &[Vec<usize>],
        penalties: &[f32],
        cx: &FitContext,
    ) -> Result<Vec<Cores>> {
        let starts = separate::by_penalty(rows, penalties, cx, |task, rows| {
            residual::solve_task(evidence, task, rows, penalties)
        })?;
        let outcomes = AllOutcomes::of(evidence, rows, starts.first().map_or(&[], Vec::as_slice));
        let fits = starts.iter().zip(penalties);
        fits.map(|(start, &penalty)| Ok(self.fit(evidence, &outcomes, start, penalty, cx)?.0)).collect()
    }

    fn coefficients(&self, heads: &Cores, task: usize, model: ModelIndex) -> Option<Vec<f32>> {
        heads.models.get(task)?.contains(&model).then(|| {
            let mut coefficients = vec![0.0; heads.inputs.cols()];
            let outputs = transposed_product(&heads.inner[task], heads.outputs.row(model));
            for (direction, &factor) in outputs.iter().enumerate() {
                add_scaled(&mut coefficients, factor, heads.inputs.row(direction));
            }
            coefficients
        })
    }

    fn store(&self, evidence: &Evidence<'_>, heads: Cores) -> Result<TaskHeads> {
        let (rank, hidden) = (heads.inputs.rows(), evidence.hidden());
        let index = HeadIndex::new(heads.models.iter().map(Vec::as_slice));
        if rank == 0 || index.len() == 0 {
            return Ok(TaskHeads::none(index.tasks(), hidden));
        }
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for direction in 0..rank {
            let (row, bias) = evidence.features.unstandardise(heads.inputs.row(direction), vec![0.0; hidden], 0.0);
            weights.extend(row);
            biases.push(bias);
        }
        let inputs = Layer::new(Matrix::from_vec(rank, hidden, weights)?, biases)?;
        let cores: Vec<f32> = heads.inner.iter().flat_map(|core| core.as_slice().iter().copied()).collect();
        let cores = Matrix::from_vec(index.tasks() * rank, rank, cores)?;
        Ok(TaskHeads::CoreSpace(CoreSpaceHeads { index, inputs, outputs: heads.outputs, cores }))
    }
}

/// `matrix' * vector`.
fn transposed_product(matrix: &Matrix, vector: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; matrix.cols()];
    for (row, &factor) in vector.iter().enumerate() {
        add_scaled(&mut out, factor, matrix.row(row));
    }
    out
}

/// Matrices below each other.
fn stacked(blocks: &[Matrix], cols: usize) -> Result<Matrix> {
    let rows = blocks.iter().map(Matrix::rows).sum();
    Matrix::from_vec(rows, cols, blocks.iter().flat_map(|block| block.as_slice().iter().copied()).collect())
}

/// The blocks of `rows` rows that `stacked` is made of.
fn unstacked(stacked: &Matrix, rows: usize) -> Vec<Matrix> {
    (0..stacked.rows() / rows.max(1))
        .map(|block| stacked.gather(&(block * rows..(block + 1) * rows).collect::<Vec<_>>()))
        .collect()
}

impl CoreSpace {
    /// The heads under `penalty` from the full residuals `start`; and the objective of the first cores and after every round.
    pub(super) fn fit(
        &self,
        evidence: &Evidence<'_>,
        outcomes: &AllOutcomes,
        start: &separate::Coefficients,
        penalty: f32,
        cx: &FitContext,
    ) -> Result<(Cores, Vec<f64>)> {
        let mut heads = self.start(evidence, start)?;
        let mut objectives = Vec::new();
        if heads.inputs.rows() == 0 {
            return Ok((heads, objectives));
        }
        objectives.push(outcomes.fit_cores(evidence, &mut heads, penalty)?);
        for _ in 0..self.rounds {
            cx.check_cancelled()?;
            outcomes.fit_inputs(evidence, &mut heads, penalty)?;
            outcomes.fit_outputs(evidence, &mut heads, penalty)?;
            let before = objectives[objectives.len() - 1];
            let objective = outcomes.fit_cores(evidence, &mut heads, penalty)?;
            objectives.push(objective);
            if before - objective <= ENOUGH * before {
                break;
            }
        }
        Ok((heads, objectives))
    }

    /// The leading directions of the residuals among inputs and among models, and what is left of the residuals in them.
    fn start(&self, evidence: &Evidence<'_>, start: &separate::Coefficients) -> Result<Cores> {
        let (m, p) = (evidence.models(), evidence.hidden() + 1);
        let rows: Vec<f32> = start.iter().flatten().flat_map(|(_, residual)| residual.iter().copied()).collect();
        let residuals = Matrix::from_vec(rows.len() / p, p, rows)?;
        let rank = self.rank.min(m).min(p).min(residuals.rows());
        let inputs = leading_right(&residuals, rank)?;
        // The Gram matrix of the models' residuals over all tasks: its eigenvectors are the directions among models.
        let mut gram = Matrix::zeros(m, m);
        for (a, of_a) in start.iter().flat_map(|heads| heads.iter().map(move |head| (heads, head))) {
            for (b, of_b) in a {
                let sum = gram.get(of_a.0, *b) + dot(&of_a.1, of_b);
                gram.set(of_a.0, *b, sum);
            }
        }
        let outputs = transpose(&leading_right(&gram, rank)?);
        let core_of = |heads: &OfTask| {
            let mut core = Matrix::zeros(rank, rank);
            for (model, residual) in heads {
                let along: Vec<f32> = (0..rank).map(|direction| dot(inputs.row(direction), residual)).collect();
                for (row, &factor) in outputs.row(*model).iter().enumerate() {
                    add_scaled(core.row_mut(row), factor, &along);
                }
            }
            core
        };
        let inner = start.iter().map(core_of).collect();
        let models = start.iter().map(|heads| heads.iter().map(|&(model, _)| model).collect()).collect();
        Ok(Cores { models, inputs, outputs, inner })
    }
}

/// The outcomes that heads learn from, task by task and prompt by prompt.
pub(super) struct AllOutcomes {
    tasks: Vec<Vec<(ModelIndex, Observation)>>,
}

impl AllOutcomes {
    /// The outcomes of the models of `heads` on the prompts of every task.
    pub(super) fn of(evidence: &Evidence<'_>, rows: &[Vec<usize>], heads: &[OfTask]) -> Self {
        let of_task = |(rows, heads): (&Vec<usize>, &OfTask)| {
            let each = |&row: &usize| {
                heads.iter().filter_map(move |&(model, _)| Some((model, evidence.observation(row, model, true)?)))
            };
            rows.iter().flat_map(each).collect()
        };
        Self { tasks: rows.iter().zip(heads).map(of_task).collect() }
    }

    /// Solves for the cores; gives the objective.
    fn fit_cores(&self, evidence: &Evidence<'_>, heads: &mut Cores, penalty: f32) -> Result<f64> {
        let rank = heads.inputs.rows();
        let projected = times_transposed(&evidence.features.rows, &heads.inputs);
        let outputs = &heads.outputs;
        let objectives = heads
            .inner
            .par_iter_mut()
            .zip(&self.tasks)
            .map(|(core, seen)| {
                let pairs = seen.iter().map(|(model, seen)| Pair { left: *model, right: seen.row }).collect();
                let design = Bilinear::new(outputs, &projected, rank, false, pairs)?;
                let problem = LogisticProblem::new(&design, numbered(seen.iter().map(|(_, seen)| seen)))?;
                problem.solve(penalty, core.as_mut_slice())?;
                Ok(problem.objective(core.as_slice(), penalty))
            })
            .collect::<Result<Vec<f64>>>()?;
        Ok(objectives.iter().sum())
    }

    /// Solves for U. The cores below each other are an orthonormal basis times a triangle, which goes to U: the penalty is then
    /// one on U.
    fn fit_inputs(&self, evidence: &Evidence<'_>, heads: &mut Cores, penalty: f32) -> Result<()> {
        let (rank, p) = (heads.inputs.rows(), heads.inputs.cols());
        let (basis, triangle) = orthonormal_columns(&stacked(&heads.inner, rank)?)?;
        let basis = unstacked(&basis, rank);
        // A left vector for every head: v'C in the basis.
        let (mut left, mut pairs, mut observations) = (Vec::new(), Vec::new(), Vec::new());
        let mut first = 0;
        for ((core, models), seen) in basis.iter().zip(&heads.models).zip(&self.tasks) {
            for &model in models {
                left.extend(transposed_product(core, heads.outputs.row(model)));
            }
            for (model, seen) in seen {
                let Some(head) = models.iter().position(|of| of == model) else { continue };
                pairs.push(Pair { left: first + head, right: seen.row });
                observations.push(seen);
            }
            first += models.len();
        }
        let left = Matrix::from_vec(first, rank, left)?;
        let design = Bilinear::new(&left, &evidence.features.rows, p, false, pairs)?;
        let problem = LogisticProblem::new(&design, numbered(observations.into_iter()))?;
        let mut scaled = times_transposed(&triangle, &transpose(&heads.inputs));
        problem.solve(penalty, scaled.as_mut_slice())?;
        let (directions, triangle) = orthonormal_columns(&transpose(&scaled))?;
        heads.inputs = transpose(&directions);
        heads.inner = basis.iter().map(|core| times_transposed(core, &triangle)).collect();
        Ok(())
    }

    /// Solves for V, model by model; the triangle of the transposed cores goes to V as that of the cores went to U.
    fn fit_outputs(&self, evidence: &Evidence<'_>, heads: &mut Cores, penalty: f32) -> Result<()> {
        let (rank, m) = (heads.inputs.rows(), heads.outputs.rows());
        let transposed: Vec<Matrix> = heads.inner.iter().map(transpose).collect();
        let (basis, triangle) = orthonormal_columns(&stacked(&transposed, rank)?)?;
        let basis = unstacked(&basis, rank);
        let projected = times_transposed(&evidence.features.rows, &heads.inputs);
        // What the basis of a prompt's own task makes of it, for every outcome.
        let mut of_model: Vec<(Vec<f32>, Vec<Observation>)> = vec![(Vec::new(), Vec::new()); m];
        for (core, seen) in basis.iter().zip(&self.tasks) {
            for (model, seen) in seen {
                let (features, observations) = &mut of_model[*model];
                features.extend(transposed_product(core, projected.row(seen.row)));
                observations.push(Observation { row: observations.len(), ..*seen });
            }
        }
        let mut scaled = times_transposed(&heads.outputs, &triangle);
        let solved = of_model
            .into_par_iter()
            .enumerate()
            .map(|(model, (features, observations))| {
                let features = Matrix::from_vec(observations.len(), rank, features)?;
                let mut output = scaled.row(model).to_vec();
                LogisticProblem::new(&features, observations)?.solve(penalty, &mut output)?;
                Ok(output)
            })
            .collect::<Result<Vec<_>>>()?;
        solved.iter().enumerate().for_each(|(model, output)| scaled.row_mut(model).copy_from_slice(output));
        let (directions, triangle) = orthonormal_columns(&scaled)?;
        heads.outputs = directions;
        // V C = directions * triangle * basis'.
        heads.inner = basis.iter().map(|core| times_transposed(&triangle, core)).collect();
        Ok(())
    }
}

/// The observations, their rows numbered by their positions.
fn numbered<'a>(seen: impl Iterator<Item = &'a Observation>) -> Vec<Observation> {
    seen.enumerate().map(|(row, seen)| Observation { row, ..*seen }).collect()
}

/// Stored heads: the shared bases, and a core a task.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators::moe) struct CoreSpaceHeads {
    pub(super) index: HeadIndex,
    /// h inputs, r outputs.
    inputs: Layer,
    /// m x r.
    outputs: Matrix,
    /// Rows t r to (t + 1) r are the core of task t.
    cores: Matrix,
}

impl CoreSpaceHeads {
    pub(super) fn parameters(&self) -> usize {
        let shared = self.inputs.weights().as_slice().len() + self.inputs.bias().len();
        shared + self.outputs.as_slice().len() + self.cores.as_slice().len()
    }

    /// Writes what the shared basis makes of a prompt into `projected`, r numbers.
    pub(super) fn project(&self, hidden: &[f32], projected: &mut Vec<f32>) {
        projected.clear();
        let rows = self.inputs.bias().iter().enumerate();
        projected.extend(rows.map(|(row, bias)| dot(self.inputs.weights().row(row), hidden) + bias));
    }

    /// Calls `write` with model and residual logit for every head of `task`.
    pub(super) fn each(
        &self,
        task: usize,
        projected: &[f32],
        image: &mut Vec<f32>,
        mut write: impl FnMut(ModelIndex, f32),
    ) {
        let (rank, heads) = (projected.len(), self.index.of(task));
        if heads.is_empty() {
            return;
        }
        image.clear();
        image.extend((task * rank..(task + 1) * rank).map(|row| dot(self.cores.row(row), projected)));
        for head in heads {
            let model = self.index.model(head);
            write(model, dot(self.outputs.row(model), image));
        }
    }

    pub(super) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.inputs.save(writer, &format!("{name}/inputs"))?;
        writer.put_matrix(&format!("{name}/outputs"), &self.outputs)?;
        writer.put_matrix(&format!("{name}/cores"), &self.cores)
    }

    pub(super) fn load(
        reader: &SlotReader<'_>,
        name: &str,
        index: HeadIndex,
        models: usize,
        hidden: usize,
    ) -> Result<Self> {
        let inputs = Layer::load(reader, &format!("{name}/inputs"), hidden, None)?;
        let rank = inputs.outputs();
        let outputs = reader.get_matrix_of(&format!("{name}/outputs"), models, rank)?;
        let rows =
            index.tasks().checked_mul(rank).ok_or_else(|| reader.corrupt(&format!("`{name}` has too many cores")))?;
        let cores = reader.get_matrix_of(&format!("{name}/cores"), rows, rank)?;
        Ok(Self { index, inputs, outputs, cores })
    }
}
