//! The boosted trees, ready.

use router_core::prelude::*;

use crate::estimators::decision_trees::DecisionTrees;
use crate::nn::exponential::sigmoids;

/// Boosted trees that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct TreesEstimator {
    /// Those of model 0, then those of model 1, ...; leaves hold one number.
    trees: DecisionTrees,
    /// The logit of every model without any tree.
    start: Vec<f32>,
    /// Number of trees of every model.
    counts: Vec<usize>,
}

impl TreesEstimator {
    pub(super) fn new(trees: DecisionTrees, start: Vec<f32>, counts: Vec<usize>) -> Result<Self> {
        let known = counts.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
        if counts.len() != start.len() || trees.values().cols() != 1 || known.is_none_or(|known| known > trees.count())
        {
            return Err(Error::shape(
                "trees of models",
                format!("{} models, {} trees with one number a leaf", start.len(), trees.count()),
                format!("{} models, {known:?} trees with {} numbers a leaf", counts.len(), trees.values().cols()),
            ));
        }
        if !start.iter().all(|logit| logit.is_finite()) {
            return Err(Error::new(ErrorKind::NonFinite, "logits of boosted trees"));
        }
        Ok(Self { trees, start, counts })
    }

    /// Number of trees of every model.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }
}

impl FittedEstimator for TreesEstimator {
    fn models(&self) -> usize {
        self.start.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        self.trees.check(batch.embeddings)?;
        let n = batch.embeddings.rows();
        out.reset(n, self.models());
        let mut tree = 0;
        // Tree by tree over the batch, so that a tree's nodes stay in the cache.
        for (model, (&start, &count)) in self.start.iter().zip(&self.counts).enumerate() {
            let quality = out.quality_mut();
            for row in 0..n {
                quality.set(row, model, start);
            }
            for at in tree..tree + count {
                for row in 0..n {
                    let value: f32 = self.trees.leaf(at, batch.embeddings.row(row)).into_iter().flatten().sum();
                    quality.set(row, model, quality.get(row, model) + value);
                }
            }
            tree += count;
        }
        sigmoids(out.quality_mut().as_mut_slice());
        Ok(())
    }
}

impl Persist for TreesEstimator {
    const FORMAT: &'static str = "trees-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        self.trees.save(writer)?;
        writer.put_f32("start", &self.start)?;
        writer.put_json("counts", &self.counts)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(DecisionTrees::load(reader)?, reader.get_f32("start")?, reader.get_json("counts")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}
