//! What the tests of several estimators need.

use std::sync::Arc;

#[cfg(feature = "candle")]
use rand::RngExt;
use router_core::Model;
#[cfg(feature = "candle")]
use router_core::Seed;
use router_core::prelude::*;

#[cfg(feature = "candle")]
use super::realized::best_model;
#[cfg(feature = "candle")]
use crate::nn::exponential::sigmoid;

/// Prompts of these `embeddings` (n x d), with their outcomes on `models` models; the texts say nothing.
pub(super) fn training_set(embeddings: Matrix, models: usize, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let prompts = (0..rows.len()).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
    let dataset = Dataset::new("world", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap()
}

/// The quality (n x m) that `fitted` expects of prompts of these embeddings, which have no task.
pub(super) fn estimate(fitted: &impl FittedEstimator, embeddings: MatrixView<'_>) -> Matrix {
    let prompts = vec![Prompt::new("q", "x"); embeddings.rows()];
    let mut tasks = TaskDistribution::new();
    tasks.reset(embeddings.rows(), 0);
    let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings, tasks: &tasks };
    let mut out = Estimates::new();
    fitted.estimate(&batch, &mut out).unwrap();
    out.quality().to_matrix()
}

/// `models` models in three families by two hidden abilities; the outcomes of `keep` of them, drawn, for every prompt. Also the chances.
#[cfg(feature = "candle")]
pub(super) fn ability_world(models: usize, n: usize, keep: usize, seed: u64) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 8, (0..n * 8).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let family = [[4.0f32, 0.0], [-2.0, 3.5], [-2.0, -3.5]];
    let mut chances = Matrix::zeros(n, models);
    let mut rows = Vec::new();
    for row in 0..n {
        for model in 0..models {
            let hidden = [embeddings.get(row, 0) + embeddings.get(row, 1), embeddings.get(row, 2)];
            chances.set(row, model, sigmoid(hidden.iter().zip(family[model % 3]).map(|(a, b)| a * b).sum::<f32>()));
        }
        let first = stream.random_range(0..models);
        let drawn = (0..keep).map(|at| (first + at) % models);
        rows.push(
            drawn
                .map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < chances.get(row, model)))))
                .collect(),
        );
    }
    (training_set(embeddings, models, rows), chances)
}

/// Mean chance of the best-estimated model.
#[cfg(feature = "candle")]
pub(super) fn mean_chance(fitted: &impl FittedEstimator, asked: &TrainingSet, chances: &Matrix) -> f32 {
    let found = estimate(fitted, asked.embeddings());
    (0..asked.len()).map(|row| chances.get(row, best_model(found.row(row)))).sum::<f32>() / asked.len() as f32
}

/// A world of outcomes of 0 and 1, and what scikit-learn's linear models make of it: `benches/peers/estimators/fixture.py`.
pub(super) struct LinearFixture {
    pub(super) set: TrainingSet,
    pub(super) asked: Matrix,
    /// On half the squared weights, embeddings scaled as ours.
    pub(super) penalty: f64,
    /// Of `LogisticRegression`, asked x models.
    pub(super) probabilities: Vec<f32>,
    /// Of `LinearSVC`, asked x models.
    pub(super) margins: Vec<f32>,
}

impl LinearFixture {
    pub(super) fn read() -> Self {
        let text = include_str!("../../tests/fixtures/linear.json");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let rows = |field: &str| -> Vec<Vec<f32>> { serde_json::from_value(document[field].clone()).unwrap() };
        let matrix = |field: &str| {
            let rows = rows(field);
            Matrix::from_vec(rows.len(), rows[0].len(), rows.concat()).unwrap()
        };
        let outcomes = rows("outcomes");
        let models = outcomes[0].len();
        let of = |row: &Vec<f32>| row.iter().enumerate().map(|(model, &q)| Outcome::new(model, q)).collect();
        Self {
            set: training_set(matrix("embeddings"), models, outcomes.iter().map(of).collect()),
            asked: matrix("asked"),
            penalty: document["penalty"].as_f64().unwrap(),
            probabilities: rows("probabilities").concat(),
            margins: rows("margins").concat(),
        }
    }
}
