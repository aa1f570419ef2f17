use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{ability_world, estimate, mean_chance};
use crate::nn::kernels::dot;

const MODELS: usize = 12;

fn fit(config: &MatrixFactorizationConfig, set: &TrainingSet) -> MatrixFactorizationEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

#[test]
fn both_losses_find_the_planted_abilities_from_sparse_outcomes_and_only_by_training() {
    let (asked, chances) = ability_world(MODELS, 500, MODELS, 2);
    let best: f32 = (0..500).map(|row| chances.row(row).iter().copied().fold(0.0, f32::max)).sum::<f32>() / 500.0;
    for (loss, keep) in
        [(FactorizationLoss::Outcomes, 1), (FactorizationLoss::Outcomes, 4), (FactorizationLoss::Pairs, 4)]
    {
        let (train, _) = ability_world(MODELS, 1200, keep, 1);
        let config = MatrixFactorizationConfig { rank: 4, loss, weight_decay: 1.0, ..Default::default() };
        let fitted = fit(&config, &train);
        let routed = mean_chance(&fitted, &asked, &chances);
        assert!(routed > best - 0.06, "{loss:?} {keep}: {routed} of {best}");
        let still = fit(&MatrixFactorizationConfig { learning_rate: 1e-7, epochs: 1, ..config }, &train);
        assert!(mean_chance(&still, &asked, &chances) < best - 0.2);
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
    let (train, _) = ability_world(MODELS, 600, MODELS, 1);
    let config = MatrixFactorizationConfig { loss: FactorizationLoss::Pairs, rank: 4, ..Default::default() };
    let found = estimate(&fit(&config, &train), train.embeddings());
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let truth = mean(&train.outcomes().iter().map(|(_, seen)| seen.quality).collect::<Vec<_>>());
    assert!((mean(found.as_slice()) - truth).abs() < 0.05, "{} {truth}", mean(found.as_slice()));
}

#[test]
fn wrong_parameters_are_told() {
    let (set, _) = ability_world(MODELS, 30, 2, 1);
    let config = MatrixFactorizationConfig { rank: 0, ..Default::default() };
    let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("rank")));
}
