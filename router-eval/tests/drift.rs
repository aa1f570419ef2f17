//! Drift on synthetic worlds: none on prompts of the same world, and found on those of another.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::sync::Arc;

use router_core::drift::{DriftMonitor, Window};
use router_core::{Prompt, Router, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};

const CONFIG: &str = "
    [embedder]
    use = \"hashing\"
    dimension = 512
    [discoverer]
    use = \"graph\"
";

fn world(seed: u64) -> (World, World) {
    let config = WorldConfig { prompts: 3_000, wording_noise: 0.1, ..WorldConfig::demo(seed) };
    World::generate(&config).unwrap().train_test(0.4).unwrap()
}

fn fit(world: &World) -> Router {
    let config = RouterConfig::from_toml(CONFIG, "drift.toml").unwrap();
    let unfitted = UnfittedRouter::from_config(&config, &router_plugins::builtin().unwrap()).unwrap();
    unfitted.fit_blocking(&Arc::new(world.dataset.clone()), &unfitted.context()).unwrap()
}

fn windows(router: &Router, prompts: &[Prompt], window: u64, level: f64) -> Vec<Window> {
    let mut monitor = DriftMonitor::new(router.drift_reference().unwrap(), window, level).unwrap();
    router.observe_blocking(prompts).unwrap().into_iter().filter_map(|one| monitor.observe(one)).collect()
}

#[test]
fn a_stream_of_the_same_world_warns_no_more_often_than_the_level_says() {
    let (mut warned, mut all) = (0, 0);
    for seed in 0..4 {
        let (train, test) = world(seed);
        let found = windows(&fit(&train), test.dataset.prompts(), 90, 0.05);
        warned += found.iter().filter(|window| window.warning).count();
        all += found.len();
    }
    println!("{warned} of {all} windows warn at level 0.05");
    // 80 windows: more than 9 warnings have a probability of 1% if each has one of 5%.
    assert!(all == 80 && warned <= 9, "{warned} of {all}");
}

#[test]
fn a_stream_of_another_world_warns() {
    let (train, test) = world(0);
    let router = fit(&train);
    // Another world of the same kind, and the same one with a third of the prompts exchanged for it.
    let other: Vec<Prompt> =
        (0..900).map(|at| Prompt::new(at.to_string(), format!("Zxq {at} wvut blorp {} quux gnarf", at * 7))).collect();
    assert!(windows(&router, &other, 90, 0.01).iter().all(|window| window.warning));
    let mixed: Vec<Prompt> = test
        .dataset
        .prompts()
        .iter()
        .zip(&other)
        .enumerate()
        .map(|(at, (same, other))| if at % 3 == 0 { other.clone() } else { same.clone() })
        .collect();
    let found = windows(&router, &mixed, 90, 0.01);
    let warned = found.iter().filter(|window| window.warning).count();
    println!("{warned} of {} windows warn with a third of foreign prompts", found.len());
    assert_eq!(warned, found.len());
}
