//! Discovery: training prompts to tasks, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{DiscovererRole, FitContext};
use serde_json::json;

fn discover(criterion: &mut Criterion) {
    let registry = registry();
    let mut group = criterion.benchmark_group("discover");
    group.sample_size(10);
    for size in SIZES {
        let world = World::new(size);
        let set = world.training_set();
        group.throughput(Throughput::Elements(size.n as u64));
        for name in names(&registry, DiscovererRole::NAME) {
            let (discoverer, _) = registry.build::<DiscovererRole>(name, json!({})).unwrap();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| discoverer.discover(&set, &FitContext::new(1)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, discover);
criterion_main!(benches);
