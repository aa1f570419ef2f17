//! A decision among 375, 1,500 and 6,000 adapters: by the tasks that list them, and by comparing the prompt with every adapter.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::RngExt as _;
use router_core::prelude::*;
use router_core::{Model, Seed};
use router_plugins::estimators::adapter_retrieval::AdapterRetrievalConfig;
use router_plugins::neighbors::{NeighborIndex, normalized};

const DIMENSION: usize = 384;
const TASKS: usize = 64;
/// Training prompts of every task.
const EXAMPLES: usize = 24;
/// Adapters that every training prompt was asked of.
const ASKED: usize = 8;

fn around(center: &[f32], out: &mut [f32], stream: &mut router_core::SeedStream) {
    for (to, value) in out.iter_mut().zip(center) {
        *to = value + stream.random_range(-0.5f32..0.5);
    }
}

/// Training prompts around the tasks, with outcomes of the task's adapters, and a vector for every adapter.
fn world(adapters: usize) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(1).stream("adapters");
    let values = (0..TASKS * DIMENSION).map(|_| stream.random_range(-1.0f32..1.0)).collect();
    let centers = Matrix::from_vec(TASKS, DIMENSION, values).unwrap();
    let n = TASKS * EXAMPLES;
    let mut embeddings = Matrix::zeros(n, DIMENSION);
    let mut rows = Vec::with_capacity(n);
    for row in 0..n {
        let task = row % TASKS;
        around(centers.row(task), embeddings.row_mut(row), &mut stream);
        let own: Vec<usize> = (task..adapters).step_by(TASKS).collect();
        let first = stream.random_range(0..own.len());
        let mut of = |adapter| Outcome::new(adapter, f32::from(u8::from(stream.random::<f32>() < 0.7)));
        rows.push((0..ASKED.min(own.len())).map(|at| of(own[(first + at) % own.len()])).collect());
    }
    let mut vectors = Matrix::zeros(adapters, DIMENSION);
    for adapter in 0..adapters {
        around(centers.row(adapter % TASKS), vectors.row_mut(adapter), &mut stream);
    }
    let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let pool = ModelPool::new((0..adapters).map(|adapter| Model::new(format!("a{adapter}"))).collect()).unwrap();
    let dataset = Dataset::new("adapters", prompts, pool, Outcomes::from_rows(adapters, rows).unwrap()).unwrap();
    (TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap(), vectors)
}

fn adapters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("adapters");
    for adapters in [375, 1_500, 6_000] {
        let (set, vectors) = world(adapters);
        let config = AdapterRetrievalConfig { retrieved: Some(4), temperature: Some(0.1), ..Default::default() };
        let fitted = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap();
        let prompts = [Prompt::new("q", "x")];
        let mut tasks = TaskDistribution::new();
        tasks.reset(1, 0);
        let embeddings = set.embeddings().gather(&[0]);
        let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks: &tasks };
        let mut out = Estimates::new();
        group.bench_function(BenchmarkId::new("tasks", adapters), |bencher| {
            bencher.iter(|| fitted.estimate(&batch, &mut out).unwrap());
        });
        let index = NeighborIndex::exact(normalized(vectors.view()));
        let query = normalized(embeddings.view());
        group.bench_function(BenchmarkId::new("every-adapter", adapters), |bencher| {
            bencher.iter(|| index.search_here(query.view(), 32).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, adapters);
criterion_main!(benches);
