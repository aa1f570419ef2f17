//! The whole router: fit, decide from texts, decide from embeddings, load.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{Size, World, registry};
use router_core::pipeline::RouteBuffers;
use router_core::{Decision, PromptsView, Router, RouterConfig, UnfittedRouter};

const FINEROUTER: &str = include_str!("../../docs/configs/finerouter.toml");

fn pipeline(criterion: &mut Criterion) {
    let registry = registry();
    let config = RouterConfig::from_toml(FINEROUTER, "finerouter.toml").unwrap();
    let size = Size { n: 500, d: 128, m: 10, tasks: 10 };
    let world = World::new(size);
    let unfitted = UnfittedRouter::from_config(&config, &registry).unwrap();
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(10).throughput(Throughput::Elements(size.n as u64));
    group.bench_function(BenchmarkId::new("fit", size), |bencher| {
        bencher.iter(|| unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap());
    });
    let router = unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap();
    group.bench_function(BenchmarkId::new("route-texts", size), |bencher| {
        bencher.iter(|| router.route_blocking(world.dataset.prompts(), &[]).unwrap());
    });
    let embeddings = router.embed_blocking(world.dataset.prompts()).unwrap();
    let mut decisions = vec![Decision::default(); size.n];
    group.bench_function(BenchmarkId::new("route-embeddings", size), |bencher| {
        let prompts = PromptsView::all(world.dataset.prompts());
        bencher.iter(|| router.route_embedded(prompts, &embeddings, &[], &mut decisions).unwrap());
    });
    let one = embeddings.gather(&[0]);
    let mut buffers = RouteBuffers::default();
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("route-one-embedding", size), |bencher| {
        let prompts = PromptsView::all(&world.dataset.prompts()[..1]);
        bencher
            .iter(|| router.route_batch(prompts, one.vectors.view(), &[], &mut buffers, &mut decisions[..1]).unwrap());
    });
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    group.bench_function(BenchmarkId::new("load", size), |bencher| {
        bencher.iter(|| Router::load(&place, &registry).unwrap());
    });
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
