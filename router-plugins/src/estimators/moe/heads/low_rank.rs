//! `low-rank`: a residual of rank r over the general heads, task by task. A task's candidates share a projection P (r x h) of the
//! trunk's output x; the head of a candidate is its general head plus a'P x + b, with r + 1 numbers of its own.
//!
//! Low-rank adaptation (Hu et al., LoRA, arXiv 2106.09685) of a task's heads together: where the models of a task differ along a
//! few directions, those are estimated from the outcomes of all of them.
//!
//! The residual weights W of a task (c x h) minimise, among those of rank r,
//!
//! ```text
//! sum over outcomes of cross_entropy(general logit + W x + b, q)  +  penalty / 2 * (|W|^2 + |b|^2)
//! ```
//!
//! with the penalty on W itself, so that at full rank they are those of `residual`. Starting from the best approximation of those
//! ([`leading_right`]), P and the heads are solved for in turn with the other held at an orthonormal basis, in which the penalty is
//! a plain ridge: every step is convex and solved exactly, and the objective never rises.
//!
//! # Cost
//! r h + c (r + 1) numbers a task; the fit of `residual`, and in each of at most [`ROUNDS`] rounds O(n r h) a product with the
//! Hessian, tasks in parallel. Inference: O(r h + c r) a task.
#![allow(clippy::indexing_slicing, reason = "heads and rows are numbered here, rows has an entry a task")]

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{FitContext, Matrix, ModelIndex, Result};

use super::separate::{self, OfTask};
use super::stored::{HeadIndex, TaskHeads};
use super::{ENOUGH, Evidence, HeadKind, ROUNDS, WEAKER_PENALTIES, residual};
use crate::linear_algebra::dense::{leading_right, orthonormal_columns, times_transposed, transpose};
use crate::nn::bilinear::{Bilinear, Pair};
use crate::nn::kernels::{add_scaled, dot};
use crate::nn::logistic::{LogisticProblem, Observation};

/// The rank if none is given.
pub(super) const RANK: usize = 2;

/// See the [module](self).
pub(super) struct LowRank {
    pub(super) rank: usize,
    /// Rounds after the start; fewer than [`ROUNDS`] to see what they are worth.
    pub(super) rounds: usize,
}

impl LowRank {
    pub(super) fn of(rank: Option<usize>) -> Self {
        Self { rank: rank.unwrap_or(RANK), rounds: ROUNDS }
    }
}

/// The heads of a task on the standardised features.
#[derive(Debug, Clone)]
pub(super) struct Factors {
    models: Vec<ModelIndex>,
    /// c x r.
    heads: Matrix,
    /// r x h, rows orthonormal.
    projection: Matrix,
    biases: Vec<f32>,
}

impl HeadKind for LowRank {
    type Solution = Vec<Factors>;

    const PENALTIES: &'static [f32] = &WEAKER_PENALTIES;

    fn solve(
        &self,
        evidence: &Evidence<'_>,
        rows: &[Vec<usize>],
        penalties: &[f32],
        cx: &FitContext,
    ) -> Result<Vec<Vec<Factors>>> {
        separate::by_penalty(rows, penalties, cx, |task, rows| {
            let starts = residual::solve_task(evidence, task, rows, penalties)?;
            let fits = starts.into_iter().zip(penalties);
            fits.map(|(start, &penalty)| {
                cx.check_cancelled()?;
                Ok(self.fit_task(evidence, rows, start, penalty)?.0)
            })
            .collect()
        })
    }

    fn coefficients(&self, solution: &Vec<Factors>, task: usize, model: ModelIndex) -> Option<Vec<f32>> {
        let factors = solution.get(task)?;
        let head = factors.models.iter().position(|&of| of == model)?;
        let mut coefficients = vec![0.0; factors.projection.cols()];
        for (direction, &factor) in factors.heads.row(head).iter().enumerate() {
            add_scaled(&mut coefficients, factor, factors.projection.row(direction));
        }
        coefficients.push(factors.biases[head]);
        Some(coefficients)
    }

