use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &MlpConfig, set: &TrainingSet) -> MlpEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

/// Model 0 answers where the first two numbers have the same sign, model 1 elsewhere: nothing linear tells them apart.
fn exclusive_or(n: usize, seed: u64) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 4, (0..n * 4).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let rows = (0..n)
        .map(|row| {
            let same = (embeddings.get(row, 0) > 0.0) == (embeddings.get(row, 1) > 0.0);
            (0..2).map(|model| Outcome::new(model, f32::from(u8::from(same == (model == 0))))).collect()
        })
        .collect();
    training_set(embeddings, 2, rows)
}

/// Share of the prompts whose best-estimated model answers.
fn right(fitted: &MlpEstimator, asked: &TrainingSet) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    let of = |row: usize| {
        let best = usize::from(found.get(row, 1) > found.get(row, 0));
        asked.outcomes().get(row, best).unwrap().quality
    };
    (0..asked.len()).map(of).sum::<f32>() / asked.len() as f32
}

#[test]
fn it_learns_what_no_linear_model_can_and_only_by_training() {
    let (train, asked) = (exclusive_or(800, 1), exclusive_or(400, 2));
    let config = MlpConfig { dropout: 0.0, weight_decay: 0.1, patience: 20, members: 1, ..MlpConfig::default() };
    let trained = right(&fit(&config, &train), &asked);
    assert!(trained > 0.9, "{trained}");
    // Steps that move nothing leave the base rates.
    let still = right(&fit(&MlpConfig { learning_rate: 1e-7, epochs: 1, ..config }, &train), &asked);
    assert!(still < 0.7, "{still}");
}

#[test]
fn two_layers_and_a_model_never_seen() {
    let full = exclusive_or(300, 3);
    let rows = (0..300).map(|row| full.outcomes().row(row).to_vec()).collect();
    let set = training_set(full.embeddings().to_matrix(), 3, rows);
    let fitted = fit(&MlpConfig { hidden: vec![16, 8], epochs: 5, ..MlpConfig::default() }, &set);
    let found = estimate(&fitted, set.embeddings());
    assert!((0..300).all(|row| {
        let of = |model| found.get(row, model);
        (of(0).min(of(1)) - 1e-3..=of(0).max(of(1)) + 1e-3).contains(&of(2))
    }));
    for hidden in [vec![], vec![4, 0]] {
        let config = MlpConfig { hidden, ..MlpConfig::default() };
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("hidden")));
    }
}
