//! Swap components in Rust: the same router with and without stage 2, side by side.
//!
//! `cargo run --release -p router-examples --example swap_by_builder`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{Dataset, Registry, Result, Router, RouterBuilder};
use router_data::synthetic::{World, WorldConfig};
use router_plugins::aggregators::weighted::WeightedConfig;
use router_plugins::classifiers::softmax::SoftmaxConfig;
use router_plugins::discoverers::graph::GraphConfig;
use router_plugins::embedders::hashing::HashingConfig;
use router_plugins::estimators::neighbors::NeighborsConfig;

/// Mean observed quality of the models that `router` chooses for the prompts of `dataset`.
fn quality(router: &Router, dataset: &Dataset) -> Result<f64> {
    let decisions = router.route_blocking(dataset.prompts(), &[])?;
    let observed: Vec<f64> = decisions
        .iter()
        .enumerate()
        .filter_map(|(row, decision)| dataset.outcomes().get(row, decision.model()?))
        .map(|outcome| f64::from(outcome.quality))
        .collect();
    Ok(observed.iter().sum::<f64>() / observed.len() as f64)
}

/// Fits both routers on one world and compares them.
pub fn main() -> Result<()> {
    let registry: Registry = router_plugins::builtin()?;
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?;
    let (train, test): (Vec<usize>, Vec<usize>) = (0..world.dataset.prompts().len()).partition(|row| row % 3 != 0);
    let (train, test) = (Arc::new(world.dataset.subset(&train)), world.dataset.subset(&test));

    // Stage 1 alone: tasks and their scores.
    let stage_one = RouterBuilder::new(&registry)
        .seed(7)
        .embedder(HashingConfig::default())
        .discoverer(GraphConfig::default())
        .classifier(SoftmaxConfig::default())
        .build()?;
    // The same with nearest neighbors beside it, weighed equally instead of by held-out folds.
    let two_stages = RouterBuilder::new(&registry)
        .seed(7)
        .embedder(HashingConfig::default())
        .discoverer(GraphConfig::default())
        .classifier(SoftmaxConfig::default())
        .estimator(NeighborsConfig::default())
        .aggregator(WeightedConfig { alpha: Some(0.5), ..WeightedConfig::default() })
        .build()?;

    for (name, unfitted) in [("stage 1 alone", stage_one), ("with neighbors", two_stages)] {
        let router = unfitted.fit_blocking(&train, &unfitted.context())?;
        println!("{name:<16} {} tasks, quality {:.3}", router.tasks().tasks.len(), quality(&router, &test)?);
    }
    Ok(())
}
