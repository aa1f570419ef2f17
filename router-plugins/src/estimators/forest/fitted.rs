//! The forest, ready.

use router_core::prelude::*;

use crate::estimators::decision_trees::{DecisionTrees, Tree};

/// A forest that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestEstimator {
    /// Leaves hold each model's quality.
    trees: DecisionTrees,
}

impl ForestEstimator {
    pub(super) fn new(trees: &[Tree], dimension: usize, models: usize) -> Result<Self> {
        Ok(Self { trees: DecisionTrees::new(trees, dimension, models)? })
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.trees.count()
    }

    /// Number of leaves of all trees together.
    pub fn leaves(&self) -> usize {
        self.trees.values().rows()
    }
}

impl FittedEstimator for ForestEstimator {
    fn models(&self) -> usize {
        self.trees.values().cols()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        self.trees.check(batch.embeddings)?;
        let n = batch.embeddings.rows();
        out.reset(n, self.models());
        let share = (self.trees.count() as f32).recip();
        // Tree by tree over the batch, so that a tree's nodes stay in the cache.
        for tree in 0..self.trees.count() {
            for row in 0..n {
                let Some(values) = self.trees.leaf(tree, batch.embeddings.row(row)) else { continue };
                let sums = out.quality_mut().row_mut(row);
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        out.quality_mut().as_mut_slice().iter_mut().for_each(|sum| *sum *= share);
        Ok(())
    }
}

impl Persist for ForestEstimator {
    const FORMAT: &'static str = "forest-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        self.trees.save(writer)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Ok(Self { trees: DecisionTrees::load(reader)? })
    }
}
