//! Tests of spherical k-means.

use std::sync::Arc;

use proptest::prelude::*;
use rand::RngExt;
use router_core::Model;
use router_core::parallel::with_threads;
use router_core::prelude::*;

use super::*;
use crate::clustering::Lloyd;
use crate::graph::adjusted_rand_index;
use crate::neighbors::normalized;

fn set(embeddings: Matrix) -> TrainingSet {
    let n = embeddings.rows();
    with_outcomes(embeddings, 1, vec![vec![Outcome::new(0, 1.0)]; n])
}

fn with_outcomes(embeddings: Matrix, models: usize, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let n = rows.len();
    let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let outcomes = Outcomes::from_rows(models, rows).unwrap();
    TrainingSet::new(Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap()), Arc::new(embeddings)).unwrap()
}

/// `n` points around `clusters` orthogonal axes of 16 dimensions, of any length.
fn planted(n: usize, clusters: usize, noise: f32) -> (Matrix, Vec<u32>) {
    let mut stream = FitContext::new(2).stream("planted");
    let mut points = Matrix::zeros(n, 16);
    for row in 0..n {
        let length = stream.random_range(0.5f32..4.0);
        for (at, value) in points.row_mut(row).iter_mut().enumerate() {
            let center = if at == row % clusters { 1.0 } else { 0.0 };
            *value = length * (center + noise * stream.random_range(-1.0f32..1.0));
        }
    }
    (points, (0..n).map(|row| (row % clusters) as u32).collect())
}

fn labels(map: &TaskMap) -> Vec<u32> {
    map.assignments().iter().map(|task| task.unwrap().0).collect()
}

#[test]
fn planted_clusters_and_their_number_are_found() {
    for clusters in [2, 3, 6, 8] {
        let (points, planted) = planted(240, clusters, 0.05);
        // A quality of its own on every cluster.
        let rows = planted.iter().map(|&cluster| vec![Outcome::new(0, cluster as f32 / 8.0)]).collect();
        let map = KmeansConfig::default().discover(&with_outcomes(points, 1, rows), &FitContext::new(1)).unwrap();
        assert_eq!(map.count(), clusters);
        assert_eq!(adjusted_rand_index(&labels(&map), &planted).unwrap(), 1.0);
    }
}

#[test]
fn models_that_do_equally_well_everywhere_do_not_hide_the_tasks() {
    let (points, planted) = planted(600, 6, 0.05);
    let mut stream = FitContext::new(3).stream("outcomes");
    // Six models are good at a task each; three hundred are not better at one than at another.
    let rows = planted
        .iter()
        .map(|&cluster| {
            (0..306)
                .map(|model| {
                    let skill = if model == cluster as usize { 0.9 } else { 0.4 };
                    Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < skill)))
                })
                .collect()
        })
        .collect();
    let map = KmeansConfig::default().discover(&with_outcomes(points, 306, rows), &FitContext::new(1)).unwrap();
    assert_eq!(adjusted_rand_index(&labels(&map), &planted).unwrap(), 1.0);
}

#[test]
fn first_centers_cover_the_clusters() {
    // Drawn one by one, without a choice among several, they do in two of ten runs.
    let (points, planted) = planted(800, 16, 0.1);
    let points = normalized(points.view());
    let lloyd = Lloyd { points: points.view(), k: 16, iterations: 100 };
    let found = (0..10)
        .filter(|&seed| {
            let clusters = lloyd.run(&mut FitContext::new(seed).stream("x"), &FitContext::new(0)).unwrap();
            adjusted_rand_index(clusters.labels(), &planted).unwrap() == 1.0
        })
        .count();
    assert!(found >= 8, "{found}");
}

#[test]
fn threads_change_nothing() {
    let (points, _) = planted(700, 5, 1.0);
    let set = set(points);
    let at = |threads| {
        with_threads(threads, || KmeansConfig::default().discover(&set, &FitContext::new(4)).unwrap()).unwrap()
    };
    assert_eq!(at(1), at(3));
}

#[test]
fn degenerate_points_are_no_error() {
    let config = |k| KmeansConfig { k, ..KmeansConfig::default() };
    let discover = |k, rows: &[[f32; 2]]| {
        let points = Matrix::from_vec(rows.len(), 2, rows.concat()).unwrap();
        config(k).discover(&set(points), &FitContext::new(0)).unwrap()
    };
    // Zeros have no direction, and so no task.
    let map = discover(Some(2), &[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]);
    assert_eq!(map.assignments(), [None, Some(TaskId(0)), Some(TaskId(1)), Some(TaskId(0))]);
    assert_eq!(discover(None, &[[0.0, 0.0]; 3]).count(), 0);
    // More clusters than directions.
    assert_eq!(discover(Some(5), &[[1.0, 1.0]; 12]).count(), 1);
    assert_eq!(discover(None, &[[1.0, 1.0]; 12]).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// At the end no point lies nearer to another cluster's mean direction than to its own, and the objective is what it says.
    #[test]
    fn the_result_is_a_fixed_point(values in prop::collection::vec(-1.0f32..1.0, 60..90), k in 1usize..6, seed: u64) {
        let n = values.len() / 3;
        let points = normalized(Matrix::from_vec(n, 3, values[..n * 3].to_vec()).unwrap().view());
        let lloyd = Lloyd { points: points.view(), k, iterations: 1000 };
        let clusters = lloyd.run(&mut FitContext::new(seed).stream("x"), &FitContext::new(0)).unwrap();
        let mut sums = vec![[0.0f64; 3]; k];
        for (row, &label) in clusters.labels().iter().enumerate() {
            for (sum, &value) in sums[label as usize].iter_mut().zip(points.row(row)) {
                *sum += f64::from(value);
            }
        }
        let length = |sum: &[f64; 3]| sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        // The summed cosine to a normalized sum is the length of the sum.
        prop_assert!((clusters.objective() - sums.iter().map(length).sum::<f64>()).abs() < 1e-3);
        for (row, &label) in clusters.labels().iter().enumerate() {
            let cosine = |sum: &[f64; 3]| {
                sum.iter().zip(points.row(row)).map(|(a, &b)| a * f64::from(b)).sum::<f64>() / length(sum).max(1e-9)
            };
            let own = cosine(&sums[label as usize]);
            prop_assert!(sums.iter().all(|sum| cosine(sum) <= own + 1e-4));
        }
    }
}
