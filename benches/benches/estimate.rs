//! Estimation: what quality to expect of every model; fitting apart, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{Estimates, EstimatorRole, FitContext, PromptsView, QueryBatch};
use serde_json::json;

fn estimate(criterion: &mut Criterion) {
    let registry = registry();
    for size in SIZES {
        let world = World::new(size);
        let set = world.training_set();
        for name in names(&registry, EstimatorRole::NAME) {
            let (estimator, _) = registry.build::<EstimatorRole>(name, json!({})).unwrap();
            let mut group = criterion.benchmark_group("estimate-fit");
            group.sample_size(10).throughput(Throughput::Elements(size.n as u64));
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| estimator.fit(&set, &world.tasks, &FitContext::new(1)).unwrap());
            });
            group.finish();
            let fitted = estimator.fit(&set, &world.tasks, &FitContext::new(1)).unwrap();
            let mut group = criterion.benchmark_group("estimate");
            group.throughput(Throughput::Elements(size.n as u64));
            let batch = QueryBatch {
                prompts: PromptsView::all(world.dataset.prompts()),
                embeddings: world.embeddings.view(),
                tasks: &world.distribution,
            };
            let mut out = Estimates::new();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| fitted.estimate(&batch, &mut out).unwrap());
            });
            group.finish();
        }
    }
}

criterion_group!(benches, estimate);
criterion_main!(benches);
