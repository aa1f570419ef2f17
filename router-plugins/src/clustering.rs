//! Spherical k-means: seeding, assignment, centers. What discoverers and the estimator `clusters` share.
#![allow(clippy::indexing_slicing, reason = "rows are those of the points, clusters are below k")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::RngExt;
use rayon::prelude::*;
use router_core::SeedStream;
use router_core::prelude::*;

use crate::neighbors::{dot, normalize, products};

/// Points whose similarities to all centers are computed at once, and which a thread takes at a time.
const BLOCK: usize = 256;

/// A run that has not begun.
pub(crate) struct Lloyd<'a> {
    /// n x d, every row of unit length.
    pub(crate) points: MatrixView<'a>,
    /// Clusters wanted.
    pub(crate) k: usize,
    /// The most iterations.
    pub(crate) iterations: usize,
}

/// A partition of the points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    labels: Vec<u32>,
    /// Cosine of every point to its center.
    nearest: Vec<f32>,
}

impl Clusters {
    /// The cluster of every point.
    pub(crate) fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The summed cosine of all points to their centers.
    pub(crate) fn objective(&self) -> f64 {
        self.nearest.iter().map(|&cosine| f64::from(cosine)).sum()
    }
}

/// 1 - cosine; below the rounding of a cosine, points are the same.
fn apart(cosine: f32) -> f64 {
    let distance = 1.0 - f64::from(cosine);
    if distance > 1e-6 { distance } else { 0.0 }
}

/// A point drawn by its distance, of a sum of `total`; `None` where all are zero.
fn draw(distances: &[f64], total: f64, stream: &mut SeedStream) -> Option<usize> {
    let mut left = stream.random::<f64>() * total;
    let drawn = distances.iter().position(|&distance| {
        left -= distance;
        left < 0.0 && distance > 0.0
    });
    // Rounding may leave a little: then the last point that can be drawn.
    drawn.or_else(|| distances.iter().rposition(|&distance| distance > 0.0))
}

impl Lloyd<'_> {
    /// Runs until no point changes its cluster.
    pub(crate) fn run(&self, stream: &mut SeedStream, cx: &FitContext) -> Result<Clusters> {
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
    pub(crate) fn best(&self, restarts: usize, stream: &mut SeedStream, cx: &FitContext) -> Result<Clusters> {
        let mut best = self.run(stream, cx)?;
        for _ in 1..restarts {
            let next = self.run(stream, cx)?;
            if next.objective() > best.objective() {
                best = next;
            }
        }
        Ok(best)
    }

    /// Greedy k-means++: of several points drawn by their distance to the nearest center so far, the next center is the one that
    /// leaves the smallest summed distance. Fewer than k where no point is left that lies away from all centers.
    fn seed(&self, stream: &mut SeedStream, cx: &FitContext) -> Result<Matrix> {
        let n = self.points.rows();
        let trials = 2 + (self.k as f64).ln() as usize;
        let mut chosen = vec![stream.random_range(0..n)];
        let mut distances = vec![f64::INFINITY; n];
        loop {
            cx.check_cancelled()?;
            let newest = self.points.row(chosen[chosen.len() - 1]);
            distances.par_chunks_mut(BLOCK).enumerate().for_each(|(block, distances)| {
                for (at, distance) in distances.iter_mut().enumerate() {
                    *distance = distance.min(apart(dot(newest, self.points.row(block * BLOCK + at))));
                }
            });
            let total: f64 = distances.iter().sum();
            if chosen.len() >= self.k.min(n) || total <= 0.0 {
                break;
            }
            let drawn: Vec<usize> = (0..trials).filter_map(|_| draw(&distances, total, stream)).collect();
            let left = self.distances_left(&drawn, &distances);
            let mut best: Option<(f64, usize)> = None;
            for (&row, &left) in drawn.iter().zip(&left) {
                if best.is_none_or(|(least, _)| left < least) {
                    best = Some((left, row));
                }
            }
            let Some((_, row)) = best else { break };
            chosen.push(row);
        }
        Ok(self.rows(&chosen))
    }

    /// The points of `rows`, one after the other.
    fn rows(&self, rows: &[usize]) -> Matrix {
        let mut matrix = Matrix::zeros(rows.len(), self.points.cols());
        for (at, &row) in rows.iter().enumerate() {
            matrix.row_mut(at).copy_from_slice(self.points.row(row));
        }
        matrix
    }

    /// The summed distances of all points to their nearest center that each of the points `drawn` would leave as a new one.
    fn distances_left(&self, drawn: &[usize], distances: &[f64]) -> Vec<f64> {
        let candidates = self.rows(drawn);
        let of_blocks: Vec<Vec<f64>> = distances
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, distances)| {
                let (start, count) = (block * BLOCK, distances.len());
                let mut similarities = vec![0.0f32; drawn.len() * count];
                products(candidates.view(), self.points.slice_rows(start, start + count), &mut similarities);
                let left = |similarities: &[f32]| {
                    similarities.iter().zip(distances).map(|(&cosine, &distance)| distance.min(apart(cosine))).sum()
                };
                similarities.chunks(count).map(left).collect()
            })
            .collect();
        (0..drawn.len()).map(|at| of_blocks.iter().map(|left| left[at]).sum()).collect()
    }

    /// The nearest center of every point, ties to the lowest.
    pub(crate) fn assign(&self, centers: &Matrix) -> Clusters {
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
    pub(crate) fn centers(&self, labels: &[u32], k: usize) -> Matrix {
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
