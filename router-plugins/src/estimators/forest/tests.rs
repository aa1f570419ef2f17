use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &ForestConfig, set: &TrainingSet) -> ForestEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

fn small(trees: usize, minimum_leaf: usize, prior: f64) -> ForestConfig {
    ForestConfig { trees, minimum_leaf, prior, ..ForestConfig::default() }
}

/// The mean quality of the model that is estimated to be best.
fn chosen(estimates: &Matrix, outcomes: &Outcomes) -> f64 {
    let models = outcomes.models();
    let total: f32 = (0..estimates.rows())
        .map(|row| {
            let best = (0..models).max_by(|&a, &b| estimates.get(row, a).total_cmp(&estimates.get(row, b)));
            outcomes.get(row, best.unwrap()).unwrap().quality
        })
        .sum();
    f64::from(total) / estimates.rows() as f64
}

/// `n` prompts of `dimension` numbers in [0, 1): the first says how hard the prompt is for all models, the second which
/// of four kinds it is; model i is good at kind i mod 4. Also the chance of every outcome.
fn world(n: usize, dimension: usize, models: usize, seed: u64) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(seed).stream("world");
    let (mut embeddings, mut chances) = (Matrix::zeros(n, dimension), Matrix::zeros(n, models));
    let mut rows = Vec::new();
    for row in 0..n {
        embeddings.row_mut(row).fill_with(|| stream.random());
        let (ease, kind) = (embeddings.get(row, 0), (embeddings.get(row, 1) * 4.0) as usize);
        for model in 0..models {
            chances.set(row, model, 0.1 + 0.7 * ease + if model % 4 == kind { 0.2 } else { 0.0 });
        }
        let drawn = chances.row(row).iter().enumerate();
        rows.push(
            drawn.map(|(model, &chance)| Outcome::new(model, f32::from(stream.random::<f32>() < chance))).collect(),
        );
    }
    (training_set(embeddings, models, rows), chances)
}

#[test]
fn a_leaf_by_hand() {
    // Two groups of two prompts that one cut divides, wherever its threshold falls between 0 and 1.
    let embeddings = Matrix::from_vec(4, 1, vec![0.0, 0.0, 1.0, 1.0]).unwrap();
    let rows = vec![
        vec![Outcome::new(0, 1.0), Outcome::new(1, 0.0)],
        vec![Outcome { weight: 3.0, ..Outcome::new(0, 0.5) }, Outcome::new(1, 0.0)],
        vec![Outcome::new(0, 0.0), Outcome::new(1, 1.0)],
        vec![Outcome::new(1, 1.0)],
    ];
    let set = training_set(embeddings, 3, rows);
    let found = estimate(&fit(&small(3, 2, 2.0), &set), MatrixView::new(2, 1, &[-1.0, 2.0]).unwrap());
    // Means are 2.5/5 and 1/2; model 2, never seen, gets theirs. The root's are the same, since the mean is what it is pulled to.
    let expected = [
        [(2.5 + 2.0 * 0.5) / (4.0 + 2.0), (2.0 * 0.5) / (2.0 + 2.0), 0.5],
        [(2.0 * 0.5) / (1.0 + 2.0), (2.0 + 2.0 * 0.5) / (2.0 + 2.0), 0.5],
    ];
    for (row, expected) in expected.iter().enumerate() {
        for (model, &expected) in expected.iter().enumerate() {
            assert!((f64::from(found.get(row, model)) - expected).abs() < 1e-6, "{row} {model}: {found:?}");
        }
    }
}

#[test]
fn a_forest_finds_the_number_that_matters_among_many() {
    let (set, chances) = world(2000, 20, 4, 1);
    let (asked, truth) = world(500, 20, 4, 2);
    let found = estimate(&fit(&small(50, 15, 1.0), &set), asked.embeddings());
    let error = |estimates: &Matrix| {
        let pairs = estimates.as_slice().iter().zip(truth.as_slice());
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / estimates.as_slice().len() as f64
    };
    let mean = chances.as_slice().iter().sum::<f32>() / chances.as_slice().len() as f32;
    let constant = Matrix::from_vec(500, 4, vec![mean; 2000]).unwrap();
    let best = |chances: &Matrix| -> f64 {
        (0..500).map(|row| f64::from(chances.row(row).iter().copied().fold(0.0, f32::max))).sum::<f64>() / 500.0
    };
    let by_forest = {
        let of = |row| (0..4).max_by(|&a, &b| found.get(row, a).total_cmp(&found.get(row, b))).unwrap();
        (0..500).map(|row| f64::from(truth.get(row, of(row)))).sum::<f64>() / 500.0
    };
    // Always one model has the mean chance of 0.5; the oracle has 0.65.
    assert!(best(&truth) - 0.03 < by_forest, "{by_forest} of {}", best(&truth));
    assert!(error(&found) < error(&constant), "{} {}", error(&found), error(&constant));
}