    fn store(&self, evidence: &Evidence<'_>, solution: Vec<Factors>) -> Result<TaskHeads> {
        let hidden = evidence.hidden();
        let index = HeadIndex::new(solution.iter().map(|factors| factors.models.as_slice()));
        let (mut ranks, mut projections, mut factors, mut biases) = (vec![], vec![], vec![], vec![]);
        for task in &solution {
            ranks.push(task.projection.rows());
            let mut shifts = Vec::with_capacity(task.projection.rows());
            for direction in 0..task.projection.rows() {
                let (row, shift) =
                    evidence.features.unstandardise(task.projection.row(direction), vec![0.0; hidden], 0.0);
                projections.extend(row);
                shifts.push(shift);
            }
            for (head, &bias) in task.biases.iter().enumerate() {
                factors.extend_from_slice(task.heads.row(head));
                biases.push(bias + dot(task.heads.row(head), &shifts));
            }
        }
        let projections = Matrix::from_vec(ranks.iter().sum(), hidden, projections)?;
        Ok(TaskHeads::LowRank(LowRankHeads::new(index, &ranks, projections, factors, biases)))
    }
}

impl LowRank {
    /// The heads of a task, fitted to the prompts `rows` from the full residuals `start`; and the objective at the start and
    /// after every round.
    pub(super) fn fit_task(
        &self,
        evidence: &Evidence<'_>,
        rows: &[usize],
        start: OfTask,
        penalty: f32,
    ) -> Result<(Factors, Vec<f64>)> {
        let h = evidence.hidden();
        let (models, residuals): (Vec<ModelIndex>, Vec<Vec<f32>>) = start.into_iter().unzip();
        let slopes: Vec<f32> = residuals.iter().flat_map(|residual| residual[..h].iter().copied()).collect();
        let slopes = Matrix::from_vec(models.len(), h, slopes)?;
        let projection = leading_right(&slopes, self.rank)?;
        let heads = times_transposed(&slopes, &projection);
        let biases = residuals.iter().map(|residual| residual[h]).collect();
        let mut factors = Factors { models, heads, projection, biases };
        if factors.models.is_empty() {
            return Ok((factors, Vec::new()));
        }
        let task = TaskOutcomes::of(evidence, rows, &factors.models);
        let mut objectives = vec![task.fit_heads(evidence, &mut factors, penalty)?];
        for _ in 0..self.rounds {
            task.fit_projection(evidence, &mut factors, penalty)?;
            let before = objectives[objectives.len() - 1];
            let objective = task.fit_heads(evidence, &mut factors, penalty)?;
            objectives.push(objective);
            if before - objective <= ENOUGH * before {
                break;
            }
        }
        Ok((factors, objectives))
    }
}

/// The outcomes of a task's heads on its prompts, prompt by prompt.
struct TaskOutcomes<'a> {
    rows: &'a [usize],
    /// The head and the position among `rows` of every outcome.
    pairs: Vec<Pair>,
    /// Their rows are positions among `pairs`.
    observations: Vec<Observation>,
}

impl<'a> TaskOutcomes<'a> {
    fn of(evidence: &Evidence<'_>, rows: &'a [usize], models: &[ModelIndex]) -> Self {
        let (mut pairs, mut observations) = (Vec::new(), Vec::new());
        for (right, &row) in rows.iter().enumerate() {
            for (left, &model) in models.iter().enumerate() {
                if let Some(seen) = evidence.observation(row, model, true) {
                    observations.push(Observation { row: pairs.len(), ..seen });
                    pairs.push(Pair { left, right });
                }
            }
        }
        Self { rows, pairs, observations }
    }

    /// Solves for heads and biases under the projection; gives the objective.
    fn fit_heads(&self, evidence: &Evidence<'_>, factors: &mut Factors, penalty: f32) -> Result<f64> {
        let rank = factors.projection.rows();
        let mut projected = Matrix::zeros(self.rows.len(), rank + 1);
        for (at, &row) in self.rows.iter().enumerate() {
            let (to, features) = (projected.row_mut(at), evidence.features.rows.row(row));
            for (direction, to) in to.iter_mut().take(rank).enumerate() {
                *to = dot(factors.projection.row(direction), features);
            }
            to[rank] = 1.0;
        }
        let mut objective = 0.0;
        for (head, bias) in factors.biases.iter_mut().enumerate() {
            let of_head = self.observations.iter().filter(|seen| self.pairs[seen.row].left == head);
            let observations = of_head.map(|seen| Observation { row: self.pairs[seen.row].right, ..*seen }).collect();
            let problem = LogisticProblem::new(&projected, observations)?;
            let mut coefficients = factors.heads.row(head).to_vec();
            coefficients.push(*bias);
            problem.solve(penalty, &mut coefficients)?;
            objective += problem.objective(&coefficients, penalty);
            factors.heads.row_mut(head).copy_from_slice(&coefficients[..rank]);
            *bias = coefficients[rank];
        }
        Ok(objective)
    }

