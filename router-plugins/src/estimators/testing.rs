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
