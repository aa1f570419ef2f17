//! `pyramid`: coarse to fine. A task's residual over the general head is the sum of those of the coarser tasks that it lies
//! under and of its own, each shrunk to its parent.
//!
//! After Expert Pyramid Tuning (arXiv 2603.12577), where experts of several scales share what is common to coarse tasks; here
//! on the tasks of the router. All residuals of a model are one problem, since they add up in the logit:
//!
//! ```text
//! sum over prompts of cross_entropy(general logit + sum over nodes on the path of the prompt's task of w_node'z, q)
//!   + penalty / 2 * sum over nodes of |w_node|^2
//! ```
//!
//! which is convex and solved exactly; it is the multi-task learning of Evgeniou and Pontil (KDD 2004) with a tree in the place
//! of a single shared part. Coarse nodes also learn from outcomes of tasks whose candidate the model is not, so a task with
//! little evidence, or none, borrows from its coarse one. Fitted residuals are summed up: a head costs no more to ask than
//! another.
//!
//! The tree is the one that the discoverer found ([`TaskHierarchy`]); without one, tasks of similar wording are put together,
//! about as many coarse ones as the square root of the number of tasks ([`super::agglomerate`]).
//!
//! # Cost
//! c (h + 1) numbers a task; O(n m h) a product with the Hessian, models in parallel.
#![allow(clippy::indexing_slicing, reason = "nodes and tasks are those of the hierarchy, rows has an entry a task")]

use rayon::prelude::*;
use router_core::{FitContext, Matrix, ModelIndex, Result, TaskHierarchy};

use super::separate::{self, Coefficients};
use super::{Evidence, HeadKind, TaskHeads, agglomerate};
use crate::nn::kernels::{add_scaled, dot};
use crate::nn::logistic::{Design, LogisticProblem, Observation};

/// See the [module](self).
pub(super) struct Pyramid;

impl HeadKind for Pyramid {
    type Solution = Coefficients;

    fn solve(
        &self,
        evidence: &Evidence<'_>,
        rows: &[Vec<usize>],
        penalties: &[f32],
        cx: &FitContext,
    ) -> Result<Vec<Coefficients>> {
        let tree = match evidence.tasks.map().hierarchy() {
            Some(tree) => tree.clone(),
            None => agglomerate::hierarchy(evidence.set.embeddings(), &evidence.tasks.map().members())?,
        };
        let models = (0..evidence.models())
            .into_par_iter()
            .map(|model| {
                cx.check_cancelled()?;
                solve_model(evidence, &tree, model, rows, penalties)
            })
            .collect::<Result<Vec<_>>>()?;
        // Model by model -> task by task, the candidates in their order.
        let mut solutions: Vec<Coefficients> = vec![vec![Vec::new(); rows.len()]; penalties.len()];
        for (at, solution) in solutions.iter_mut().enumerate() {
            for (task, heads) in solution.iter_mut().enumerate() {
                for model in evidence.candidates(task) {
                    if let Some(head) = models[model].get(at).and_then(|tasks| tasks[task].clone()) {
                        heads.push((model, head));
                    }
                }
            }
        }
        Ok(solutions)
    }

    fn coefficients(&self, heads: &Coefficients, task: usize, model: ModelIndex) -> Option<Vec<f32>> {
        separate::find(heads, task, model)
    }

    fn store(&self, evidence: &Evidence<'_>, heads: Coefficients) -> Result<TaskHeads> {
        separate::store(evidence, &heads, true)
    }
}

