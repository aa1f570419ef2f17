//! The clusters estimator, ready.
#![allow(clippy::indexing_slicing, reason = "clusters found are rows of the scores, checked at construction")]

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::fit::{average, pulled};
use crate::estimators::prompt_clusters::{by_nearest, nearest};
use crate::neighbors::NeighborIndex;

/// Centers of clusters and what every model scores in each.
#[derive(Debug)]
pub struct ClustersEstimator {
    /// Of the centers, k x d.
    index: NeighborIndex,
    /// k x m.
    scores: Matrix,
    nearest: usize,
    shrinkage: f64,
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    nearest: usize,
    shrinkage: f64,
}

impl ClustersEstimator {
    pub(super) fn new(index: NeighborIndex, scores: Matrix, nearest: usize, shrinkage: f64) -> Result<Self> {
        let k = index.points().rows();
        if scores.rows() != k || k == 0 || !(1..=k).contains(&nearest) {
            return Err(Error::shape("scores of clusters", format!("{k} rows"), scores.rows()));
        }
        index.points().check_finite("centers")?;
        scores.view().check_finite("scores of clusters")?;
        if !(shrinkage.is_finite() && shrinkage >= 0.0) {
            return Err(Error::new(ErrorKind::NonFinite, "shrinkage of clusters"));
        }
        Ok(Self { index, scores, nearest, shrinkage })
    }

    /// Number of clusters.
    pub fn k(&self) -> usize {
        self.scores.rows()
    }

    /// Clusters whose scores a prompt gets the mean of.
    pub fn nearest(&self) -> usize {
        self.nearest
    }

    /// The centers, k x d, of unit length.
    pub fn centers(&self) -> MatrixView<'_> {
        self.index.points()
    }

    /// What every model scores in every cluster, k x m: column m is the representation of model m.
    pub fn scores(&self) -> MatrixView<'_> {
        self.scores.view()
    }

    /// The representation of a model that was not fitted: its mean quality in every cluster, from its `quality` in [0, 1] on
    /// prompts of these embeddings (n x d), pulled to its own mean by the shrinkage of the fit (UniRoute, equation 8). O(n k d).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension, or if there is not one quality a prompt, or none at all;
    /// [`ErrorKind::NonFinite`]; [`ErrorKind::Data`] for a quality outside of [0, 1].
    pub fn represent(&self, embeddings: MatrixView<'_>, quality: &[f32]) -> Result<Vec<f32>> {
        let (mean, sums) = by_nearest(&self.index, embeddings, quality)?;
        Ok(sums.into_iter().map(|of_cluster| pulled(of_cluster, mean, self.shrinkage) as f32).collect())
    }

    /// This estimator with one more model, the last, of the given [representation](Self::represent).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not one score a cluster; [`ErrorKind::NonFinite`].
    pub fn with_model(&self, representation: &[f32]) -> Result<Self> {
        if representation.len() != self.k() {
            return Err(Error::shape("representation of a model", self.k(), representation.len()));
        }
        let m = self.scores.cols();
        let mut scores = Matrix::zeros(self.k(), m + 1);
        for (cluster, &score) in representation.iter().enumerate() {
            scores.row_mut(cluster)[..m].copy_from_slice(self.scores.row(cluster));
            scores.row_mut(cluster)[m] = score;
        }
        Self::new(NeighborIndex::exact(self.index.points().to_matrix()), scores, self.nearest, self.shrinkage)
    }
}

impl FittedEstimator for ClustersEstimator {
    fn models(&self) -> usize {
        self.scores.cols()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let found = nearest(&self.index, batch.embeddings, self.nearest)?;
        out.reset(batch.embeddings.rows(), self.models());
        for row in 0..batch.embeddings.rows() {
            average(&self.scores, found.row(row).0, out.quality_mut().row_mut(row));
        }
        Ok(())
    }
}

impl Persist for ClustersEstimator {
    const FORMAT: &'static str = "clusters-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("centers", &self.index.points().to_matrix())?;
        writer.put_matrix("scores", &self.scores)?;
        writer.put_json("header", &Header { nearest: self.nearest, shrinkage: self.shrinkage })
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let Header { nearest, shrinkage } = reader.get_json("header")?;
        let index = NeighborIndex::exact(reader.get_matrix("centers")?);
        Self::new(index, reader.get_matrix("scores")?, nearest, shrinkage)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}
