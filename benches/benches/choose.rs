//! Choosing: estimates to decisions, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{Choice, Decision, Eligibility, FitContext, Matrix, PolicyEvidence, PolicyRole};
use serde_json::json;

fn choose(criterion: &mut Criterion) {
    let registry = registry();
    let mut group = criterion.benchmark_group("choose");
    for size in SIZES {
        let world = World::new(size);
        let set = world.training_set();
        let (mut quality, mut cost) = (Matrix::zeros(size.n, size.m), Matrix::zeros(size.n, size.m));
        for (row, outcome) in world.dataset.outcomes().iter() {
            quality.set(
                row,
                outcome.model,
                0.5 * outcome.quality + 0.001 * ((row * 31 + outcome.model * 17) % 97) as f32,
            );
            cost.set(row, outcome.model, 0.001 * (outcome.model + 1) as f32);
        }
        let known = vec![true; size.m];
        let mut eligible = Eligibility::default();
        eligible.reset(size.n, size.m);
        let choice = Choice {
            quality: quality.view(),
            variance: None,
            cost_usd: cost.view(),
            known_cost: &known,
            eligible: &eligible,
        };
        group.throughput(Throughput::Elements(size.n as u64));
        for name in names(&registry, PolicyRole::NAME) {
            let (policy, _) = registry.build::<PolicyRole>(name, json!({})).unwrap();
            let evidence = PolicyEvidence { set: &set, cross_fitted: None, cost_usd: cost.view(), known_cost: &known };
            let fitted = policy.fit(&evidence, &FitContext::new(1)).unwrap();
            let mut out = vec![Decision::default(); size.n];
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| fitted.choose(&choice, &mut out).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, choose);
criterion_main!(benches);
