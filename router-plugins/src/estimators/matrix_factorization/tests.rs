use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::realized::best_model;
use crate::estimators::testing::{estimate, training_set};
use crate::nn::kernels::{dot, sigmoid};

const MODELS: usize = 12;

fn fit(config: &MatrixFactorizationConfig, set: &TrainingSet) -> MatrixFactorizationEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

/// Twelve models in three families by two hidden abilities; the outcomes of `keep` of them, drawn, for every prompt. Also the chances.
fn world(n: usize, keep: usize, seed: u64) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 8, (0..n * 8).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let family = [[4.0f32, 0.0], [-2.0, 3.5], [-2.0, -3.5]];
    let mut chances = Matrix::zeros(n, MODELS);
    let mut rows = Vec::new();
    for row in 0..n {
        for model in 0..MODELS {
            let hidden = [embeddings.get(row, 0) + embeddings.get(row, 1), embeddings.get(row, 2)];
            chances.set(row, model, sigmoid(hidden.iter().zip(family[model % 3]).map(|(a, b)| a * b).sum::<f32>()));
        }
        let first = stream.random_range(0..MODELS);
        let drawn = (0..keep).map(|at| (first + at) % MODELS);
        rows.push(
            drawn
                .map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < chances.get(row, model)))))
                .collect(),
        );
    }
    (training_set(embeddings, MODELS, rows), chances)
}

/// Mean chance of the best-estimated model.
fn realized(fitted: &MatrixFactorizationEstimator, asked: &TrainingSet, chances: &Matrix) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    (0..asked.len()).map(|row| chances.get(row, best_model(found.row(row)))).sum::<f32>() / asked.len() as f32
}

#[test]
fn both_losses_find_the_planted_abilities_from_sparse_outcomes_and_only_by_training() {
    let (asked, chances) = world(500, MODELS, 2);
    let best: f32 = (0..500).map(|row| chances.row(row).iter().copied().fold(0.0, f32::max)).sum::<f32>() / 500.0;
    for (loss, keep) in
        [(FactorizationLoss::Outcomes, 1), (FactorizationLoss::Outcomes, 4), (FactorizationLoss::Pairs, 4)]
    {
        let (train, _) = world(1200, keep, 1);
        let config = MatrixFactorizationConfig { rank: 4, loss, weight_decay: 1.0, ..Default::default() };
        let fitted = fit(&config, &train);
        let routed = realized(&fitted, &asked, &chances);
        assert!(routed > best - 0.06, "{loss:?} {keep}: {routed} of {best}");
        let still = fit(&MatrixFactorizationConfig { learning_rate: 1e-7, epochs: 1, ..config }, &train);
        assert!(realized(&still, &asked, &chances) < best - 0.2);
        // Families share a direction.
        let vectors = fitted.model_embeddings();
        let cosine = |a: usize, b: usize| {
            let norm = |at: usize| dot(vectors.row(at), vectors.row(at)).sqrt();
            dot(vectors.row(a), vectors.row(b)) / norm(a) / norm(b)
        };
        assert!(cosine(0, 3) > 0.7 && cosine(0, 1) < 0.3, "{loss:?}: {} {}", cosine(0, 3), cosine(0, 1));
    }
}

#[test]
fn scores_of_pairs_get_the_level_of_the_mean_quality() {
    let (train, _) = world(600, MODELS, 1);
    let config = MatrixFactorizationConfig { loss: FactorizationLoss::Pairs, rank: 4, ..Default::default() };
    let found = estimate(&fit(&config, &train), train.embeddings());
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let truth = mean(&train.outcomes().iter().map(|(_, seen)| seen.quality).collect::<Vec<_>>());
    assert!((mean(found.as_slice()) - truth).abs() < 0.05, "{} {truth}", mean(found.as_slice()));
}

#[test]
fn wrong_parameters_are_told() {
    let (set, _) = world(30, 2, 1);
    let config = MatrixFactorizationConfig { rank: 0, ..Default::default() };
    let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("rank")));
}
