//! Tasks: which prompts form one, and how likely a new prompt belongs to each.
#![allow(clippy::indexing_slicing, reason = "task ids are checked against the count at construction")]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::types::matrix::Matrix;

/// A discovered task, numbered from 0 by falling size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

impl TaskId {
    /// The task's position: its column in a [`TaskDistribution`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The discovered tasks of the training prompts: each has one or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskMap {
    assignments: Vec<Option<TaskId>>,
    count: usize,
}

impl TaskMap {
    /// Tasks from any labels, a label a prompt (`None`: no task). Tasks are renumbered by falling size, ties by first prompt.
    pub fn from_labels(labels: &[Option<u32>]) -> Self {
        let mut sizes: std::collections::BTreeMap<u32, (usize, usize)> = std::collections::BTreeMap::new();
        for (row, label) in labels.iter().enumerate() {
            if let Some(label) = label {
                sizes.entry(*label).or_insert((0, row)).0 += 1;
            }
        }
        let mut order: Vec<(u32, (usize, usize))> = sizes.into_iter().collect();
        order.sort_by_key(|&(_, (size, first))| (std::cmp::Reverse(size), first));
        let renumbered: std::collections::BTreeMap<u32, TaskId> =
            order.iter().enumerate().map(|(new, &(old, _))| (old, TaskId(new as u32))).collect();
        let assignments =
            labels.iter().map(|label| label.as_ref().and_then(|label| renumbered.get(label).copied())).collect();
        Self { assignments, count: renumbered.len() }
    }

    /// No tasks at all for `prompts` prompts.
    pub fn none(prompts: usize) -> Self {
        Self { assignments: vec![None; prompts], count: 0 }
    }

    /// The tasks of the named prompts, in their order. Tasks keep their numbers, and some may be left without a prompt.
    ///
    /// # Panics
    /// If there is no such prompt.
    pub fn restrict(&self, rows: &[usize]) -> Self {
        Self { assignments: rows.iter().map(|&row| self.assignments[row]).collect(), count: self.count }
    }

    /// Number of tasks.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The task of every training prompt.
    pub fn assignments(&self) -> &[Option<TaskId>] {
        &self.assignments
    }

    /// The rows of every task, ascending.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        for (row, task) in self.assignments.iter().enumerate() {
            if let Some(task) = task {
                members[task.index()].push(row);
            }
        }
        members
    }
}

/// For every prompt of a batch, how likely each task is, and which one it was assigned to, if any.
///
/// A row's probabilities sum to at most 1; what is missing is the probability of no task. "No task" is an outcome, not an
/// error: estimators then fall back to what holds for all prompts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskDistribution {
    probabilities: Matrix,
    assigned: Vec<Option<TaskId>>,
}

impl TaskDistribution {
    /// An empty distribution, to be [`reset`](Self::reset).
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes this the distribution of `prompts` prompts over `tasks` tasks, all of them without a task. Keeps the memory.
    pub fn reset(&mut self, prompts: usize, tasks: usize) {
        self.probabilities.reset(prompts, tasks);
        self.assigned.clear();
        self.assigned.resize(prompts, None);
    }

    /// A distribution that is certain of `assignments`, over `tasks` tasks.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for a task beyond `tasks`.
    pub fn certain(assignments: &[Option<TaskId>], tasks: usize) -> Result<Self> {
        let mut distribution = Self::new();
        distribution.reset(assignments.len(), tasks);
        for (row, task) in assignments.iter().enumerate() {
            if let Some(task) = *task {
                if task.index() >= tasks {
                    return Err(Error::shape("task", format!("below {tasks}"), task));
                }
                distribution.probabilities.set(row, task.index(), 1.0);
                distribution.assigned[row] = Some(task);
            }
        }
        Ok(distribution)
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.assigned.len()
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.probabilities.cols()
    }

    /// The probability of every task for prompt `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn probabilities(&self, row: usize) -> &[f32] {
        self.probabilities.row(row)
    }

    /// The probability of no task for prompt `row`, in [0, 1].
    ///
    /// # Panics
    /// If there is no such row.
    pub fn probability_of_none(&self, row: usize) -> f32 {
        (1.0 - self.probabilities.row(row).iter().sum::<f32>()).clamp(0.0, 1.0)
    }

    /// The task that prompt `row` was assigned to, if any.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn assigned(&self, row: usize) -> Option<TaskId> {
        self.assigned[row]
    }

    /// The probabilities of prompt `row` and its assigned task, to be written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, row: usize) -> (&mut [f32], &mut Option<TaskId>) {
        (self.probabilities.row_mut(row), &mut self.assigned[row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_renumbered_by_size_then_first_prompt() {
        let map = TaskMap::from_labels(&[Some(9), None, Some(4), Some(4), Some(7)]);
        assert_eq!(map.count(), 3);
        assert_eq!(map.assignments(), [Some(TaskId(1)), None, Some(TaskId(0)), Some(TaskId(0)), Some(TaskId(2))]);
        assert_eq!(map.members(), [vec![2, 3], vec![0], vec![4]]);
    }

    #[test]
    fn none_gets_what_the_tasks_leave() {
        let mut distribution = TaskDistribution::new();
        distribution.reset(1, 2);
        assert_eq!(distribution.probability_of_none(0), 1.0);
        distribution.row_mut(0).0.copy_from_slice(&[0.5, 0.25]);
        assert_eq!(distribution.probability_of_none(0), 0.25);
    }
}
