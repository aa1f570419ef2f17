use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &TreesConfig, set: &TrainingSet) -> TreesEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

#[test]
fn one_tree_by_hand() {
    // Two groups that one cut divides at 0.5: below, 1 of 4 is answered, beyond, 3 of 4. The start is the logit of 1/2, so that every gradient is
    // +-1/2 and every curvature 1/4: the leaf below has G = 1, H = 1.
    let embeddings = Matrix::from_vec(8, 1, vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
    let rows = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0].map(|quality| vec![Outcome::new(0, quality)]).to_vec();
    let config = TreesConfig {
        trees: Some(1),
        learning_rate: 0.5,
        minimum_leaf: 2,
        penalty: 2.0,
        features: 1.0,
        ..TreesConfig::default()
    };
    let fitted = fit(&config, &training_set(embeddings, 2, rows));
    assert_eq!(fitted.counts(), [1, 0]);
    let found = estimate(&fitted, MatrixView::new(2, 1, &[-3.0, 0.6]).unwrap());
    let leaf = 0.5f64 * 1.0 / (1.0 + 2.0);
    for (row, logit) in [(0, -leaf), (1, leaf)] {
        let expected = 1.0 / (1.0 + (-logit).exp());
        assert!((f64::from(found.get(row, 0)) - expected).abs() < 1e-6, "{found:?} {expected}");
        assert!((found.get(row, 1) - 0.5).abs() < 1e-6, "a model without outcomes has the mean of the others");
    }
}

/// Whether a prompt is answered depends on the first two numbers of six, not on each alone; `flip` of the outcomes are wrong.
fn world(n: usize, flip: f64, seed: u64) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 6, (0..n * 6).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let rows = (0..n)
        .map(|row| {
            let inside = embeddings.get(row, 0) > -0.3 && embeddings.get(row, 1) < 0.4;
            (0..2)
                .map(|model| {
                    let right = (inside == (model == 0)) != stream.random_bool(flip);
                    Outcome::new(model, f32::from(u8::from(right)))
                })
                .collect()
        })
        .collect();
    training_set(embeddings, 2, rows)
}

fn right(fitted: &TreesEstimator, asked: &TrainingSet) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    let of = |row: usize| {
        let best = usize::from(found.get(row, 1) > found.get(row, 0));
        asked.outcomes().get(row, best).unwrap().quality
    };
    (0..asked.len()).map(of).sum::<f32>() / asked.len() as f32
}

#[test]
fn interactions_are_learned_and_noise_is_not() {
    let asked = world(500, 0.0, 2);
    let config = TreesConfig { features: 1.0, ..TreesConfig::default() };
    let fitted = fit(&config, &world(800, 0.1, 1));
    assert!(right(&fitted, &asked) > 0.95, "{}", right(&fitted, &asked));
    // One cut a tree cannot know both numbers, and a rate of nearly nothing learns nothing.
    let still = fit(&TreesConfig { trees: Some(1), learning_rate: 0.001, ..config.clone() }, &world(800, 0.1, 1));
    let spread = estimate(&still, asked.embeddings())
        .as_slice()
        .iter()
        .fold((1.0f32, 0.0f32), |(a, b), &q| (a.min(q), b.max(q)));
    assert!(spread.1 - spread.0 < 0.2);
    // Where nothing can be learned, hardly a tree is grown.
    let noise = fit(&config, &world(800, 0.5, 1));
    assert!(noise.counts()[0] < fitted.counts()[0] / 2, "{:?} {:?}", noise.counts(), fitted.counts());
}

#[test]
fn wrong_parameters_are_told() {
    let set = world(50, 0.1, 1);
    let default = TreesConfig::default;
    for (config, field) in [
        (TreesConfig { trees: Some(0), ..default() }, "trees"),
        (TreesConfig { depth: 0, ..default() }, "depth"),
        (TreesConfig { minimum_leaf: 0, ..default() }, "minimum_leaf"),
        (TreesConfig { learning_rate: 0.0, ..default() }, "learning_rate"),
        (TreesConfig { features: 2.0, ..default() }, "features"),
        (TreesConfig { penalty: 0.0, ..default() }, "penalty"),
        (TreesConfig { bins: 1, ..default() }, "bins"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}
