//! Phase 2: task heads on a frozen trunk, of the kind that the configuration names.
//!
//! A kind of head is a file here: it implements [`HeadKind`], which says how heads are fitted under a given penalty, and is
//! listed in [`Heads`]. What all kinds share lies in [`evidence`] (the standardised features, the observations of a task),
//! [`choose`] (the penalty, on held-out prompts) and [`stored`] (what is routed with and written to artifacts).
//!
//! h is the width of the trunk, m the number of models, c of a task's candidates, r the rank, n the number of prompts. A
//! product with a Hessian is the unit of training's cost.
//!
//! | kind | a task's head of model m | numbers stored | a product with the Hessian |
//! |---|---|---|---|
//! | [`residual`] | general head + w | c (h + 1) a task | O(n c h) |
//! | [`full_rank`] | base rate in the task + w | c (h + 1) a task | O(n c h) |
//! | [`low_rank`] | general head + a P x + b, P of the task | r h + c (r + 1) a task | O(n r h) |
//! | [`core_space`] | general head + v C U'x, C of the task | r^2 a task, r (h + 1 + m) for all | O(n r h) |
//! | [`pyramid`] | general head + w summed over the coarser tasks | c (h + 1) a task | O(n m h) |

mod agglomerate;
mod choose;
mod core_space;
mod evidence;
mod full_rank;
mod low_rank;
mod pyramid;
mod residual;
mod separate;
mod stored;
#[cfg(test)]
mod tests;

use router_core::{FitContext, ModelIndex, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use choose::HeadFit;
use evidence::Evidence;
pub(super) use stored::{HeadInput, HeadScratch, TaskHeads};

/// What a task's heads are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Heads {
    /// A full-rank residual over the general head, each task and candidate for itself.
    #[default]
    Residual,
    /// A head of its own for each task and candidate, shrunk to the model's base rate in the task.
    FullRank,
    /// A residual of low rank over the general heads: a task's candidates share a projection.
    LowRank,
    /// A residual in a basis that all tasks share, with a small core a task.
    CoreSpace,
    /// Residuals summed over a tree of tasks, from coarse to fine.
    Pyramid,
}

/// Rounds of the kinds that solve for their factors in turn, at most.
const ROUNDS: usize = 10;
/// A round that lowers the objective by less than this share of it is the last.
const ENOUGH: f64 = 1e-4;
/// Penalties of the kinds with few numbers to learn, which have to be held back less.
const WEAKER_PENALTIES: [f32; 7] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1];

/// A kind of head: how it is fitted to what the trunk makes of the prompts.
trait HeadKind: Sync {
    /// The heads of all tasks, on the standardised features.
    type Solution: Send + Sync;

    /// Whether a head adds to the general head of its model; otherwise it stands for itself.
    const ADDS_TO_GENERAL: bool = true;

    /// Penalties to choose from, from strong to weak, beside no task heads at all.
    const PENALTIES: &'static [f32] = &[100.0, 30.0, 10.0, 3.0, 1.0];

    /// The heads under each of `penalties`, strong to weak, fitted to the outcomes of `rows`, the prompts of every task.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Cancelled`]; whatever a solver reports.
    fn solve(
        &self,
        evidence: &Evidence<'_>,
        rows: &[Vec<usize>],
        penalties: &[f32],
        cx: &FitContext,
    ) -> Result<Vec<Self::Solution>>;

    /// The coefficients of the head of `model` in `task` on the standardised features, h + 1 numbers; `None` where there is
    /// no head and the general one speaks.
    fn coefficients(&self, solution: &Self::Solution, task: usize, model: ModelIndex) -> Option<Vec<f32>>;

    /// The heads on the trunk's own outputs, to be routed with.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if the parts do not fit together.
    fn store(&self, evidence: &Evidence<'_>, solution: Self::Solution) -> Result<TaskHeads>;
}