    /// Solves for projection and biases, the heads held at an orthonormal basis of what they span.
    fn fit_projection(&self, evidence: &Evidence<'_>, factors: &mut Factors, penalty: f32) -> Result<()> {
        let (h, rank) = (evidence.hidden(), factors.projection.rows());
        // W = heads * projection = basis * (triangle * projection): the penalty on W is one on the second factor.
        let (basis, triangle) = orthonormal_columns(&factors.heads)?;
        let pairs = self.pairs.iter().map(|pair| Pair { right: self.rows[pair.right], ..*pair }).collect();
        let design = Bilinear::new(&basis, &evidence.features.rows, h, true, pairs)?;
        let problem = LogisticProblem::new(&design, self.observations.clone())?;
        let mut coefficients = times_transposed(&triangle, &transpose(&factors.projection)).into_vec();
        coefficients.extend_from_slice(&factors.biases);
        problem.solve(penalty, &mut coefficients)?;
        factors.biases = coefficients.split_off(rank * h);
        let scaled = Matrix::from_vec(rank, h, coefficients)?;
        // basis * scaled = basis * triangle' * directions', the directions orthonormal.
        let (directions, triangle) = orthonormal_columns(&transpose(&scaled))?;
        factors.projection = transpose(&directions);
        factors.heads = times_transposed(&basis, &triangle);
        Ok(())
    }
}

/// Stored heads: a projection a task, and a few numbers and a bias a head.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators::moe) struct LowRankHeads {
    pub(super) index: HeadIndex,
    /// Projections `offsets[t]..offsets[t + 1]` are those of task t.
    offsets: Vec<usize>,
    /// h numbers a row.
    projections: Matrix,
    /// The numbers of head i begin at `starts[i]`.
    starts: Vec<usize>,
    factors: Vec<f32>,
    bias: Vec<f32>,
}

impl LowRankHeads {
    fn new(index: HeadIndex, ranks: &[usize], projections: Matrix, factors: Vec<f32>, bias: Vec<f32>) -> Self {
        let (mut offsets, mut starts, mut start) = (vec![0], Vec::with_capacity(index.len()), 0);
        for (task, rank) in ranks.iter().enumerate() {
            offsets.push(offsets[task] + rank);
            for _ in index.of(task) {
                starts.push(start);
                start += rank;
            }
        }
        Self { index, offsets, projections, starts, factors, bias }
    }

    pub(super) fn parameters(&self) -> usize {
        self.projections.as_slice().len() + self.factors.len() + self.bias.len()
    }

    /// Calls `write` with model and logit for every head of `task`; `logits` are the general heads'.
    pub(super) fn each(
        &self,
        task: usize,
        hidden: &[f32],
        logits: &[f32],
        image: &mut Vec<f32>,
        mut write: impl FnMut(ModelIndex, f32),
    ) {
        image.clear();
        let directions = self.offsets[task]..self.offsets[task + 1];
        image.extend(directions.map(|direction| dot(self.projections.row(direction), hidden)));
        for head in self.index.of(task) {
            let (model, start) = (self.index.model(head), self.starts[head]);
            let factors = &self.factors[start..start + image.len()];
            write(model, logits[model] + dot(factors, image) + self.bias[head]);
        }
    }

    pub(super) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        let ranks: Vec<u32> = self.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect();
        writer.put_u32(&format!("{name}/ranks"), &ranks)?;
        writer.put_matrix(&format!("{name}/projections"), &self.projections)?;
        writer.put_f32(&format!("{name}/factors"), &self.factors)?;
        writer.put_f32(&format!("{name}/bias"), &self.bias)
    }

    pub(super) fn load(reader: &SlotReader<'_>, name: &str, index: HeadIndex, hidden: usize) -> Result<Self> {
        let ranks: Vec<usize> =
            reader.get_u32(&format!("{name}/ranks"))?.into_iter().map(|rank| rank as usize).collect();
        if ranks.len() != index.tasks() || ranks.iter().any(|&rank| rank > hidden) {
            return Err(reader.corrupt(&format!("`{name}` has {} ranks, or some beyond {hidden}", ranks.len())));
        }
        let total = ranks.iter().sum();
        let numbers = ranks.iter().enumerate().map(|(task, rank)| rank * index.of(task).len()).sum();
        let projections = reader.get_matrix_of(&format!("{name}/projections"), total, hidden)?;
        let factors = reader.get_f32_of(&format!("{name}/factors"), numbers)?;
        let bias = reader.get_f32_of(&format!("{name}/bias"), index.len())?;
        Ok(Self::new(index, &ranks, projections, factors, bias))
    }
}
