use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::realized::best_model;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &PerModelAdaptersConfig, set: &TrainingSet) -> PerModelAdaptersEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

/// Five kinds of prompts; model i answers kind i with chance 0.9, others with 0.2; the first `models` models.
fn world(n: usize, models: usize, seed: u64) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let mut embeddings = Matrix::zeros(n, 6);
    let mut rows = Vec::new();
    for row in 0..n {
        embeddings.row_mut(row).fill_with(|| stream.random_range(-0.3..0.3));
        embeddings.row_mut(row)[row % 5] += 1.0;
        let drawn: Vec<f64> = (0..5).map(|_| stream.random()).collect();
        let chance = |model| if model == row % 5 { 0.9 } else { 0.2 };
        let right = |model: usize| f32::from(u8::from(drawn[model] < chance(model)));
        rows.push((0..models).map(|model| Outcome::new(model, right(model))).collect());
    }
    training_set(embeddings, models, rows)
}

fn realized(fitted: &PerModelAdaptersEstimator, asked: &TrainingSet) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    let of = |row: usize| asked.outcomes().get(row, best_model(found.row(row))).unwrap().quality;
    (0..asked.len()).map(of).sum::<f32>() / asked.len() as f32
}

#[test]
fn a_new_model_gets_an_adapter_and_nothing_else_changes() {
    let asked = world(300, 5, 2);
    let before = fit(&PerModelAdaptersConfig::default(), &world(800, 4, 1));
    let probes = world(200, 5, 3);
    let quality: Vec<f32> = (0..200).map(|row| probes.outcomes().get(row, 4).unwrap().quality).collect();
    let cx = FitContext::new(1);
    let adapter = before.adapt(probes.embeddings(), &quality, &cx).unwrap();
    let after = before.with_adapter(&adapter).unwrap();
    let (old, new) = (estimate(&before, asked.embeddings()), estimate(&after, asked.embeddings()));
    for row in 0..300 {
        assert!(old.row(row).iter().zip(new.row(row)).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    assert!(realized(&after, &asked) > realized(&before, &asked) + 0.08);
    assert!(realized(&after, &asked) > 0.8, "{}", realized(&after, &asked));
    assert_eq!(before.adapt(probes.embeddings(), &quality[..3], &cx).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(before.adapt(probes.embeddings(), &[2.0; 200], &cx).unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn shuffled_outcomes_teach_nothing_and_wrong_parameters_are_told() {
    let (set, asked) = (world(800, 5, 1), world(300, 5, 2));
    let rows = (0..800).map(|row| set.outcomes().row((row * 379 + 17) % 800).to_vec()).collect();
    let shuffled = training_set(set.embeddings().to_matrix(), 5, rows);
    let config = PerModelAdaptersConfig::default();
    assert!(realized(&fit(&config, &set), &asked) > realized(&fit(&config, &shuffled), &asked) + 0.3);
    for (config, field) in [
        (PerModelAdaptersConfig { penalty: 0.0, ..PerModelAdaptersConfig::default() }, "penalty"),
        (PerModelAdaptersConfig { hidden: vec![], ..PerModelAdaptersConfig::default() }, "hidden"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
