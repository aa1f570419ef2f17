//! How well discovery finds planted tasks as noise rises.
//!
//! `cargo run --release -p router-examples --example discovery_under_noise` is quick;
//! `cargo run --release -p router-examples --example discovery_under_noise -- full` makes the tables of docs/discovery.md.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{ComponentConfig, Registry, Result, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};
use router_plugins::graph::{adjusted_rand_index, normalized_mutual_information};

/// What is compared: a name, and the discoverer behind it.
fn discoverers(planted: usize) -> Vec<(&'static str, ComponentConfig)> {
    let named = ComponentConfig::new;
    vec![
        ("graph", named("graph")),
        ("graph, words alone", named("graph").with("agreement", 0.0)),
        ("kmeans", named("kmeans")),
        ("kmeans, k given", named("kmeans").with("k", planted)),
        ("spectral", named("spectral")),
        ("spectral, k given", named("spectral").with("k", planted)),
        ("spectral, k given, words alone", named("spectral").with("k", planted).with("agreement", 0.0)),
        ("labels", named("labels")),
    ]
}

/// Adjusted Rand index and normalized mutual information of the tasks found in `world` against the planted ones. Prompts
/// without a task count as one more task.
fn agreement(world: &World, discoverer: ComponentConfig, registry: &Registry) -> Result<(f64, f64)> {
    // Only discovery matters here: the classifier is the cheapest there is.
    let classifier = ComponentConfig::new("centroid").with("temperature", 1.0).with("threshold", 0.0);
    let config = RouterConfig {
        seed: 7,
        discoverer: Some(discoverer),
        classifier: Some(classifier),
        ..RouterConfig::new(ComponentConfig::new("hashing"))
    };
    let unfitted = UnfittedRouter::from_config(&config, registry)?;
    let router = unfitted.fit_blocking(&Arc::new(world.dataset.clone()), &unfitted.context())?;
    let Some(tasks) = router.training_tasks() else { return Ok((0.0, 0.0)) };
    let none = tasks.count() as u32;
    let found: Vec<u32> = tasks.assignments().iter().map(|task| task.map_or(none, |task| task.0)).collect();
    Ok((adjusted_rand_index(&world.planted, &found)?, normalized_mutual_information(&world.planted, &found)?))
}

/// A table in Markdown: a discoverer a row, a level of noise a column, each cell the mean over `seeds` of ARI / NMI.
fn table(
    title: &str,
    levels: &[f64],
    seeds: u64,
    world: impl Fn(u64, f64) -> WorldConfig,
    registry: &Registry,
) -> Result<()> {
    let head: Vec<String> = levels.iter().map(|level| format!("{level:.2}")).collect();
    println!("\n| {title} | {} |\n|---|{}", head.join(" | "), "---|".repeat(levels.len()));
    let planted = world(0, 0.0).tasks;
    for (name, discoverer) in discoverers(planted) {
        let mut cells = Vec::new();
        for &level in levels {
            let (mut rand_index, mut information) = (0.0, 0.0);
            for seed in 0..seeds {
                let (ari, nmi) = agreement(&World::generate(&world(seed, level))?, discoverer.clone(), registry)?;
                rand_index += ari / seeds as f64;
                information += nmi / seeds as f64;
            }
            cells.push(format!("{rand_index:.2} / {information:.2}"));
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Prints both tables.
pub fn main() -> Result<()> {
    let registry = router_plugins::builtin()?;
    let full = std::env::args().any(|argument| argument == "full");
    let (seeds, prompts) = if full { (3, 1_200) } else { (1, 480) };
    let levels: &[f64] = if full { &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5] } else { &[0.0, 0.3] };
    println!("adjusted Rand index / normalized mutual information, mean of {seeds} seeds, {prompts} prompts");

    // The words tell the task; more and more prompts are worded as another one. 0/1 outcomes.
    let words =
        |seed, level| WorldConfig { prompts, wording_noise: level, smallest_task: 30, ..WorldConfig::demo(seed) };
    table("share of prompts worded as another task", levels, seeds, words, &registry)?;

    // The words mislead; only rankings of models tell the task, and outcomes get noisier.
    let outcomes =
        |seed, level| WorldConfig { prompts, outcome_noise: level, smallest_task: 30, ..WorldConfig::misleading(seed) };
    table("noise of outcomes where words mislead", levels, seeds, outcomes, &registry)
}
