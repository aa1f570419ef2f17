//! Near duplicates among 5,000, 20,000 and 80,000 prompts: the time a prompt should hardly grow.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "criterion's macros write undocumented functions; a bench fails by panicking"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt as _;
use router_core::Seed;
use router_data::near_duplicates;

/// Words there are.
const VOCABULARY: u32 = 20_000;
/// Templates, each with 60 words of instructions, and the prompts of each have 30 to 120 words of their own.
const TEMPLATES: usize = 8;

/// `count` prompts, one in ten of them an earlier one with a word exchanged.
fn prompts(count: usize) -> Vec<String> {
    let mut stream = Seed::root(1).stream("near duplicates");
    // Squaring makes some words common and most rare.
    let mut word = move || {
        let share: f64 = stream.random_range(0.0..1.0);
        (share * share * f64::from(VOCABULARY)) as u32
    };
    let templates: Vec<Vec<u32>> = (0..TEMPLATES).map(|_| (0..60).map(|_| word()).collect()).collect();
    let mut bodies: Vec<Vec<u32>> = Vec::with_capacity(count);
    for row in 0..count {
        bodies.push(if row % 10 == 9 {
            let mut body = bodies[word() as usize % row].clone();
            let at = word() as usize % body.len();
            body[at] = word();
            body
        } else {
            (0..30 + word() % 90).map(|_| word()).collect()
        });
    }
    let text = |words: &[u32]| words.iter().fold(String::new(), |text, word| text + "w" + &word.to_string() + " ");
    bodies.iter().enumerate().map(|(row, body)| text(&templates[row % TEMPLATES]) + &text(body)).collect()
}

fn near(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("near-duplicates");
    group.sample_size(10);
    for count in [5_000, 20_000, 80_000] {
        let prompts = prompts(count);
        let texts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| near_duplicates::groups(&texts));
        });
    }
    group.finish();
}

criterion_group!(benches, near);
criterion_main!(benches);
