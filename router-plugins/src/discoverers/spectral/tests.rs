//! Tests of spectral clustering.

use std::sync::Arc;

use rand::RngExt;
use router_core::Model;
use router_core::prelude::*;
use serde::Deserialize;

use super::discover::{eigenvectors, largest_gap};
use super::*;
use crate::graph::{Graph, adjusted_rand_index};

fn set(embeddings: Matrix, quality: impl Fn(usize, usize) -> f32) -> TrainingSet {
    let (n, models) = (embeddings.rows(), 3);
    let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
    let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let rows = (0..n).map(|row| (0..models).map(|model| Outcome::new(model, quality(row, model))).collect()).collect();
    let outcomes = Outcomes::from_rows(models, rows).unwrap();
    TrainingSet::new(Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap()), Arc::new(embeddings)).unwrap()
}

/// `n` points around `clusters` orthogonal axes of 16 dimensions.
fn planted(n: usize, clusters: usize, noise: f32) -> (Matrix, Vec<u32>) {
    let mut stream = FitContext::new(2).stream("planted");
    let mut points = Matrix::zeros(n, 16);
    for row in 0..n {
        for (at, value) in points.row_mut(row).iter_mut().enumerate() {
            *value = f32::from(u8::from(at == row % clusters)) + noise * stream.random_range(-1.0f32..1.0);
        }
    }
    (points, (0..n).map(|row| (row % clusters) as u32).collect())
}

fn discover(config: &SpectralConfig, set: &TrainingSet) -> TaskMap {
    config.discover(set, &FitContext::new(3)).unwrap()
}

fn labels(map: &TaskMap) -> Vec<u32> {
    map.assignments().iter().map(|task| task.unwrap().0).collect()
}

#[derive(Deserialize)]
struct Reference {
    nodes: usize,
    edges: Vec<(u32, u32, f64)>,
    eigenvalues: Vec<f64>,
}

#[test]
fn eigenvalues_are_those_of_numpy() {
    let reference: Reference = serde_json::from_str(include_str!("../../../tests/fixtures/laplacian.json")).unwrap();
    let graph = Graph::from_edges(reference.nodes, &reference.edges).unwrap();
    let found = eigenvectors(&graph, reference.eigenvalues.len(), &FitContext::new(1)).unwrap();
    for (value, expected) in found.values.iter().zip(&reference.eigenvalues) {
        assert!((1.0 - value - expected).abs() < 1e-8, "{} against {expected}", 1.0 - value);
    }
}

#[test]
fn planted_tasks_and_their_number_are_found() {
    for clusters in [2, 3, 6] {
        let (points, planted) = planted(360, clusters, 0.3);
        let set = set(points, |row, model| f32::from(u8::from(row % clusters % 3 == model)));
        for selection in [Selection::Outcomes, Selection::Eigengap] {
            // Words alone: the clusters of six share their best models in pairs, and the joint graph would say so.
            let config = SpectralConfig { selection, agreement: 0.0, ..SpectralConfig::default() };
            let map = discover(&config, &set);
            let found = adjusted_rand_index(&labels(&map), &planted).unwrap();
            match selection {
                Selection::Eigengap => assert!(found > 0.99, "{clusters}: {found}"),
                // Clusters that need the same model need not be told apart.
                Selection::Outcomes => assert!(map.count() >= clusters.min(3) && (clusters > 3 || found > 0.99)),
            }
        }
        let k = SpectralConfig { k: Some(clusters), agreement: 0.0, ..SpectralConfig::default() };
        assert!(adjusted_rand_index(&labels(&discover(&k, &set)), &planted).unwrap() > 0.99);
    }
}

#[test]
fn rings_that_means_cannot_tell_apart_are_told_apart() {
    let mut stream = FitContext::new(5).stream("rings");
    let mut points = Matrix::zeros(600, 3);
    for row in 0..600 {
        let angle: f32 = stream.random_range(0.0..std::f32::consts::TAU);
        points.row_mut(row).copy_from_slice(&[angle.cos(), angle.sin(), if row % 2 == 0 { 0.3 } else { -0.3 }]);
    }
    let planted: Vec<u32> = (0..600).map(|row| row % 2).collect();
    let set = set(points, |_, _| 1.0);
    let config = SpectralConfig { k: Some(2), neighbors: 15, agreement: 0.0, ..SpectralConfig::default() };
    assert_eq!(adjusted_rand_index(&labels(&discover(&config, &set)), &planted).unwrap(), 1.0);
    let kmeans = crate::discoverers::kmeans::KmeansConfig { k: Some(2), ..Default::default() };
    let by_means = kmeans.discover(&set, &FitContext::new(3)).unwrap();
    assert!(adjusted_rand_index(&labels(&by_means), &planted).unwrap() < 0.5);
}

#[test]
fn components_are_not_cut_where_there_are_enough_of_them() {
    let (points, planted) = planted(240, 6, 0.0);
    let set = set(points, |_, _| 0.5);
    let config = |k| SpectralConfig { k: Some(k), neighbors: 10, agreement: 0.0, ..SpectralConfig::default() };
    assert_eq!(adjusted_rand_index(&labels(&discover(&config(6), &set)), &planted).unwrap(), 1.0);
    // Fewer tasks than components: none of them is cut.
    let map = discover(&config(3), &set);
    for component in 0..6u32 {
        let tasks: std::collections::BTreeSet<_> =
            (0..240).filter(|&row| planted[row] == component).map(|row| map.assignments()[row]).collect();
        assert_eq!(tasks.len(), 1);
    }
}

#[test]
fn prompts_that_nothing_joins_have_no_task() {
    let (mut points, _) = planted(60, 2, 0.1);
    points.row_mut(7).fill(0.0);
    let config = SpectralConfig { agreement: 0.0, ..SpectralConfig::default() };
    let map = discover(&config, &set(points, |row, model| f32::from(u8::from(row % 2 == model))));
    assert_eq!(map.assignments().iter().filter(|task| task.is_none()).count(), 1);
    assert_eq!(map.assignments()[7], None);
    assert_eq!(discover(&config, &set(Matrix::zeros(20, 4), |_, _| 0.5)).count(), 0);
}

#[test]
fn the_largest_gap_counts() {
    assert_eq!(largest_gap(&[1.0, 0.9, 0.85, 0.2, 0.1], 4), 3);
    assert_eq!(largest_gap(&[1.0, 0.9, 0.85, 0.2, 0.1], 2), 1);
    assert_eq!(largest_gap(&[1.0], 4), 1);
}

#[test]
fn wrong_parameters_are_errors() {
    let (points, _) = planted(20, 2, 0.1);
    let set = set(points, |_, _| 0.5);
    for (config, field) in [
        (SpectralConfig { k: Some(0), ..SpectralConfig::default() }, "k"),
        (SpectralConfig { neighbors: 0, ..SpectralConfig::default() }, "neighbors"),
        (SpectralConfig { agreement: 1.5, ..SpectralConfig::default() }, "agreement"),
    ] {
        let error = config.discover(&set, &FitContext::new(0)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
