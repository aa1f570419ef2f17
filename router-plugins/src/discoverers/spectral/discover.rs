//! From a graph of prompts to clusters of its eigenvectors.

use faer::Mat;
use router_core::prelude::*;

use super::config::{Selection, SpectralConfig};
use crate::clustering::Lloyd;
use crate::discoverers::graph::prompt_graph;
use crate::discoverers::held_out::{Candidate, choose, folds};
use crate::graph::Graph;
use crate::linear_algebra::eigen::{Eigen, leading_eigen};
use crate::linear_algebra::sparse::SparseMatrix;
use crate::neighbors::{normalize, normalized};

/// Numbers of tasks that are tried on held-out prompts.
const CANDIDATES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Prompts a task at least, on average, where k is chosen.
const PROMPTS_A_TASK: usize = 10;
/// Folds that are held out in turn to choose k.
const FOLDS: usize = 3;
/// How exact eigenvectors are: clusters do not depend on more.
const RESIDUAL: f64 = 1e-5;
/// Iterations after which eigenvectors that have not converged are an error.
const ITERATIONS: usize = 300;
/// Iterations of k-means.
const KMEANS_ITERATIONS: usize = 100;

pub(super) fn discover(config: &SpectralConfig, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
    cx.check_cancelled()?;
    let graph = prompt_graph(&config.graph(), set, cx)?;
    let cut = |k: usize, eigen: &Eigen, rows: &[usize]| -> Result<TaskMap> {
        let clusters = cluster(config, eigen, k, cx)?;
        let mut labels = vec![None; set.len()];
        for (&row, label) in rows.iter().zip(clusters) {
            if let Some(to) = labels.get_mut(row) {
                *to = label;
            }
        }
        Ok(TaskMap::from_labels(&labels))
    };
    let (connected, rows) = without_isolated(&graph);
    if rows.is_empty() {
        return Ok(TaskMap::none(set.len()));
    }
    let most = config.maximum_tasks.min(rows.len() / PROMPTS_A_TASK).max(1);
    match (config.k, config.selection) {
        (Some(k), _) => cut(k, &eigenvectors(&connected, k, cx)?, &rows),
        (None, Selection::Eigengap) => {
            let eigen = eigenvectors(&connected, most + 1, cx)?;
            cut(largest_gap(&eigen.values, most), &eigen, &rows)
        }
        (None, Selection::Outcomes) => {
            let k = choose_k(config, set, &graph, most, cx)?;
            cut(k, &eigenvectors(&connected, k, cx)?, &rows)
        }
    }
}

/// The graph of the nodes that have an edge, and which they are.
fn without_isolated(graph: &Graph) -> (Graph, Vec<usize>) {
    let rows: Vec<usize> = (0..graph.nodes()).filter(|&node| graph.strength(node) > 0.0).collect();
    (graph.induced(&rows), rows)
}

/// The `count` largest eigenvalues of D^(-1/2) W D^(-1/2) and their vectors: W are the weights, D the strengths of the nodes, all
/// above zero. They are 1 minus the smallest eigenvalues of the normalized Laplacian.
pub(super) fn eigenvectors(graph: &Graph, count: usize, cx: &FitContext) -> Result<Eigen> {
    let scales: Vec<f64> = (0..graph.nodes()).map(|node| graph.strength(node).sqrt().recip()).collect();
    let mut matrix = SparseMatrix::new(graph.nodes());
    for (node, &own) in scales.iter().enumerate() {
        let (targets, weights) = graph.row(node);
        let others = targets
            .iter()
            .zip(weights)
            .map(|(&target, &weight)| (target, weight * own * scales.get(target as usize).copied().unwrap_or(0.0)));
        let itself = graph.self_weight(node);
        let diagonal = (itself > 0.0).then_some((node as u32, 2.0 * itself * own * own));
        matrix.push_row(others.chain(diagonal))?;
    }
    leading_eigen(&matrix, count, -1.0, RESIDUAL, ITERATIONS, cx)
}

/// The k of 1 to `most` with the largest gap between eigenvalues k and k + 1, ties to the smallest.
pub(super) fn largest_gap(values: &[f64], most: usize) -> usize {
    let mut best = (f64::NEG_INFINITY, 1);
    for (at, pair) in values.windows(2).take(most).enumerate() {
        if let [value, next] = pair
            && value - next > best.0
        {
            best = (value - next, at + 1);
        }
    }
    best.1
}

/// Spherical k-means of the rows of the first k eigenvectors, each scaled to length 1. A row of zeros has no cluster.
fn cluster(config: &SpectralConfig, eigen: &Eigen, k: usize, cx: &FitContext) -> Result<Vec<Option<u32>>> {
    let rows = unit_rows(&eigen.vectors, k);
    let placed: Vec<usize> = (0..rows.rows()).filter(|&row| rows.row(row).iter().any(|&value| value != 0.0)).collect();
    let mut labels = vec![None; rows.rows()];
    if placed.is_empty() {
        return Ok(labels);
    }
    let points = rows.gather(&placed);
    let lloyd = Lloyd { points: points.view(), k, iterations: KMEANS_ITERATIONS };
    let clusters = lloyd.best(config.restarts, &mut cx.stream(&format!("clusters {k}")), cx)?;
    for (&row, &label) in placed.iter().zip(clusters.labels()) {
        if let Some(to) = labels.get_mut(row) {
            *to = Some(label);
        }
    }
    Ok(labels)
}

/// The first k columns, every row scaled to length 1. Rows of which rounding is all that is left are zero.
fn unit_rows(vectors: &Mat<f64>, k: usize) -> Matrix {
    let k = k.min(vectors.ncols());
    let mut rows = Matrix::zeros(vectors.nrows(), k);
    for row in 0..vectors.nrows() {
        let length = (0..k).map(|col| vectors[(row, col)].powi(2)).sum::<f64>().sqrt();
        if length > 1e-9 {
            for (col, to) in rows.row_mut(row).iter_mut().enumerate() {
                *to = (vectors[(row, col)] / length) as f32;
            }
            normalize(rows.row_mut(row));
        }
    }
    rows
}

/// The number of tasks that serves held-out prompts best.
fn choose_k(config: &SpectralConfig, set: &TrainingSet, graph: &Graph, most: usize, cx: &FitContext) -> Result<usize> {
    let points = normalized(set.embeddings());
    let sizes: Vec<usize> = CANDIDATES.into_iter().filter(|&k| k <= most).collect();
    let mut candidates = vec![Candidate::default(); sizes.len()];
    let all: Vec<usize> = (0..set.len()).collect();
    let bar = cx.begin("choosing k", Some((FOLDS * sizes.len()) as u64));
    for (fold, split) in folds(&all, FOLDS, cx).into_iter().enumerate() {
        let cx = cx.child(&format!("fold {fold}")).silent();
        let (part, rows) = without_isolated(&graph.induced(&split.learn));
        let largest = sizes.last().copied().unwrap_or(1);
        let eigen = if rows.is_empty() { None } else { Some(eigenvectors(&part, largest, &cx)?) };
        for (candidate, &k) in candidates.iter_mut().zip(&sizes) {
            let mut labels = vec![None; split.learn.len()];
            if let Some(eigen) = &eigen {
                for (&row, label) in rows.iter().zip(cluster(config, eigen, k, &cx)?) {
                    if let Some(to) = labels.get_mut(row) {
                        *to = label;
                    }
                }
            }
            candidate.add(set, &points, &split, &labels);
            bar.advance(1);
        }
    }
    Ok(sizes.get(choose(&candidates)).copied().unwrap_or(1))
}
