use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{ability_world, estimate, mean_chance, training_set};
use crate::nn::kernels::dot;

const MODELS: usize = 9;

fn fit(config: &DualContrastiveConfig, set: &TrainingSet) -> DualContrastiveEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

#[test]
fn the_planted_abilities_are_found_and_only_by_training() {
    let (asked, chances) = ability_world(MODELS, 500, MODELS, 2);
    let best: f32 = (0..500).map(|row| chances.row(row).iter().copied().fold(0.0, f32::max)).sum::<f32>() / 500.0;
    for keep in [4, MODELS] {
        let (train, _) = ability_world(MODELS, 1200, keep, 1);
        let config = DualContrastiveConfig { width: 8, weight_decay: 1.0, ..Default::default() };
        let fitted = fit(&config, &train);
        let routed = mean_chance(&fitted, &asked, &chances);
        assert!(routed > best - 0.06, "{keep}: {routed} of {best}");
        let still = fit(&DualContrastiveConfig { learning_rate: 1e-7, epochs: 1, ..config }, &train);
        let untrained = mean_chance(&still, &asked, &chances);
        assert!(untrained < best - 0.15, "{keep}: {untrained} of {best}");
        // Families share a direction.
        let vectors = fitted.model_embeddings();
        let cosine = |a: usize, b: usize| {
            let norm = |at: usize| dot(vectors.row(at), vectors.row(at)).sqrt();
            dot(vectors.row(a), vectors.row(b)) / norm(a) / norm(b)
        };
        assert!(cosine(0, 3) > cosine(0, 1) + 0.4, "{keep}: {} {}", cosine(0, 3), cosine(0, 1));
    }
}

#[test]
fn qualities_have_the_level_of_the_outcomes() {
    let (train, _) = ability_world(MODELS, 800, MODELS, 1);
    let (asked, chances) = ability_world(MODELS, 500, MODELS, 2);
    let found = estimate(&fit(&DualContrastiveConfig::default(), &train), asked.embeddings());
    for model in 0..MODELS {
        let mean = |of: &Matrix| (0..500).map(|row| of.get(row, model)).sum::<f32>() / 500.0;
        assert!((mean(&found) - mean(&chances)).abs() < 0.06, "{model}: {} {}", mean(&found), mean(&chances));
    }
}

/// Prompts of two clusters, where outcomes say nothing: the second loss alone brings those of a cluster together.
#[test]
fn the_sample_sample_loss_joins_clusters_and_lambda_turns_it_off() {
    let mut stream = Seed::root(3).stream("world");
    let n = 200;
    let value = |row: usize, at: usize, noise: f32| if at == row % 2 { 2.0 + noise } else { noise };
    let embeddings =
        Matrix::from_vec(n, 6, (0..n * 6).map(|at| value(at / 6, at % 6, stream.random_range(-1.0f32..1.0))).collect())
            .unwrap();
    let set = training_set(embeddings, 2, vec![vec![Outcome::new(0, 0.5), Outcome::new(1, 0.5)]; n]);
    let clusters = crate::estimators::prompt_clusters::PromptClusters::new(&set, 2, &FitContext::new(1)).unwrap();
    let (of_rows, count) = clusters.with_own_for_none();
    assert!((2..n).all(|row| of_rows[row] == of_rows[row % 2]) && of_rows[0] != of_rows[1]);
    let base = crate::estimators::network::BaseRates::of(set.outcomes());
    let all: Vec<usize> = (0..n).collect();
    for (lambda, expected) in [(0.0, 0), (1.0, n)] {
        let config = DualContrastiveConfig { lambda, clusters: 2, ..Default::default() };
        let contrasts = objective::Contrasts::new(&config, &set, &base, (&of_rows, count), &all, &[]);
        let terms = contrasts.terms(&all, &mut Seed::root(1).stream("terms"));
        // Equal outcomes give no term of the first kind.
        assert_eq!(terms.len(), expected);
        for term in terms {
            let row = |side: &loss::Side| match *side {
                loss::Side::Prompt(row) => row,
                loss::Side::Model(model) => panic!("model {model}"),
            };
            assert_eq!(row(&term.positive) % 2, term.anchor % 2);
            assert!(term.negatives.iter().all(|side| row(side) % 2 != term.anchor % 2));
        }
    }
}

#[test]
fn positives_and_negatives_are_the_best_and_the_worst() {
    let rows = vec![
        [0.9, 0.1, 0.5, 0.0].iter().enumerate().map(|(model, &q)| Outcome::new(model, q)).collect(),
        [0.0, 0.0, 0.0, 0.0].iter().enumerate().map(|(model, &q)| Outcome::new(model, q)).collect(),
    ];
    let set = training_set(Matrix::from_vec(2, 1, vec![1.0, -1.0]).unwrap(), 4, rows);
    let base = crate::estimators::network::BaseRates::of(set.outcomes());
    let config = DualContrastiveConfig { positives: 2, negatives: 3, lambda: 0.0, ..Default::default() };
    let contrasts = objective::Contrasts::new(&config, &set, &base, (&[0, 0], 1), &[0, 1], &[]);
    let models = |of: &[usize]| of.iter().map(|&model| loss::Side::Model(model)).collect::<Vec<_>>();
    let term = |positive, negatives: &[usize]| loss::Term {
        anchor: 0,
        positive: loss::Side::Model(positive),
        negatives: models(negatives),
        weight: 1.0,
    };
    // Model 2 is among the three worst too, but not worse than itself; a prompt that nobody answers has no positive.
    let expected = [term(0, &[2, 1, 3]), term(2, &[1, 3])];
    assert_eq!(contrasts.terms(&[0, 1], &mut Seed::root(1).stream("terms")), expected);
}

#[test]
fn wrong_parameters_are_told() {
    let (set, _) = ability_world(MODELS, 30, 2, 1);
    let default = DualContrastiveConfig::default;
    for (config, field) in [
        (DualContrastiveConfig { width: 0, ..default() }, "width"),
        (DualContrastiveConfig { positives: 0, ..default() }, "positives"),
        (DualContrastiveConfig { negatives: 0, ..default() }, "negatives"),
        (DualContrastiveConfig { clusters: 0, ..default() }, "clusters"),
        (DualContrastiveConfig { out_of_cluster: 0, ..default() }, "out_of_cluster"),
        (DualContrastiveConfig { temperature: 0.0, ..default() }, "temperature"),
        (DualContrastiveConfig { lambda: -1.0, ..default() }, "lambda"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
