//! Aggregation: two stages to one estimate, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{AggregatorEvidence, AggregatorRole, Estimates, FitContext, PartInfo, Stage};
use serde_json::json;

fn aggregate(criterion: &mut Criterion) {
    let registry = registry();
    let mut group = criterion.benchmark_group("aggregate");
    for size in SIZES {
        let world = World::new(size);
        let set = world.training_set();
        let part = |slot: &str, stage| PartInfo { slot: slot.to_owned(), name: "part".to_owned(), stage };
        let infos = [part("task_scores", Stage::Task), part("estimators/0", Stage::Prompt)];
        let parts: Vec<Estimates> = [0.3f32, 0.6]
            .iter()
            .map(|&lean| {
                let mut estimates = Estimates::new();
                estimates.reset(size.n, size.m);
                for (row, outcome) in world.dataset.outcomes().iter() {
                    estimates.quality_mut().set(row, outcome.model, lean * outcome.quality);
                }
                estimates
            })
            .collect();
        let views: Vec<_> = parts.iter().map(Estimates::view).collect();
        group.throughput(Throughput::Elements(size.n as u64));
        for name in names(&registry, AggregatorRole::NAME) {
            let (aggregator, _) = registry.build::<AggregatorRole>(name, json!({})).unwrap();
            let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: Some(&parts) };
            let fitted = aggregator.fit(&evidence, &FitContext::new(1)).unwrap();
            let mut out = Estimates::new();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| fitted.aggregate(&views, &mut out).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, aggregate);
criterion_main!(benches);
