//! How long one decision takes after the embedding, and how often it allocates, with 30 models and 300 tasks.
//!
//! ```text
//! cargo run --release -p router-benches --bin latency [-- DECISIONS]
//! ```
//!
//! One decision at a time on one thread, as a service makes them: 384 dimensions, 6,000 training prompts, a task for every planted
//! one, half the weight on task scores. Prints a row an estimator: microseconds at the median and the 99th percentile, allocations a decision.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measuring program: it prints and reads the clock"
)]

use std::time::Instant;

use router_benches::Size;
use router_benches::decisions::{Deciding, ESTIMATORS};

const SIZE: Size = Size { n: 6_000, d: 384, m: 30, tasks: 300 };

fn main() {
    let decisions = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(20_000usize).max(100);
    println!("| estimator | tasks | p50, microseconds | p99 | allocations a decision |");
    println!("|---|---:|---:|---:|---:|");
    for (name, estimator) in ESTIMATORS {
        let mut deciding = Deciding::new(SIZE, estimator);
        (0..100).for_each(|row| deciding.decide(row));
        let mut nanoseconds: Vec<u128> = (0..decisions)
            .map(|row| {
                let start = Instant::now();
                deciding.decide(row);
                start.elapsed().as_nanos()
            })
            .collect();
        nanoseconds.sort_unstable();
        let at = |share: f64| nanoseconds[((decisions - 1) as f64 * share) as usize] as f64 / 1000.0;
        let counted = allocation_counter::measure(|| (0..100).for_each(|row| deciding.decide(row)));
        println!(
            "| `{name}` | {} | {:.1} | {:.1} | {:.2} |",
            deciding.tasks(),
            at(0.5),
            at(0.99),
            counted.count_total as f64 / 100.0
        );
    }
}
