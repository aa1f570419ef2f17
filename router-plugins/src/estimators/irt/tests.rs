use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{estimate, training_set};
use crate::nn::exponential::sigmoid;

fn fit(config: &IrtConfig, set: &TrainingSet) -> IrtEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

/// Five models of rising ability in one dimension; the first number of a prompt is its difficulty, and the second how much it discriminates:
/// outcomes drawn from the two-parameter model. Also the chances.
fn world(n: usize, seed: u64) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 5, (0..n * 5).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let mut chances = Matrix::zeros(n, 5);
    let mut rows = Vec::new();
    for row in 0..n {
        for model in 0..5 {
            let theta = model as f32 - 2.0;
            let (a, b) = (1.0 + 0.8 * embeddings.get(row, 1), 2.0 * embeddings.get(row, 0));
            chances.set(row, model, sigmoid(a * theta - b));
        }
        let drawn = chances.row(row).iter().enumerate();
        rows.push(
            drawn.map(|(model, &chance)| Outcome::new(model, f32::from(stream.random::<f32>() < chance))).collect(),
        );
    }
    (training_set(embeddings, 5, rows), chances)
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (of_a, of_b) = (mean(a), mean(b));
    let product =
        |x: &[f32], y: &[f32], mx: f32, my: f32| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f32>();
    product(a, b, of_a, of_b) / (product(a, a, of_a, of_a) * product(b, b, of_b, of_b)).sqrt()
}

#[test]
fn planted_abilities_difficulties_and_discriminations_are_recovered() {
    let (train, _) = world(2000, 1);
    let (asked, truth) = world(500, 2);
    let config = IrtConfig { dimensions: 1, weight_decay: 0.1, members: 1, patience: 10, ..IrtConfig::default() };
    let fitted = fit(&config, &train);
    let abilities: Vec<f32> = fitted.abilities().as_slice().to_vec();
    assert!(abilities.windows(2).all(|pair| pair[0] < pair[1]), "{abilities:?}");
    let column = |at: usize| (0..500).map(|row| asked.embeddings().get(row, at)).collect::<Vec<f32>>();
    let difficulty = fitted.difficulty(asked.embeddings()).unwrap();
    assert!(correlation(&difficulty, &column(0)) > 0.95, "{}", correlation(&difficulty, &column(0)));
    let mut discrimination = Matrix::default();
    fitted.discrimination(asked.embeddings(), &mut discrimination).unwrap();
    assert!(discrimination.as_slice().iter().all(|&value| value >= 0.0));
    let found = correlation(discrimination.as_slice(), &column(1));
    assert!(found > 0.8, "{found}");
    let error = |estimates: &Matrix| {
        let pairs = estimates.as_slice().iter().zip(truth.as_slice());
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>() / truth.as_slice().len() as f32
    };
    let trained = error(&estimate(&fitted, asked.embeddings()));
    let still = fit(&IrtConfig { learning_rate: 1e-7, epochs: 1, ..config }, &train);
    let untrained = error(&estimate(&still, asked.embeddings()));
    assert!(trained < 0.003 && untrained > 10.0 * trained, "{trained} {untrained}");
    assert_eq!(fitted.difficulty(MatrixView::new(1, 2, &[0.0; 2]).unwrap()).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn a_model_never_seen_has_the_mean_ability_and_wrong_parameters_are_told() {
    let (full, _) = world(200, 3);
    let rows = (0..200).map(|row| full.outcomes().row(row).to_vec()).collect();
    let set = training_set(full.embeddings().to_matrix(), 6, rows);
    let fitted = fit(&IrtConfig { dimensions: 2, epochs: 3, members: 1, ..IrtConfig::default() }, &set);
    for at in 0..2 {
        let mean = (0..5).map(|model| fitted.abilities().get(model, at)).sum::<f32>() / 5.0;
        assert!((fitted.abilities().get(5, at) - mean).abs() < 1e-5);
    }
    let config = IrtConfig { dimensions: 0, ..IrtConfig::default() };
    let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("dimensions")));
}
