use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::realized::best_model;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &SimilarityWeightedEloConfig, set: &TrainingSet) -> SimilarityWeightedEloEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

fn given(gamma: f64) -> SimilarityWeightedEloConfig {
    SimilarityWeightedEloConfig { gamma: Some(gamma), ..SimilarityWeightedEloConfig::default() }
}

/// `n` prompts around four directions; model i answers kind i mod 4 with chance 0.9, others with 0.2; an outcome is there if `keep` says so.
fn world(n: usize, models: usize, seed: u64, mut keep: impl FnMut(usize, usize, f32) -> bool) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let mut embeddings = Matrix::zeros(n, 4);
    let mut rows = Vec::new();
    for row in 0..n {
        embeddings.row_mut(row).fill_with(|| stream.random_range(-0.2..0.2));
        embeddings.row_mut(row)[row % 4] += 1.0;
        let mut outcomes = Vec::new();
        for model in 0..models {
            let chance = if model % 4 == row % 4 { 0.9 } else { 0.2 };
            let quality = f32::from(u8::from(stream.random::<f64>() < chance));
            if keep(row, model, stream.random()) {
                outcomes.push(Outcome::new(model, quality));
            }
        }
        rows.push(outcomes);
    }
    training_set(embeddings, models, rows)
}

fn realized(fitted: &SimilarityWeightedEloEstimator, asked: &TrainingSet) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    let of = |row: usize| asked.outcomes().get(row, best_model(found.row(row))).unwrap().quality;
    (0..asked.len()).map(of).sum::<f32>() / asked.len() as f32
}

#[test]
fn it_routes_with_complete_and_sparse_outcomes_and_not_by_shuffled_ones() {
    let asked = world(200, 5, 2, |_, _, _| true);
    let (complete, sparse) = (world(300, 5, 1, |_, _, _| true), world(800, 5, 1, |_, _, draw| draw < 0.4));
    for train in [&complete, &sparse] {
        let fitted = fit(&SimilarityWeightedEloConfig::default(), train);
        assert!(fitted.gamma() > 10.0);
        let routed = realized(&fitted, &asked);
        assert!(routed > 0.8, "{routed}");
        let n = train.len();
        let rows = (0..n).map(|row| train.outcomes().row((row * 379 + 17) % n).to_vec()).collect();
        let shuffled = training_set(train.embeddings().to_matrix(), 5, rows);
        assert!(realized(&fit(&given(1e8), &shuffled), &asked) < routed - 0.2);
    }
}

#[test]
fn with_complete_outcomes_the_order_is_that_of_weighted_means() {
    let train = world(120, 6, 1, |_, _, _| true);
    let asked = world(20, 6, 2, |_, _, _| true);
    let gamma = 1e4;
    let found = estimate(&fit(&given(gamma), &train), asked.embeddings());
    let (points, queries) =
        (crate::neighbors::normalized(train.embeddings()), crate::neighbors::normalized(asked.embeddings()));
    for row in 0..20 {
        let similarity: Vec<f64> =
            (0..120).map(|at| f64::from(crate::neighbors::dot(points.row(at), queries.row(row)))).collect();
        let most = similarity.iter().copied().fold(0.0, f64::max);
        let mean = |model: usize| {
            let of_mean = train.outcomes().mean_quality()[model].unwrap().0;
            let weights = similarity.iter().map(|s| gamma.powf(s / most - 1.0));
            // Everybody's battles with the prompt at its own mean are few beside those with five others and the prompt.
            let shrinkage = 4.0 / (6.0 / 2.0 + 1.0);
            let (mut sum, mut total) = (shrinkage * of_mean, shrinkage);
            for (at, weight) in weights.enumerate() {
                sum += weight * f64::from(train.outcomes().get(at, model).unwrap().quality);
                total += weight;
            }
            sum / total
        };
        for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
            if mean(a) > mean(b) + 1e-3 {
                assert!(found.get(row, a) > found.get(row, b), "row {row}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_model_is_judged_by_whom_it_was_compared_with() {
    // Easy and hard prompts that no embedding tells apart. Model 0 was asked the easy ones and model 1 the hard ones, each beside model 2; model 1 is the
    // better: on hard prompts it beats model 2 by more than model 0 does on easy ones. Means say the opposite.
    let embeddings = Matrix::from_vec(400, 2, [1.0f32, 0.0].repeat(400)).unwrap();
    let chances = [[0.9, 0.0, 0.85], [0.0, 0.6, 0.3f32]];
    let rows = (0..400)
        .map(|row| {
            let hard = row % 2;
            let of = |model: usize| {
                let right = ((row / 2 * 37 + model * 11) % 200) as f32 / 200.0 < chances[hard][model];
                Outcome::new(model, f32::from(u8::from(right)))
            };
            vec![of(hard), of(2)]
        })
        .collect();
    let set = training_set(embeddings, 3, rows);
    let means = set.outcomes().mean_quality();
    assert!(means[0].unwrap().0 > means[1].unwrap().0);
    let found = estimate(&fit(&given(10.0), &set), set.embeddings());
    let lead = |model: usize| found.get(0, model) - found.get(0, 2);
    let naive = |model: usize| (means[model].unwrap().0 - means[2].unwrap().0) as f32;
    // Battles move model 1 up against what the means say of it, and model 0 down.
    assert!(lead(1) - naive(1) > 0.03, "{} {}", lead(1), naive(1));
    assert!(lead(0) - naive(0) < -0.03, "{} {}", lead(0), naive(0));
}

#[test]
fn wrong_parameters_are_told() {
    let set = world(30, 3, 1, |_, _, _| true);
    let default = SimilarityWeightedEloConfig::default;
    for (config, field) in [
        (given(0.5), "gamma"),
        (SimilarityWeightedEloConfig { shrinkage: 0.0, ..default() }, "shrinkage"),
        (SimilarityWeightedEloConfig { folds: 1, ..default() }, "folds"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
