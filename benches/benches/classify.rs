//! Classification: embeddings to tasks; fitting apart, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{ClassifierRole, FitContext, TaskDistribution};
use serde_json::json;

fn classify(criterion: &mut Criterion) {
    let registry = registry();
    for size in SIZES {
        let world = World::new(size);
        let set = world.training_set();
        for name in names(&registry, ClassifierRole::NAME) {
            let (classifier, _) = registry.build::<ClassifierRole>(name, json!({})).unwrap();
            let mut group = criterion.benchmark_group("classify-fit");
            group.sample_size(10).throughput(Throughput::Elements(size.n as u64));
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| classifier.fit(&set, &world.tasks, &FitContext::new(1)).unwrap());
            });
            group.finish();
            let fitted = classifier.fit(&set, &world.tasks, &FitContext::new(1)).unwrap();
            let mut group = criterion.benchmark_group("classify");
            group.throughput(Throughput::Elements(size.n as u64));
            let mut out = TaskDistribution::new();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| fitted.classify(world.embeddings.view(), &mut out).unwrap());
            });
            group.finish();
        }
    }
}

criterion_group!(benches, classify);
criterion_main!(benches);
