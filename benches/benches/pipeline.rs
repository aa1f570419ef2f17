//! The whole router of `docs/configs/finerouter.toml`: fit, decide from texts, decide from embeddings, load, each at growing sizes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

use criterion::{BenchmarkId, Criterion, Throughput};
use router_benches::{Size, World, registry, suite};
use router_core::pipeline::RouteBuffers;
use router_core::{ComponentConfig, Decision, PromptsView, Registry, Router, RouterConfig, UnfittedRouter};

const FINEROUTER: &str = include_str!("../../docs/configs/finerouter.toml");
/// Smaller than the worlds of the roles: a fit is eleven discoveries in parts of the prompts and six fits of every stage.
const BASE: Size = Size { n: 500, d: 128, m: 10, tasks: 10 };

fn sizes() -> Vec<Size> {
    if suite::only_tested() {
        return vec![Size { n: 60, d: 16, m: 4, tasks: 3 }];
    }
    let n = [1_000, 2_000].map(|n| Size { n, ..BASE });
    let d = [512].map(|d| Size { d, ..BASE });
    let m = [30, 100].map(|m| Size { m, ..BASE });
    let tasks = [30].map(|tasks| Size { tasks, ..BASE });
    [BASE].into_iter().chain(n).chain(d).chain(m).chain(tasks).collect()
}

fn pipeline(criterion: &mut Criterion, registry: &Registry, size: Size) {
    let mut config = RouterConfig::from_toml(FINEROUTER, "finerouter.toml").unwrap();
    config.embedder = ComponentConfig::new("hashing").with("dimension", size.d);
    let world = World::new(size);
    let prompts = world.dataset.prompts();
    let unfitted = UnfittedRouter::from_config(&config, registry).unwrap();
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(10).throughput(Throughput::Elements(size.n as u64));
    group.bench_function(BenchmarkId::new("fit", size), |bencher| {
        bencher.iter(|| unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap());
    });
    let router = unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap();
    group.bench_function(BenchmarkId::new("route-texts", size), |bencher| {
        bencher.iter(|| router.route_blocking(prompts, &[]).unwrap());
    });
    let embeddings = router.embed_blocking(prompts).unwrap();
    let mut decisions = vec![Decision::default(); size.n];
    group.bench_function(BenchmarkId::new("route-embeddings", size), |bencher| {
        bencher.iter(|| router.route_embedded(PromptsView::all(prompts), &embeddings, &[], &mut decisions).unwrap());
    });
    let (one, mut buffers) = (embeddings.gather(&[0]), RouteBuffers::default());
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("route-one-embedding", size), |bencher| {
        let (prompt, embedding) = (PromptsView::all(&prompts[..1]), one.vectors.view());
        bencher.iter(|| router.route_batch(prompt, embedding, &[], &mut buffers, &mut decisions[..1]).unwrap());
    });
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    group.bench_function(BenchmarkId::new("load", size), |bencher| {
        bencher.iter(|| Router::load(&place, registry).unwrap());
    });
    group.finish();
}

fn main() {
    suite::main(|criterion| {
        let registry = registry();
        for size in sizes() {
            pipeline(criterion, &registry, size);
        }
    });
}