/// The summed residuals of `model` in every task under each penalty; none where it is no candidate or nothing was seen.
fn solve_model(
    evidence: &Evidence<'_>,
    tree: &TaskHierarchy,
    model: ModelIndex,
    rows: &[Vec<usize>],
    penalties: &[f32],
) -> Result<Vec<Vec<Option<Vec<f32>>>>> {
    let is_candidate: Vec<bool> =
        (0..rows.len()).map(|task| evidence.candidates(task).any(|candidate| candidate == model)).collect();
    let observed: Vec<Vec<Observation>> = rows
        .iter()
        .map(|rows| rows.iter().filter_map(|&row| evidence.observation(row, model, true)).collect())
        .collect();
    let paths = active_paths(tree, &is_candidate, &observed);
    let nodes = paths.iter().flatten().max().map_or(0, |&node| node + 1);
    let (mut places, mut observations) = (Vec::new(), Vec::new());
    for (task, seen) in observed.iter().enumerate().filter(|&(task, _)| !paths[task].is_empty()) {
        for seen in seen {
            observations.push(Observation { row: places.len(), ..*seen });
            places.push((seen.row, task));
        }
    }
    let p = evidence.hidden() + 1;
    let design = Paths { features: &evidence.features.rows, of_task: &paths, nodes, places };
    let problem = LogisticProblem::new(&design, observations)?;
    let mut residuals = vec![0.0; nodes * p];
    penalties
        .iter()
        .map(|&penalty| {
            problem.solve(penalty, &mut residuals)?;
            let of_task =
                |task: usize| (is_candidate[task] && !paths[task].is_empty()).then(|| design.sum(task, &residuals));
            Ok((0..rows.len()).map(of_task).collect())
        })
        .collect()
}

/// For every task the nodes on its path that have a residual, renumbered without gaps: nodes over a task whose candidate the
/// model is, with an outcome of the model below them.
fn active_paths(tree: &TaskHierarchy, is_candidate: &[bool], observed: &[Vec<Observation>]) -> Vec<Vec<usize>> {
    let (mut wanted, mut told) = (vec![false; tree.nodes()], vec![false; tree.nodes()]);
    for task in 0..tree.tasks() {
        for node in tree.path(task) {
            wanted[node] |= is_candidate[task];
            told[node] |= !observed[task].is_empty();
        }
    }
    let mut number = vec![None; tree.nodes()];
    for (count, node) in (0..tree.nodes()).filter(|&node| wanted[node] && told[node]).enumerate() {
        number[node] = Some(count);
    }
    (0..tree.tasks()).map(|task| tree.path(task).filter_map(|node| number[node]).collect()).collect()
}

/// Features that stand once for every node on the path of the prompt's task. Coefficients are those of node 0, then of node 1...
struct Paths<'a> {
    /// n x p.
    features: &'a Matrix,
    /// The nodes of every task.
    of_task: &'a [Vec<usize>],
    nodes: usize,
    /// Prompt and task of every row; tasks follow each other.
    places: Vec<(usize, usize)>,
}

impl Paths<'_> {
    /// The coefficients of `task`, summed over its nodes.
    fn sum(&self, task: usize, coefficients: &[f32]) -> Vec<f32> {
        let p = self.features.cols();
        let mut sum = vec![0.0; p];
        for &node in &self.of_task[task] {
            add_scaled(&mut sum, 1.0, &coefficients[node * p..(node + 1) * p]);
        }
        sum
    }
}

impl Design for Paths<'_> {
    fn rows(&self) -> usize {
        self.places.len()
    }

    fn features(&self) -> usize {
        self.nodes * self.features.cols()
    }

    fn multiply(&self, observations: &[Observation], coefficients: &[f32], out: &mut [f32]) {
        let task_of = |seen: &Observation| self.places[seen.row].1;
        let mut start = 0;
        for same in observations.chunk_by(|a, b| task_of(a) == task_of(b)) {
            let sum = self.sum(task_of(&same[0]), coefficients);
            for (seen, out) in same.iter().zip(&mut out[start..]) {
                *out = dot(self.features.row(self.places[seen.row].0), &sum);
            }
            start += same.len();
        }
    }

    fn accumulate(&self, observations: &[Observation], factors: &[f32], to: &mut [f32]) {
        let p = self.features.cols();
        let task_of = |seen: &Observation| self.places[seen.row].1;
        let (mut start, mut sum) = (0, vec![0.0f32; p]);
        for same in observations.chunk_by(|a, b| task_of(a) == task_of(b)) {
            sum.fill(0.0);
            for (seen, &factor) in same.iter().zip(&factors[start..]) {
                add_scaled(&mut sum, factor, self.features.row(self.places[seen.row].0));
            }
            for &node in &self.of_task[task_of(&same[0])] {
                add_scaled(&mut to[node * p..(node + 1) * p], 1.0, &sum);
            }
            start += same.len();
        }
    }
}
