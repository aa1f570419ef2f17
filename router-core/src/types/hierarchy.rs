//! A tree over tasks: which of them are kinds of one coarser task.
#![allow(clippy::indexing_slicing, reason = "nodes are checked against the count at construction")]

use crate::error::{Error, Result};

/// A forest whose leaves are the tasks. Nodes are numbered: the tasks first, by their numbers, then the coarser ones, each after
/// its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHierarchy {
    tasks: usize,
    parents: Vec<Option<u32>>,
}

impl TaskHierarchy {
    /// The hierarchy of `tasks` tasks in which node i lies under node `parents[i]`, or under none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for fewer nodes than tasks, or a parent that is a task or does not come after its child.
    pub fn new(tasks: usize, parents: Vec<Option<u32>>) -> Result<Self> {
        if parents.len() < tasks {
            return Err(Error::shape("nodes of a hierarchy", format!("at least {tasks}"), parents.len()));
        }
        for (node, parent) in parents.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            let above = tasks.max(node + 1)..parents.len();
            if !above.contains(&(parent as usize)) {
                return Err(Error::shape("parent of a node", format!("in {above:?}"), parent));
            }
        }
        Ok(Self { tasks, parents })
    }

    /// Every task for itself.
    pub fn flat(tasks: usize) -> Self {
        Self { tasks, parents: vec![None; tasks] }
    }

    /// Number of tasks: the nodes below it are tasks.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Number of nodes, tasks included.
    pub fn nodes(&self) -> usize {
        self.parents.len()
    }

    /// The node that `node` lies under, if any.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.parents[node].map(|parent| parent as usize)
    }

    /// `node` and all that it lies under, from fine to coarse.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn path(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        assert!(node < self.parents.len(), "node {node} of {}", self.parents.len());
        std::iter::successors(Some(node), |&node| self.parent(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_fine_to_coarse() {
        let tree = TaskHierarchy::new(3, vec![Some(3), Some(3), None, Some(4), None]).unwrap();
        assert_eq!(tree.path(0).collect::<Vec<_>>(), [0, 3, 4]);
        assert_eq!(tree.path(2).collect::<Vec<_>>(), [2]);
        assert_eq!((tree.tasks(), tree.nodes(), tree.parent(3), tree.parent(4)), (3, 5, Some(4), None));
        assert_eq!(TaskHierarchy::flat(2), TaskHierarchy::new(2, vec![None, None]).unwrap());
    }

    #[test]
    fn cycles_and_tasks_as_parents_are_refused() {
        assert!(TaskHierarchy::new(2, vec![None]).is_err());
        assert!(TaskHierarchy::new(2, vec![Some(1), None]).is_err());
        assert!(TaskHierarchy::new(1, vec![Some(1), Some(1)]).is_err());
        assert!(TaskHierarchy::new(1, vec![Some(2), None]).is_err());
        assert!(TaskHierarchy::new(1, vec![Some(2), None, Some(1)]).is_err());
    }
}
