//! One run of spherical k-means: seeding, assignment, centers.
#![allow(clippy::indexing_slicing, reason = "rows are those of the points, clusters are below k")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::RngExt;
use rayon::prelude::*;
use router_core::SeedStream;
use router_core::prelude::*;

use crate::neighbors::{dot, normalize};

/// Points whose similarities to all centers are computed at once, and which a thread takes at a time.
const BLOCK: usize = 256;

/// A run that has not begun.
pub(in crate::discoverers) struct Lloyd<'a> {
    /// n x d, every row of unit length.
    pub(in crate::discoverers) points: MatrixView<'a>,
    /// Clusters wanted.
    pub(in crate::discoverers) k: usize,
    /// The most iterations.
    pub(in crate::discoverers) iterations: usize,
}

/// A partition of the points.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::discoverers) struct Clusters {
    labels: Vec<u32>,
    /// Cosine of every point to its center.
    nearest: Vec<f32>,
}

impl Clusters {
    /// The cluster of every point.
    pub(in crate::discoverers) fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The summed cosine of all points to their centers.
    pub(in crate::discoverers) fn objective(&self) -> f64 {
        self.nearest.iter().map(|&cosine| f64::from(cosine)).sum()
    }
}

impl Lloyd<'_> {
    /// Runs until no point changes its cluster.
    pub(in crate::discoverers) fn run(&self, stream: &mut SeedStream, cx: &FitContext) -> Result<Clusters> {
        let mut centers = self.seed(stream, cx)?;
        let mut clusters = self.assign(&centers);
        for _ in 0..self.iterations {
            cx.check_cancelled()?;
            self.fill_empty(&mut clusters, centers.rows());
            centers = self.centers(&clusters.labels, centers.rows());
            let next = self.assign(&centers);
            let settled = next.labels == clusters.labels;
            clusters = next;
            if settled {
                break;
            }
        }
        Ok(clusters)
    }

    /// The best of `restarts` runs, ties to the first.
    pub(in crate::discoverers) fn best(
        &self,
        restarts: usize,
        stream: &mut SeedStream,
        cx: &FitContext,
    ) -> Result<Clusters> {
        let mut best = self.run(stream, cx)?;
        for _ in 1..restarts {
            let next = self.run(stream, cx)?;
            if next.objective() > best.objective() {
                best = next;
            }
        }
        Ok(best)
    }

    /// k-means++: every next center is a point drawn by its distance to the nearest one so far. Fewer than k where no point is
    /// left that lies away from all centers.
    fn seed(&self, stream: &mut SeedStream, cx: &FitContext) -> Result<Matrix> {
        let n = self.points.rows();
        let mut chosen = vec![stream.random_range(0..n)];
        let mut distances = vec![f64::INFINITY; n];
        loop {
            cx.check_cancelled()?;
            let newest = self.points.row(chosen[chosen.len() - 1]);
            distances.par_chunks_mut(BLOCK).enumerate().for_each(|(block, distances)| {
                for (at, distance) in distances.iter_mut().enumerate() {
                    let to_newest = 1.0 - f64::from(dot(newest, self.points.row(block * BLOCK + at)));
                    // Below the rounding of a cosine, points are the same.
                    *distance = distance.min(if to_newest > 1e-6 { to_newest } else { 0.0 });
                }
            });
            let total: f64 = distances.iter().sum();
            if chosen.len() >= self.k.min(n) || total <= 0.0 {
                break;
            }
            let mut left = stream.random::<f64>() * total;
            let drawn = distances.iter().position(|&distance| {
                left -= distance;
                left < 0.0 && distance > 0.0
            });
            // Rounding may leave a little: then the last point that can be drawn.
            let last = || distances.iter().rposition(|&distance| distance > 0.0);
            let Some(drawn) = drawn.or_else(last) else { break };
            chosen.push(drawn);
        }
        let mut centers = Matrix::zeros(chosen.len(), self.points.cols());
        for (at, &row) in chosen.iter().enumerate() {
            centers.row_mut(at).copy_from_slice(self.points.row(row));
        }
        Ok(centers)
    }

    /// The nearest center of every point, ties to the lowest.
    pub(in crate::discoverers) fn assign(&self, centers: &Matrix) -> Clusters {
        let (n, d, k) = (self.points.rows(), self.points.cols(), centers.rows());
        let mut labels = vec![0u32; n];
        let mut nearest = vec![0.0f32; n];
        labels.par_chunks_mut(BLOCK).zip(nearest.par_chunks_mut(BLOCK)).enumerate().for_each_init(
            || vec![0.0f32; BLOCK * k],
            |similarities, (block, (labels, nearest))| {
                let (start, count) = (block * BLOCK, labels.len());
                let points = self.points.slice_rows(start, start + count);
                matmul(
                    MatMut::from_column_major_slice_mut(&mut similarities[..count * k], k, count),
                    Accum::Replace,
                    MatRef::from_row_major_slice(centers.as_slice(), k, d),
                    MatRef::from_column_major_slice(points.as_slice(), d, count),
                    1.0f32,
                    Par::Seq,
                );
                for ((label, nearest), similarities) in labels.iter_mut().zip(nearest).zip(similarities.chunks(k)) {
                    *nearest = f32::NEG_INFINITY;
                    for (cluster, &similarity) in similarities.iter().enumerate() {
                        if similarity > *nearest {
                            *nearest = similarity;
                            *label = cluster as u32;
                        }
                    }
                }
            },
        );
        Clusters { labels, nearest }
    }

    /// Gives every empty cluster the point that is least similar to its center, ties to the lowest row, from a cluster of two
    /// or more.
    fn fill_empty(&self, clusters: &mut Clusters, k: usize) {
        let mut sizes = vec![0usize; k];
        for &label in &clusters.labels {
            sizes[label as usize] += 1;
        }
        for empty in 0..k {
            if sizes[empty] > 0 {
                continue;
            }
            let farthest = (0..self.points.rows())
                .filter(|&row| sizes[clusters.labels[row] as usize] > 1)
                .min_by(|&a, &b| clusters.nearest[a].total_cmp(&clusters.nearest[b]));
            let Some(row) = farthest else { break };
            sizes[clusters.labels[row] as usize] -= 1;
            sizes[empty] += 1;
            clusters.labels[row] = empty as u32;
            clusters.nearest[row] = 1.0;
        }
    }

    /// The normalized sum of every cluster's points, each summed by ascending row.
    pub(in crate::discoverers) fn centers(&self, labels: &[u32], k: usize) -> Matrix {
        let d = self.points.cols();
        let mut members = vec![Vec::new(); k];
        for (row, &label) in labels.iter().enumerate() {
            members[label as usize].push(row);
        }
        let mut centers = Matrix::zeros(k, d);
        centers.as_mut_slice().par_chunks_mut(d).zip(&members).for_each_init(
            || vec![0.0f64; d],
            |sum, (center, members)| {
                sum.fill(0.0);
                for &row in members {
                    sum.iter_mut().zip(self.points.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                center.iter_mut().zip(&*sum).for_each(|(to, &sum)| *to = sum as f32);
                normalize(center);
            },
        );
        centers
    }
}
