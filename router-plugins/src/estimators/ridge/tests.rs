//! Tests of the ridge estimator against numbers worked out by hand and the normal equations.

use std::sync::Arc;

use rand::RngExt;
use router_core::Model;
use router_core::prelude::*;

use super::*;

fn set(embeddings: Matrix, models: usize, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let n = rows.len();
    let pool = ModelPool::new((0..models).map(|m| Model::new(format!("m{m}"))).collect()).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap()
}

fn fit(config: &RidgeConfig, set: &TrainingSet) -> RidgeEstimator {
    config.fit(set, &Tasks::none(set), &FitContext::new(0)).unwrap()
}

fn estimate(estimator: &RidgeEstimator, embeddings: &Matrix) -> Estimates {
    let prompts: Vec<Prompt> = (0..embeddings.rows()).map(|i| Prompt::new(i.to_string(), "x")).collect();
    let mut tasks = TaskDistribution::new();
    tasks.reset(prompts.len(), 0);
    let mut out = Estimates::new();
    let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks: &tasks };
    estimator.estimate(&batch, &mut out).unwrap();
    out
}

fn near(found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() < 1e-5, "{found} where {expected} belongs");
}

#[test]
fn one_dimension_by_hand() {
    // x = -1, 0, 0, 1 has mean 0 and mean square 1/2, so z = x * sqrt 2: G = 4. y = 0, 0, 1, 1: sum of z (y - 1/2) = sqrt 2.
    let embeddings = Matrix::from_vec(4, 1, vec![-1.0, 0.0, 0.0, 1.0]).unwrap();
    let rows = [0.0, 0.0, 1.0, 1.0].map(|quality| vec![Outcome::new(0, quality)]).to_vec();
    let fitted = fit(&RidgeConfig { penalty: Some(1.0), ..RidgeConfig::default() }, &set(embeddings, 1, rows));
    let weight = 2f64.sqrt() / 5.0;
    near(fitted.weights().get(0, 0), weight);
    near(fitted.intercepts()[0], 0.5);
    let out = estimate(&fitted, &Matrix::from_vec(2, 1, vec![0.0, 2.0]).unwrap());
    near(out.quality().get(0, 0), 0.5);
    near(out.quality().get(1, 0), 0.5 + weight * 2.0 * 2f64.sqrt());
    // Errors: (0.5 - 0.4)^2 twice and 0.5^2 twice. Effective parameters: 1 + 4 / 5.
    let noise = (2.0 * 0.01 + 2.0 * 0.25) / (4.0 - 1.8);
    near(out.variance().unwrap().get(0, 0), noise / 4.0);
    near(out.variance().unwrap().get(1, 0), noise * (0.25 + 8.0 / 5.0));
}

