//! Clusters of the training prompts by their embeddings, for estimators that compare prompts or have no tasks.
#![allow(clippy::indexing_slicing, reason = "rows come from the set, centers are those found")]

use router_core::prelude::*;

use crate::clustering::Lloyd;
use crate::neighbors::{NeighborIndex, Neighbors, normalized};

/// The `count` centers of `index` that are nearest to each of `embeddings` (n x d).
///
/// # Errors
/// [`ErrorKind::Shape`] for another dimension; [`ErrorKind::NonFinite`].
pub(super) fn nearest(index: &NeighborIndex, embeddings: MatrixView<'_>, count: usize) -> Result<Neighbors> {
    let d = index.points().cols();
    if embeddings.cols() != d {
        return Err(Error::shape("dimension of embeddings", d, embeddings.cols()));
    }
    embeddings.check_finite("embeddings")?;
    index.search_here(normalized(embeddings).view(), count)
}

/// A model's `quality` in [0, 1] on prompts of these embeddings (n x d): its mean, and for every center of `index` the sum and the number of those that it is
/// nearest to.
///
/// # Errors
/// [`ErrorKind::Shape`] for another dimension, or if there is not one quality a prompt, or none at all; [`ErrorKind::NonFinite`];
/// [`ErrorKind::Data`] for a quality outside of [0, 1].
pub(super) fn by_nearest(
    index: &NeighborIndex,
    embeddings: MatrixView<'_>,
    quality: &[f32],
) -> Result<(f64, Vec<(f64, f64)>)> {
    if quality.is_empty() || quality.len() != embeddings.rows() {
        return Err(Error::shape("qualities", format!("{}, at least 1", embeddings.rows()), quality.len()));
    }
    if let Some(wrong) = quality.iter().find(|quality| !(0.0..=1.0).contains(*quality)) {
        return Err(Error::new(ErrorKind::Data, format!("quality {wrong} is outside [0, 1]")));
    }
    let found = nearest(index, embeddings, 1)?;
    let mean = quality.iter().map(|&quality| f64::from(quality)).sum::<f64>() / quality.len() as f64;
    let mut sums = vec![(0.0f64, 0.0f64); index.points().rows()];
    for (&center, &quality) in found.indices.iter().zip(quality) {
        let (sum, count) = &mut sums[center as usize];
        *sum += f64::from(quality);
        *count += 1.0;
    }
    Ok((mean, sums))
}

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