#[test]
fn relative_cuts_leave_difficulty_alone() {
    // Difficulty varies far more than skill: cuts by all of the quality go there and find the right model less often.
    let (asked, truth) = world(1000, 10, 6, 2);
    let by = |relative: bool| {
        let (set, _) = world(1500, 10, 6, 1);
        let config = ForestConfig { relative, features: 0.5, ..small(40, 25, 1.0) };
        let found = estimate(&fit(&config, &set), asked.embeddings());
        let of = |row| (0..6).max_by(|&a, &b| found.get(row, a).total_cmp(&found.get(row, b))).unwrap();
        (0..1000).map(|row| f64::from(truth.get(row, of(row)))).sum::<f64>() / 1000.0
    };
    let (relative, absolute) = (by(true), by(false));
    assert!(relative > absolute + 0.01, "{relative} {absolute}");
}

#[test]
fn shuffled_outcomes_teach_nothing() {
    let (set, _) = world(1000, 10, 4, 1);
    let (asked, _) = world(1000, 10, 4, 2);
    let shifted: Vec<Vec<Outcome>> =
        (0..set.len()).map(|row| set.outcomes().row((row * 379 + 17) % set.len()).to_vec()).collect();
    let shuffled = training_set(set.embeddings().to_matrix(), 4, shifted);
    let quality =
        |set: &TrainingSet| chosen(&estimate(&fit(&small(40, 15, 1.0), set), asked.embeddings()), asked.outcomes());
    assert!(quality(&set) > quality(&shuffled) + 0.08, "{} {}", quality(&set), quality(&shuffled));
}

#[test]
fn many_models_are_seen_through_projections() {
    let (set, _) = world(2000, 5, 40, 1);
    let (asked, truth) = world(500, 5, 40, 2);
    let found = estimate(&fit(&small(60, 15, 1.0), &set), asked.embeddings());
    let of = |row| (0..40).max_by(|&a, &b| found.get(row, a).total_cmp(&found.get(row, b))).unwrap();
    let by_forest = (0..500).map(|row| f64::from(truth.get(row, of(row)))).sum::<f64>() / 500.0;
    let any = truth.as_slice().iter().map(|&chance| f64::from(chance)).sum::<f64>() / truth.as_slice().len() as f64;
    assert!(by_forest > any + 0.06, "{by_forest} {any}");
}

#[test]
fn one_outcome_a_prompt_is_enough() {
    let (full, _) = world(6000, 5, 4, 1);
    let (asked, truth) = world(500, 5, 4, 2);
    let rows = (0..full.len()).map(|row| vec![full.outcomes().row(row)[(row * 7) % 4]]).collect();
    let logs = training_set(full.embeddings().to_matrix(), 4, rows);
    let found = estimate(&fit(&small(50, 30, 1.0), &logs), asked.embeddings());
    let of = |row| (0..4).max_by(|&a, &b| found.get(row, a).total_cmp(&found.get(row, b))).unwrap();
    let by_forest = (0..500).map(|row| f64::from(truth.get(row, of(row)))).sum::<f64>() / 500.0;
    let any = truth.as_slice().iter().map(|&chance| f64::from(chance)).sum::<f64>() / truth.as_slice().len() as f64;
    assert!(by_forest > any + 0.06, "{by_forest} {any}");
}

#[test]
fn wrong_parameters_are_told() {
    let (set, _) = world(50, 3, 2, 1);
    for (config, field) in [
        (ForestConfig { trees: 0, ..ForestConfig::default() }, "trees"),
        (ForestConfig { minimum_leaf: 0, ..ForestConfig::default() }, "minimum_leaf"),
        (ForestConfig { features: 0.0, ..ForestConfig::default() }, "features"),
        (ForestConfig { prior: f64::NAN, ..ForestConfig::default() }, "prior"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
}