/// A world of 120 prompts in 5 dimensions whose qualities are linear in them, with noise, clamped to [0, 1].
fn world(noise: f32, mut keep: impl FnMut(usize, usize) -> Option<f32>) -> TrainingSet {
    let mut stream = FitContext::new(5).stream("world");
    let (n, d, m) = (120, 5, 3);
    let embeddings = Matrix::from_vec(n, d, (0..n * d).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let truth: Vec<f32> = (0..m * d).map(|_| stream.random_range(-0.2f32..0.2)).collect();
    let rows = (0..n)
        .map(|row| {
            (0..m)
                .filter_map(|model| {
                    let exact: f32 = embeddings.row(row).iter().zip(&truth[model * d..]).map(|(a, b)| a * b).sum();
                    let quality = (0.5 + exact + noise * stream.random_range(-1.0f32..1.0)).clamp(0.0, 1.0);
                    keep(row, model).map(|weight| Outcome { weight, ..Outcome::new(model, quality) })
                })
                .collect()
        })
        .collect();
    set(embeddings, m, rows)
}

/// The gradient of the penalised sum of squares, in weights and intercept, must vanish: the defining property, checked without
/// the normal equations.
fn assert_stationary(fitted: &RidgeEstimator, set: &TrainingSet) {
    let (n, d) = (set.len(), set.embeddings().cols());
    let mean: Vec<f64> =
        (0..d).map(|at| (0..n).map(|row| f64::from(set.embeddings().get(row, at))).sum::<f64>() / n as f64).collect();
    let centered = |row: usize, at: usize| f64::from(set.embeddings().get(row, at)) - mean[at];
    let squared: f64 =
        (0..n).flat_map(|row| (0..d).map(move |at| (row, at))).map(|(r, a)| centered(r, a).powi(2)).sum();
    let scale = 1.0 / (squared / n as f64).sqrt();
    let estimates = estimate(fitted, &set.embeddings().to_matrix());
    for model in 0..set.models().len() {
        let mut of_intercept = 0.0;
        let mut of_weights: Vec<f64> =
            fitted.weights().row(model).iter().map(|&weight| fitted.penalty() * f64::from(weight)).collect();
        for row in 0..n {
            let Some(outcome) = set.outcomes().get(row, model) else { continue };
            let error = f64::from(estimates.quality().get(row, model)) - f64::from(outcome.quality);
            of_intercept += f64::from(outcome.weight) * error;
            for (at, sum) in of_weights.iter_mut().enumerate() {
                *sum += f64::from(outcome.weight) * error * centered(row, at) * scale;
            }
        }
        assert!(of_intercept.abs() < 1e-3, "intercept of model {model}: {of_intercept}");
        assert!(of_weights.iter().all(|gradient| gradient.abs() < 1e-3), "weights of model {model}: {of_weights:?}");
    }
}

#[test]
fn the_gradient_vanishes_with_complete_missing_and_weighted_outcomes() {
    let config = RidgeConfig { penalty: Some(2.0), ..RidgeConfig::default() };
    let complete = world(0.2, |_, _| Some(1.0));
    let fitted = fit(&config, &complete);
    assert!(estimate(&fitted, &complete.embeddings().to_matrix()).variance().is_some());
    assert_stationary(&fitted, &complete);
    let missing = world(0.2, |row, model| ((row + model) % 3 != 0).then_some(1.0 + (row % 4) as f32));
    let fitted = fit(&config, &missing);
    assert!(estimate(&fitted, &missing.embeddings().to_matrix()).variance().is_none());
    assert_stationary(&fitted, &missing);
}

#[test]
fn a_weight_counts_as_so_many_outcomes_and_a_zero_weight_as_none() {
    let embeddings = |rows: &[f32]| Matrix::from_vec(rows.len(), 1, rows.to_vec()).unwrap();
    let weighted = |quality, weight| vec![Outcome { weight, ..Outcome::new(0, quality) }];
    let config = RidgeConfig { penalty: Some(1.0), ..RidgeConfig::default() };
    // The scale of the embeddings is that of all prompts, so both sets hold the same distribution of them.
    let a = fit(&config, &set(embeddings(&[-1.0, 1.0]), 1, vec![weighted(0.0, 2.0), weighted(1.0, 2.0)]));
    let twice = vec![weighted(0.0, 1.0), weighted(1.0, 1.0), weighted(0.0, 1.0), weighted(1.0, 1.0)];
    let b = fit(&config, &set(embeddings(&[-1.0, 1.0, -1.0, 1.0]), 1, twice));
    near(a.weights().get(0, 0), f64::from(b.weights().get(0, 0)));
    let ignored = vec![weighted(0.0, 2.0), weighted(1.0, 2.0), weighted(1.0, 0.0), weighted(0.0, 0.0)];
    let c = fit(&config, &set(embeddings(&[-1.0, 1.0, -1.0, 1.0]), 1, ignored));
    near(a.weights().get(0, 0), f64::from(c.weights().get(0, 0)));
}

#[test]
fn cross_validation_tells_signal_from_noise() {
    let clear = fit(&RidgeConfig::default(), &world(0.02, |_, _| Some(1.0)));
    assert!(clear.penalty() <= 0.3, "{}", clear.penalty());
    // Qualities of twelve models that have nothing to do with the embedding: the more they are ignored, the better.
    let mut stream = FitContext::new(9).stream("noise");
    let embeddings = Matrix::from_vec(60, 30, (0..1800).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let rows = (0..60)
        .map(|_| (0..12).map(|model| Outcome::new(model, f32::from(u8::from(stream.random_bool(0.5))))).collect())
        .collect();
    let noise = fit(&RidgeConfig::default(), &set(embeddings, 12, rows));
    assert!(noise.penalty() >= 30.0, "{}", noise.penalty());
}

#[test]
fn a_model_without_outcomes_gets_the_mean_of_the_others() {
    let world = world(0.1, |_, model| (model != 1).then_some(1.0));
    let fitted = fit(&RidgeConfig::default(), &world);
    let means = world.outcomes().mean_quality();
    let expected = f64::midpoint(means[0].unwrap().0, means[2].unwrap().0);
    let out = estimate(&fitted, &world.embeddings().to_matrix());
    near(out.quality().get(7, 1), expected);
    assert_eq!(out.variance().unwrap().get(7, 1), 0.25);
}

#[test]
fn penalties_out_of_range_are_refused() {
    let world = world(0.1, |_, _| Some(1.0));
    for penalty in [0.0, -1.0, f64::NAN, 1e10] {
        let config = RidgeConfig { penalty: Some(penalty), ..RidgeConfig::default() };
        let error = config.fit(&world, &Tasks::none(&world), &FitContext::new(0)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("penalty")));
    }
}
