//! Tests of logistic regression against the condition of its optimum and against scikit-learn.

use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{LinearFixture, estimate, training_set};

fn fit(config: &LogisticConfig, set: &TrainingSet) -> LogisticEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

fn given(penalty: f64) -> LogisticConfig {
    LogisticConfig { penalty: Some(penalty), ..LogisticConfig::default() }
}

/// Graded outcomes of three models on 150 prompts of six numbers, each kept and weighed as `keep` says.
fn world(mut keep: impl FnMut(usize, usize) -> Option<f32>) -> TrainingSet {
    let mut stream = Seed::root(3).stream("world");
    let embeddings =
        Matrix::from_vec(150, 6, (0..900).map(|_| 2.0 + stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let mut rows = Vec::new();
    for row in 0..150 {
        let of = |model: usize| embeddings.get(row, model) - embeddings.get(row, model + 1);
        let mut quality = |model| (0.6 + 0.4 * of(model) + 0.2 * stream.random_range(-1.0f32..1.0)).clamp(0.0, 1.0);
        let outcomes = (0..3).map(|model| Outcome::new(model, quality(model)));
        rows.push(outcomes.filter_map(|seen| keep(row, seen.model).map(|weight| Outcome { weight, ..seen })).collect());
    }
    training_set(embeddings, 3, rows)
}

/// At the optimum the gradient, in double precision and from the definition, is small against the curvature.
fn assert_stationary(set: &TrainingSet, penalty: f64) {
    let fitted = fit(&given(penalty), set);
    let (n, d) = (set.len(), set.embeddings().cols());
    let mean: Vec<f64> =
        (0..d).map(|at| (0..n).map(|row| f64::from(set.embeddings().get(row, at))).sum::<f64>() / n as f64).collect();
    let off = |row: usize, at: usize| f64::from(set.embeddings().get(row, at)) - mean[at];
    let squares: f64 = (0..n).map(|row| (0..d).map(|at| off(row, at).powi(2)).sum::<f64>()).sum();
    let length = (squares / n as f64).sqrt();
    let estimates = estimate(&fitted, set.embeddings());
    for model in 0..3 {
        let mut of_intercept = 0.0;
        // Weights on scaled embeddings are those on raw ones times the scale.
        let mut of_weights: Vec<f64> =
            fitted.weights().row(model).iter().map(|&weight| penalty * f64::from(weight) * length).collect();
        for row in 0..n {
            let Some(seen) = set.outcomes().get(row, model) else { continue };
            let error = f64::from(seen.weight) * (f64::from(estimates.get(row, model)) - f64::from(seen.quality));
            of_intercept += error;
            of_weights.iter_mut().enumerate().for_each(|(at, sum)| *sum += error * off(row, at) / length);
        }
        assert!(of_intercept.abs() < 0.02, "intercept of model {model}: {of_intercept}");
        assert!(of_weights.iter().all(|gradient| gradient.abs() < 0.02), "model {model}: {of_weights:?}");
    }
}

#[test]
fn the_gradient_vanishes_with_complete_missing_and_weighted_outcomes() {
    for penalty in [0.1, 5.0] {
        assert_stationary(&world(|_, _| Some(1.0)), penalty);
        assert_stationary(&world(|row, model| ((row + model) % 3 != 0).then_some(1.0 + (row % 4) as f32)), penalty);
    }
}

#[test]
fn it_is_the_logistic_regression_of_scikit_learn() {
    let fixture = LinearFixture::read();
    let fitted = fit(&given(fixture.penalty), &fixture.set);
    let found = estimate(&fitted, fixture.asked.view());
    for (found, expected) in found.as_slice().iter().zip(&fixture.probabilities) {
        assert!((found - expected).abs() < 1e-3, "{found} where scikit-learn has {expected}");
    }
}

#[test]
fn cross_validation_tells_signal_from_noise() {
    let clear = fit(&LogisticConfig::default(), &world(|_, _| Some(1.0)));
    assert!(clear.penalty() <= 1.0, "{}", clear.penalty());
    let set = world(|_, _| Some(1.0));
    let rows = (0..150).map(|row| set.outcomes().row((row * 37 + 11) % 150).to_vec()).collect();
    let noise = fit(&LogisticConfig::default(), &training_set(set.embeddings().to_matrix(), 3, rows));
    assert!(noise.penalty() >= 30.0, "{}", noise.penalty());
}

#[test]
fn a_model_without_outcomes_gets_the_mean_of_the_others() {
    let set = world(|_, model| (model != 1).then_some(1.0));
    let found = estimate(&fit(&given(1.0), &set), set.embeddings());
    let means = set.outcomes().mean_quality();
    let expected = f64::midpoint(means[0].unwrap().0, means[2].unwrap().0);
    assert!((f64::from(found.get(7, 1)) - expected).abs() < 1e-4);
}

#[test]
fn wrong_parameters_are_told() {
    let set = world(|_, _| Some(1.0));
    for (config, field) in [
        (given(0.0), "penalty"),
        (given(f64::NAN), "penalty"),
        (LogisticConfig { folds: 1, ..LogisticConfig::default() }, "folds"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
