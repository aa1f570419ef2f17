//! What the two-stage router must do on synthetic worlds whose truth is planted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::{ComponentConfig, FitContext, Registry, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};
use router_eval::{NamedConfig, Options, train_test};
use router_plugins::graph::adjusted_rand_index;

const FINEROUTER: &str = include_str!("../../docs/configs/finerouter.toml");

fn registry() -> Registry {
    router_plugins::builtin().unwrap()
}

/// The configuration of the documentation with one line changed.
fn finerouter(line: &str, changed: &str) -> RouterConfig {
    assert_eq!(FINEROUTER.matches(line).count(), 1, "{line}");
    RouterConfig::from_toml(&FINEROUTER.replace(line, changed), "finerouter.toml").unwrap()
}

/// Adjusted Rand index of the tasks that `config` discovers in `world` against the planted ones; no task is one more task.
fn agreement_with_planted(config: &RouterConfig, world: &World) -> f64 {
    let registry = registry();
    let unfitted = UnfittedRouter::from_config(config, &registry).unwrap();
    let router = unfitted.fit_blocking(&Arc::new(world.dataset.clone()), &unfitted.context()).unwrap();
    let tasks = router.training_tasks().unwrap();
    let found: Vec<u32> =
        tasks.assignments().iter().map(|task| task.map_or(tasks.count() as u32, |task| task.0)).collect();
    adjusted_rand_index(&world.planted, &found).unwrap()
}

/// A router that only discovers and classifies: quick to fit.
const STAGE_ONE: (&str, &str) = ("[[estimators]]\nuse = \"moe\"\n", "");

#[test]
fn the_demo_world_is_discovered_at_any_seed() {
    for seed in 0..8 {
        let (train, _) = World::generate(&WorldConfig::demo(seed)).unwrap().train_test(0.5).unwrap();
        let found = agreement_with_planted(&finerouter(STAGE_ONE.0, STAGE_ONE.1), &train);
        println!("seed {seed}: {found:.3}");
        assert!(found >= 0.9, "seed {seed}: {found:.3}");
    }
}

#[test]
fn agreement_of_rankings_finds_what_wording_hides() {
    for seed in 0..3 {
        let world = World::generate(&WorldConfig::misleading(seed)).unwrap();
        let with = agreement_with_planted(&finerouter(STAGE_ONE.0, STAGE_ONE.1), &world);
        let config = finerouter("use = \"graph\"", "use = \"graph\"\nagreement = 0.0");
        let without = agreement_with_planted(&RouterConfig { estimators: Vec::new(), ..config }, &world);
        println!("seed {seed}: {with:.3} with agreement, {without:.3} without");
        assert!(with >= 0.8, "seed {seed}: {with:.3}");
        assert!(without <= 0.4, "seed {seed}: {without:.3}");
    }
}

/// Where a cue in the prompt turns each task's specialists around, and differently from task to task, heads of the tasks' own
/// are worth their parameters. Stage 2 alone, so that task scores cannot stand in for them.
#[test]
fn without_its_task_heads_the_mixture_of_experts_loses() {
    let alone = |moe: &str| {
        let config = finerouter("use = \"moe\"", moe);
        RouterConfig { aggregator: Some(ComponentConfig::new("weighted").with("alpha", 1.0)), ..config }
    };
    let configs = [
        NamedConfig::new("with", alone("use = \"moe\"")),
        NamedConfig::new("without", alone("use = \"moe\"\ntask_heads = false")),
    ];
    let world = WorldConfig { tasks: 24, cues: 4, smallest_task: 40, ..WorldConfig::task_skill(1) };
    let (train, test) = World::generate(&world).unwrap().train_test(0.5).unwrap();
    let (train, test) = (Arc::new(train.dataset), Arc::new(test.dataset));
    let options = Options { resamples: 200, ..Options::default() };
    let evaluation = train_test(&configs, &registry(), &train, &[test], &options, &FitContext::new(7)).unwrap();
    let mut scores: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for row in &evaluation.decisions {
        let side = match row.router.as_str() {
            "with" => 0,
            "without" => 1,
            _ => continue,
        };
        scores.entry(&row.prompt_id).or_default()[side] = row.score.unwrap();
    }
    let differences: Vec<f64> = scores.values().map(|[with, without]| with - without).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let deviation = (differences.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let error = deviation / n.sqrt();
    println!("task heads are worth {mean:.3} +- {error:.3} over {n} prompts");
    assert!(mean > 3.0 * error && mean > 0.02, "{mean:.4} +- {error:.4}");
}
