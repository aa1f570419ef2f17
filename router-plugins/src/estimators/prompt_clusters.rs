//! Clusters of the training prompts by their embeddings, for estimators that compare prompts or have no tasks.
#![allow(clippy::indexing_slicing, reason = "rows come from the set")]

use router_core::prelude::*;

use crate::clustering::Lloyd;
use crate::neighbors::normalized;

/// Iterations at most.
const ITERATIONS: usize = 100;

/// Clusters by spherical k-means.
pub(super) struct PromptClusters {
    /// Of unit length, at least one; a single one of zeros where every embedding is.
    pub(super) centers: Matrix,
    /// The cluster of every prompt; none for one whose embedding is zero.
    pub(super) of_rows: Vec<Option<usize>>,
}

impl PromptClusters {
    /// `k` clusters of the prompts of `set`, fewer where fewer prompts differ.
    pub(super) fn new(set: &TrainingSet, k: usize, cx: &FitContext) -> Result<Self> {
        let points = normalized(set.embeddings());
        let rows: Vec<usize> =
            (0..set.len()).filter(|&row| points.row(row).iter().any(|&value| value != 0.0)).collect();
        let mut of_rows = vec![None; set.len()];
        if rows.is_empty() {
            return Ok(Self { centers: Matrix::zeros(1, points.cols()), of_rows });
        }
        let points = points.gather(&rows);
        let lloyd = Lloyd { points: points.view(), k, iterations: ITERATIONS };
        let found = lloyd.run(&mut cx.stream("prompt clusters"), cx)?;
        let count = found.labels().iter().max().map_or(1, |&last| last as usize + 1);
        for (&row, &cluster) in rows.iter().zip(found.labels()) {
            of_rows[row] = Some(cluster as usize);
        }
        Ok(Self { centers: lloyd.centers(found.labels(), count), of_rows })
    }

    /// The cluster of every prompt and the number of clusters, where prompts without one are the last.
    #[cfg(feature = "candle")]
    pub(super) fn with_own_for_none(&self) -> (Vec<usize>, usize) {
        let count = self.centers.rows();
        (self.of_rows.iter().map(|cluster| cluster.unwrap_or(count)).collect(), count + 1)
    }
}
