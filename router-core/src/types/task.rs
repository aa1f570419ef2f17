//! Tasks: which prompts form one, and how likely a new prompt belongs to each.
#![allow(clippy::indexing_slicing, reason = "task ids are checked against the count at construction")]

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::types::hierarchy::TaskHierarchy;
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
    hierarchy: Option<TaskHierarchy>,
}

impl TaskMap {
    /// Tasks from any labels, a label a prompt (`None`: no task). Tasks are renumbered by falling size, ties by first prompt.
    pub fn from_labels(labels: &[Option<u32>]) -> Self {
        let numbers = numbers(labels);
        let assignments =
            labels.iter().map(|label| label.as_ref().and_then(|label| numbers.get(label).copied())).collect();
        Self { assignments, count: numbers.len(), hierarchy: None }
    }

    /// Tasks from labels that are leaves of a tree in which node i lies under `parents[i]`, a lower number, or under none.
    /// Tasks are numbered as by [`from_labels`](Self::from_labels). Nodes without a prompt are left out, and so are coarser
    /// ones with a single child left, which are no coarser than it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for a label that is no leaf, or a parent that is not a lower number.
    pub fn from_tree(labels: &[Option<u32>], parents: &[Option<u32>]) -> Result<Self> {
        let mut children = vec![0usize; parents.len()];
        for (node, parent) in parents.iter().enumerate() {
            if let Some(parent) = *parent {
                if parent as usize >= node {
                    return Err(Error::shape("parent of a node", format!("below {node}"), parent));
                }
                children[parent as usize] += 1;
            }
        }
        if let Some(label) =
            labels.iter().flatten().find(|label| children.get(**label as usize).is_none_or(|&count| count > 0))
        {
            return Err(Error::shape("label", "a leaf of the tree", label));
        }
        let numbers = numbers(labels);
        let mut map = Self::from_labels(labels);
        // From the last node to the first: what stands for each in the hierarchy, once its children are known.
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); parents.len()];
        let mut tree: Vec<Option<u32>> = vec![None; map.count];
        for node in (0..parents.len()).rev() {
            let under = std::mem::take(&mut below[node]);
            let own = match (numbers.get(&(node as u32)), under.as_slice()) {
                (Some(task), _) => task.0,
                (None, []) => continue,
                (None, &[only]) => only,
                (None, several) => {
                    let own = tree.len() as u32;
                    tree.push(None);
                    for &child in several {
                        tree[child as usize] = Some(own);
                    }
                    own
                }
            };
            if let Some(parent) = parents[node] {
                below[parent as usize].push(own);
            }
        }
        map.hierarchy = Some(TaskHierarchy::new(map.count, tree)?);
        Ok(map)
    }

    /// No tasks at all for `prompts` prompts.
    pub fn none(prompts: usize) -> Self {
        Self { assignments: vec![None; prompts], count: 0, hierarchy: None }
    }

    /// The tasks of the named prompts, in their order. Tasks keep their numbers, and some may be left without a prompt.
    ///
    /// # Panics
    /// If there is no such prompt.
    pub fn restrict(&self, rows: &[usize]) -> Self {
        let assignments = rows.iter().map(|&row| self.assignments[row]).collect();
        Self { assignments, count: self.count, hierarchy: self.hierarchy.clone() }
    }

    /// Number of tasks.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The task of every training prompt.
    pub fn assignments(&self) -> &[Option<TaskId>] {
        &self.assignments
    }

    /// Which tasks are kinds of one coarser task, where the discoverer found that out.
    pub fn hierarchy(&self) -> Option<&TaskHierarchy> {
        self.hierarchy.as_ref()
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

/// The task of every label, by falling size, ties by first prompt.
fn numbers(labels: &[Option<u32>]) -> BTreeMap<u32, TaskId> {
    let mut sizes: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            sizes.entry(*label).or_insert((0, row)).0 += 1;
        }
    }
    let mut order: Vec<(u32, (usize, usize))> = sizes.into_iter().collect();
    order.sort_by_key(|&(_, (size, first))| (std::cmp::Reverse(size), first));
    order.iter().enumerate().map(|(new, &(old, _))| (old, TaskId(new as u32))).collect()
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

    /// The probabilities of all prompts, prompts x tasks, row by row, to be written at once.
    pub fn probabilities_mut(&mut self) -> &mut [f32] {
        self.probabilities.as_mut_slice()
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
    fn a_tree_keeps_its_shape_under_the_new_numbers() {
        // 0 over 1 and 2, 1 over 3 and 4; 5 alone; 6 over 7 alone.
        let parents = [None, Some(0), Some(0), Some(1), Some(1), None, None, Some(6)];
        let labels = [Some(2), Some(4), Some(4), Some(3), Some(4), Some(5), Some(7), Some(7), None];
        let map = TaskMap::from_tree(&labels, &parents).unwrap();
        assert_eq!(map.assignments(), TaskMap::from_labels(&labels).assignments());
        // Tasks: 4 is 0, 7 is 1, 2 is 2, 3 is 3, 5 is 4.
        let tree = map.hierarchy().unwrap();
        assert_eq!((tree.tasks(), tree.nodes()), (5, 7));
        let path = |task| tree.path(task).collect::<Vec<_>>();
        assert_eq!(path(0), [0, 5, 6]);
        assert_eq!(path(3), [3, 5, 6]);
        assert_eq!((path(1), path(2), path(4)), (vec![1], vec![2, 6], vec![4]));
        // Without a prompt of node 3, node 1 is no coarser than node 4.
        let map = TaskMap::from_tree(&[Some(2), Some(4)], &parents).unwrap();
        assert_eq!(map.hierarchy().unwrap(), &TaskHierarchy::new(2, vec![Some(2), Some(2), None]).unwrap());
        assert_eq!(map.restrict(&[1]).hierarchy(), map.hierarchy());
        assert_eq!(TaskMap::from_tree(&[None], &parents).unwrap().hierarchy(), Some(&TaskHierarchy::flat(0)));
        assert_eq!(TaskMap::from_labels(&labels).hierarchy(), None);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert!(TaskMap::from_tree(&[Some(1)], &[None]).is_err());
        assert!(TaskMap::from_tree(&[Some(0)], &[None, Some(0)]).is_err());
        assert!(TaskMap::from_tree(&[Some(0)], &[Some(1), None]).is_err());
        assert!(TaskMap::from_tree(&[Some(0)], &[Some(0)]).is_err());
    }

    #[test]
    fn none_gets_what_the_tasks_leave() {
        let mut distribution = TaskDistribution::new();
        distribution.reset(1, 2);
        assert_eq!(distribution.probability_of_none(0), 1.0);
        distribution.row_mut(0).0.copy_from_slice(&[0.5, 0.25]);
        assert_eq!(distribution.probability_of_none(0), 0.25);
        assert_eq!(distribution.probabilities_mut(), [0.5, 0.25]);
    }
}
