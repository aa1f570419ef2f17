//! Embedding: texts to vectors, for every registered plugin.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_benches::{SIZES, World, names, registry};
use router_core::registry::Role;
use router_core::{EmbedderRole, ErrorKind, FitContext};
use serde_json::json;

fn embed(criterion: &mut Criterion) {
    let registry = registry();
    let mut group = criterion.benchmark_group("embed");
    for size in SIZES.into_iter().take(2) {
        let world = World::new(size);
        let texts: Vec<String> = world.dataset.prompts().iter().map(|prompt| prompt.text().into_owned()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        group.throughput(Throughput::Elements(size.n as u64));
        for name in names(&registry, EmbedderRole::NAME) {
            let (embedder, _) = registry.build::<EmbedderRole>(name, json!({})).unwrap();
            let fitted = match pollster::block_on(embedder.fit(&texts, &FitContext::new(1))) {
                Ok(fitted) => fitted,
                // Its model has not been brought to this machine.
                Err(error) if error.kind() == ErrorKind::Io => continue,
                Err(error) => panic!("{name}: {error}"),
            };
            group.bench_function(BenchmarkId::new(name, format!("n={}", size.n)), |bencher| {
                bencher.iter(|| pollster::block_on(fitted.embed(&texts)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, embed);
criterion_main!(benches);
