//! The edges from prompts to tasks: logarithms of probabilities.
#![allow(clippy::indexing_slicing, reason = "rows come from the batch, tasks are below their number")]

use router_core::prelude::*;

use crate::estimators::prompt_clusters::PromptClusters;
use crate::neighbors::{NeighborIndex, normalized};

/// Share of its attention that a prompt owes to all tasks alike: a classifier errs.
const FLOOR: f32 = 0.05;

/// Where the tasks of a prompt come from.
#[derive(Debug)]
pub(super) enum TaskEdges {
    /// From the router, so many.
    Given(usize),
    /// From the nearest of these centers (k x d).
    Nearest(NeighborIndex),
}

impl TaskEdges {
    /// The edges of the training prompts, n x tasks, and what gives those of others.
    pub(super) fn fit(set: &TrainingSet, tasks: &Tasks, clusters: usize, cx: &FitContext) -> Result<(Self, Matrix)> {
        if tasks.count() > 0 {
            let count = tasks.count();
            let mut edges = Matrix::zeros(set.len(), count);
            for (row, task) in tasks.assigned().iter().enumerate() {
                certain(edges.row_mut(row), task.map(TaskId::index));
            }
            return Ok((Self::Given(count), edges));
        }
        let clusters = PromptClusters::new(set, clusters, cx)?;
        let mut edges = Matrix::zeros(set.len(), clusters.centers.rows());
        for (row, &cluster) in clusters.of_rows.iter().enumerate() {
            certain(edges.row_mut(row), cluster);
        }
        Ok((Self::Nearest(NeighborIndex::exact(clusters.centers)), edges))
    }

    /// Number of tasks, 1 or more.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Given(count) => *count,
            Self::Nearest(index) => index.points().rows(),
        }
    }

    /// Resets `out` to n x (d + tasks): every embedding and the edges of its prompt.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension or number of tasks; [`ErrorKind::NonFinite`].
    pub(super) fn join(&self, batch: &QueryBatch<'_>, out: &mut Matrix) -> Result<()> {
        let (n, d, tasks) = (batch.embeddings.rows(), batch.embeddings.cols(), self.count());
        batch.embeddings.check_finite("embeddings")?;
        out.reset(n, d + tasks);
        match self {
            Self::Given(count) => {
                if batch.tasks.tasks() != *count {
                    return Err(Error::shape("tasks", *count, batch.tasks.tasks()));
                }
                if batch.tasks.prompts() != n {
                    return Err(Error::shape("task distributions", n, batch.tasks.prompts()));
                }
                for row in 0..n {
                    let edges = &mut out.row_mut(row)[d..];
                    edges.copy_from_slice(batch.tasks.probabilities(row));
                    logarithms(edges, batch.tasks.probability_of_none(row));
                }
            }
            Self::Nearest(index) => {
                let found = index.search_here(normalized(batch.embeddings).view(), 1)?;
                for row in 0..n {
                    let is_zero = batch.embeddings.row(row).iter().all(|&value| value == 0.0);
                    let nearest = found.row(row).0.first().map(|&cluster| cluster as usize);
                    certain(&mut out.row_mut(row)[d..], nearest.filter(|_| !is_zero));
                }
            }
        }
        for row in 0..n {
            out.row_mut(row)[..d].copy_from_slice(batch.embeddings.row(row));
        }
        Ok(())
    }
}

/// The edges of a prompt that is of `task` alone, or of none.
fn certain(edges: &mut [f32], task: Option<usize>) {
    edges.fill(0.0);
    if let Some(task) = task {
        edges[task] = 1.0;
    }
    logarithms(edges, if task.is_some() { 0.0 } else { 1.0 });
}

/// The logarithms of probabilities that leave `of_none` to no task: that part is every task's alike.
fn logarithms(probabilities: &mut [f32], of_none: f32) {
    let share = (probabilities.len().max(1) as f32).recip();
    for probability in probabilities {
        let of_task = (*probability + of_none * share).clamp(0.0, 1.0);
        *probability = ((1.0 - FLOOR) * of_task + FLOOR * share).ln();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_without_a_task_is_of_all_alike() {
        let mut edges = [0.0f32; 4];
        certain(&mut edges, None);
        assert!(edges.iter().all(|edge| (edge.exp() - 0.25).abs() < 1e-6));
        certain(&mut edges, Some(2));
        let sum: f32 = edges.iter().map(|edge| edge.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6 && (edges[2].exp() - (0.95 + 0.0125)).abs() < 1e-6, "{edges:?}");
    }
}
