//! What the tests of several estimators need.

use std::sync::Arc;

use router_core::Model;
use router_core::prelude::*;

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
