use rand::RngExt;
use router_core::prelude::*;
use router_core::{Model, Seed};

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &ClustersConfig, set: &TrainingSet) -> ClustersEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

/// `n` prompts around `kinds` directions; model i answers kind i with chance 0.9, others with 0.2.
fn world(n: usize, kinds: usize, seed: u64) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let mut embeddings = Matrix::zeros(n, kinds);
    let mut rows = Vec::new();
    for row in 0..n {
        embeddings.row_mut(row).fill_with(|| stream.random_range(-0.2..0.2));
        embeddings.row_mut(row)[row % kinds] += 1.0;
        let chance = |model| if model == row % kinds { 0.9 } else { 0.2 };
        let drawn =
            (0..kinds).map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f64>() < chance(model)))));
        rows.push(drawn.collect());
    }
    training_set(embeddings, kinds, rows)
}

/// Mean quality of the best-estimated model.
fn realized(fitted: &ClustersEstimator, asked: &TrainingSet) -> f32 {
    let estimates = estimate(fitted, asked.embeddings());
    let of = |row: usize| {
        let best = crate::estimators::realized::best_model(estimates.row(row));
        asked.outcomes().get(row, best).unwrap().quality
    };
    (0..asked.len()).map(of).sum::<f32>() / asked.len() as f32
}

#[test]
fn scores_by_hand() {
    // Two clusters of two prompts.
    let embeddings = Matrix::from_vec(4, 2, vec![1.0, 0.0, 2.0, 0.1, 0.0, 1.0, 0.1, 3.0]).unwrap();
    let rows = vec![
        vec![Outcome::new(0, 1.0), Outcome::new(1, 0.0)],
        vec![Outcome { weight: 3.0, ..Outcome::new(0, 0.5) }, Outcome::new(1, 0.0)],
        vec![Outcome::new(0, 0.0), Outcome::new(1, 1.0)],
        vec![Outcome::new(1, 1.0)],
    ];
    let set = training_set(embeddings, 3, rows);
    let of = |nearest| {
        let config = ClustersConfig { k: Some(2), nearest: Some(nearest), shrinkage: 2.0, ..ClustersConfig::default() };
        estimate(&fit(&config, &set), MatrixView::new(2, 2, &[5.0, 1.0, 0.0, 2.0]).unwrap())
    };
    // Means are 2.5 / 5 and 1/2; model 2, never seen, gets theirs.
    let clusters = [[(2.5 + 1.0) / 6.0, 1.0 / 4.0, 0.5], [1.0 / 3.0, (2.0 + 1.0) / 4.0, 0.5f32]];
    let (one, two) = (of(1), of(2));
    for (row, of_row) in clusters.iter().enumerate() {
        for (model, &expected) in of_row.iter().enumerate() {
            assert!((one.get(row, model) - expected).abs() < 1e-6, "{row} {model} {one:?}");
            let mean = expected.midpoint(clusters[1 - row][model]);
            assert!((two.get(row, model) - mean).abs() < 1e-6, "{row} {model} {two:?}");
        }
    }
}

#[test]
fn enough_clusters_are_chosen_and_route_and_shuffled_outcomes_teach_nothing() {
    let (train, asked) = (world(600, 6, 1), world(300, 6, 2));
    let fitted = fit(&ClustersConfig::default(), &train);
    assert!(fitted.k() >= 6, "{}", fitted.k());
    let routed = realized(&fitted, &asked);
    assert!(routed > 0.85, "{routed}");
    let rows = (0..train.len()).map(|row| train.outcomes().row((row * 379 + 17) % train.len()).to_vec()).collect();
    let shuffled = training_set(train.embeddings().to_matrix(), 6, rows);
    assert!(realized(&fit(&ClustersConfig::default(), &shuffled), &asked) < routed - 0.3);
}

#[test]
fn a_new_model_is_placed_by_its_scores() {
    // Six kinds, of which the last has no model that answers it until one comes.
    let (train, asked) = (world(600, 6, 1), world(300, 6, 2));
    let without = |set: &TrainingSet| {
        let rows = (0..set.len()).map(|row| set.outcomes().row(row)[..5].to_vec()).collect();
        training_set(set.embeddings().to_matrix(), 5, rows)
    };
    let before = fit(&ClustersConfig::default(), &without(&train));
    let probes = world(60, 6, 3);
    let quality: Vec<f32> = (0..60).map(|row| probes.outcomes().get(row, 5).unwrap().quality).collect();
    let after = before.with_model(&before.represent(probes.embeddings(), &quality).unwrap()).unwrap();
    assert_eq!(FittedEstimator::models(&after), 6);
    let (old, new) = (realized(&before, &without(&asked)), realized(&after, &asked));
    assert!(new > old + 0.08, "{old} {new}");
    assert_eq!(before.represent(probes.embeddings(), &quality[..3]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(before.represent(probes.embeddings(), &[2.0; 60]).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(before.with_model(&[0.0]).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn efficiency_orders_models_as_the_formula_of_avengers_pro_does() {
    let mut stream = Seed::root(5).stream("costs");
    let models = 5;
    let rows: Vec<Vec<Outcome>> = (0..40)
        .map(|_| {
            let of = |model| Outcome { cost_usd: Some(0.01 * (model + 1) as f64), ..Outcome::new(model, 0.0) };
            (0..models).map(|model| Outcome { quality: stream.random(), ..of(model) }).collect()
        })
        .collect();
    let set = training_set(Matrix::from_vec(40, 1, vec![1.0; 40]).unwrap(), models, rows);
    let scores = |efficiency| {
        let config =
            ClustersConfig { k: Some(1), nearest: Some(1), shrinkage: 0.0, efficiency, ..ClustersConfig::default() };
        fit(&config, &set).scores().row(0).to_vec()
    };
    let order = |score: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..models).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        order
    };
    let quality = scores(0.0);
    let (least, most) = quality.iter().fold((1.0f32, 0.0f32), |(a, b), &q| (a.min(q), b.max(q)));
    for efficiency in [0.1, 0.3, 0.5, 0.7, 0.95] {
        let found = scores(efficiency);
        let paper = |model: usize| {
            let (p, q) = (f64::from((quality[model] - least) / (most - least)), model as f64 / (models - 1) as f64);
            (1.0 - efficiency) * p + efficiency * (1.0 - q)
        };
        assert_eq!(order(&|model| f64::from(found[model])), order(&paper), "{efficiency}");
    }
    // Without any cost nothing can be weighed.
    let rows = (0..4).map(|_| vec![Outcome::new(0, 1.0)]).collect();
    let unpriced = training_set(Matrix::zeros(4, 1), 1, rows);
    let config = ClustersConfig { efficiency: 0.5, ..ClustersConfig::default() };
    let error = QualityEstimator::fit(&config, &unpriced, &Tasks::none(&unpriced), &FitContext::new(1)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Data, Some("efficiency")));
    assert!(Model::new("m").price(1.0, 1.0).is_none());
}

#[test]
fn wrong_parameters_are_told() {
    let set = world(30, 3, 1);
    let default = ClustersConfig::default;
    for (config, field) in [
        (ClustersConfig { k: Some(0), ..default() }, "k"),
        (ClustersConfig { nearest: Some(0), ..default() }, "nearest"),
        (ClustersConfig { shrinkage: -1.0, ..default() }, "shrinkage"),
        (ClustersConfig { efficiency: 1.0, ..default() }, "efficiency"),
        (ClustersConfig { folds: 1, ..default() }, "folds"),
        (ClustersConfig { restarts: 0, ..default() }, "restarts"),
        (ClustersConfig { iterations: 0, ..default() }, "iterations"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
